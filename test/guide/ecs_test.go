package guide

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/cli"
)

// The task definition that the guide shows is what its command renders from its settings, all but the settings themselves.
func TestTheTaskDefinitionOfTheGuideIsWhatIsRendered(t *testing.T) {
	text := read(t, page)
	_, settings, _ := strings.Cut(text, "```yaml\n# umbel.yaml\n")
	settings, _, _ = strings.Cut(settings, "```")
	_, command, found := strings.Cut(text, "```sh\nshop render ecs ")
	command, _, ended := strings.Cut(command, "\naws ecs ")
	_, shown, shows := strings.Cut(text, "```json\n{\n  \"family\": ")
	shown, _, closed := strings.Cut(shown, "```")
	if !found || !ended || !shows || !closed {
		t.Fatal("the guide has no command that renders for ECS, or no task definition")
	}
	t.Chdir(t.TempDir())
	if err := os.WriteFile("umbel.yaml", []byte(settings), 0o644); err != nil {
		t.Fatal(err)
	}
	args := append([]string{"shop", "render", "ecs"}, strings.Fields(strings.ReplaceAll(command, "\\\n", " "))...)
	var out strings.Builder
	if code := cli.Run(t.Context(), umbel.New("shop"), args, cli.Std{In: strings.NewReader(""), Out: &out, Err: &out}); code != 0 {
		t.Fatalf("exit code %d\n%s", code, &out)
	}
	rendered, err := os.ReadFile(filepath.Join("ecs", "high-priority.task.json"))
	if err != nil {
		t.Fatal(err)
	}
	got, want := definition(t, `{"family": `+shown), definition(t, string(rendered))
	environment := want["containerDefinitions"].([]any)[0].(map[string]any)
	all := environment["environment"].([]any)
	environment["environment"] = slices.DeleteFunc(slices.Clone(all), func(v any) bool {
		return !slices.Contains([]any{"UMBEL_PROFILE", "UMBEL_METRICS_ADDRESS", "UMBEL_WORKER_SHUTDOWN_GRACE"}, v.(map[string]any)["name"])
	})
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	carried := make(map[string]bool)
	for _, v := range all {
		carried[v.(map[string]any)["name"].(string)] = true
	}
	for _, name := range []string{"UMBEL_TASK_QUEUES", "UMBEL_TASK_ROUTES", "UMBEL_TASK_ACKS_LATE", "UMBEL_TASK_TIME_LIMIT"} {
		if !carried[name] {
			t.Errorf("%s does not go along: %v", name, slices.Sorted(maps.Keys(carried)))
		}
	}
}

func definition(t *testing.T, text string) map[string]any {
	t.Helper()
	var out map[string]any
	if err := json.Unmarshal([]byte(text), &out); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	return out
}
