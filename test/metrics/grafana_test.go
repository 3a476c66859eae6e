package metrics

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/umbel-go/umbel/internal/testenv"
)

const grafana = "../../deploy/grafana"

// Prometheus's own tool tests each alert; a rule that is changed in what it is for fails.
func TestAlertsAreRaisedByWhatTheyAreFor(t *testing.T) {
	t.Parallel()
	tool := testenv.Promtool(t)
	rules, err := os.ReadFile(filepath.Join(grafana, "rules.yml"))
	if err != nil {
		t.Fatal(err)
	}
	tests, err := os.ReadFile(filepath.Join(grafana, "rules_test.yml"))
	if err != nil {
		t.Fatal(err)
	}
	run := func(t *testing.T, rules string) (string, error) {
		dir := t.TempDir()
		for name, text := range map[string]string{"rules.yml": rules, "rules_test.yml": string(tests)} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		cmd := exec.Command(tool, "test", "rules", "rules_test.yml")
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	if out, err := run(t, string(rules)); err != nil {
		t.Fatalf("promtool: %v\n%s", err, out)
	}
	for what, change := range map[string][2]string{
		"memory":   {"> 0.8", "> 0.95"},
		"dead":     {" unless on (queue) umbel_queue_dead_letters", ""},
		"beat":     {"sum by (schedule) (umbel_beat_leader) == 0", "umbel_beat_leader == 0"},
		"confirms": {"< 0.5 * (avg_over_time", "< 1.5 * (avg_over_time"},
		"usual": {`[1h] offset 10m)
              /`, `[5m])
              /`},
		"consumers": {"umbel_queue_consumers == 0", "umbel_queue_consumers >= 0"},
	} {
		changed := strings.Replace(string(rules), change[0], change[1], 1)
		if changed == string(rules) {
			t.Errorf("%s: there is no %q to change", what, change[0])
		} else if _, err := run(t, changed); err == nil {
			t.Errorf("%s: the tests do not see that %q has become %q", what, change[0], change[1])
		}
	}
	for _, alert := range regexp.MustCompile(`(?m)- alert: (\w+)`).FindAllStringSubmatch(string(rules), -1) {
		if !strings.Contains(string(tests), "alertname: "+alert[1]+"\n") {
			t.Errorf("alert %s has no test", alert[1])
		}
	}
}

var metricName = regexp.MustCompile(`\b(?:umbel|process|go)_[a-z_]+\b`)

// Whatever a dashboard or rule names is shown by a worker, a scheduler and a monitor that run.
func TestDashboardsAndRulesNameWhatIsShown(t *testing.T) {
	t.Parallel()
	w := start(t)
	page := read(t, w.scrape()) // families are declared whether they have samples or not
	files, err := filepath.Glob(filepath.Join(grafana, "*.*"))
	if err != nil || len(files) < 4 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(file, ".md") {
			continue
		}
		named := metricName.FindAllString(string(text), -1)
		if len(named) == 0 {
			t.Errorf("%s names no metric", file)
		}
		for _, name := range named {
			base := name
			for _, end := range []string{"_bucket", "_sum", "_count"} {
				if cut := strings.TrimSuffix(name, end); page[cut] != nil && page[cut].kind == "histogram" {
					base = cut
				}
			}
			if page[base] == nil {
				t.Errorf("%s names %s, which nobody shows", file, name)
			}
		}
	}
}

func TestDashboardsAreWhole(t *testing.T) {
	t.Parallel()
	files, _ := filepath.Glob(filepath.Join(grafana, "*.json"))
	if len(files) == 0 {
		t.Fatal("no dashboards")
	}
	var uids []string
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var d struct {
			UID, Title    string
			SchemaVersion int
			Panels        []struct {
				ID      int
				Title   string
				GridPos struct{ H, W, X, Y int }
				Targets []struct {
					Expr       string
					Datasource struct{ UID string }
				}
			}
		}
		if err := json.Unmarshal(text, &d); err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		if d.UID == "" || slices.Contains(uids, d.UID) || d.Title == "" || d.SchemaVersion == 0 || len(d.Panels) == 0 {
			t.Errorf("%s: uid %q, title %q, schema %d, %d panels", file, d.UID, d.Title, d.SchemaVersion, len(d.Panels))
		}
		uids = append(uids, d.UID)
		ids := make(map[int]bool)
		for _, p := range d.Panels {
			if ids[p.ID] || p.Title == "" || len(p.Targets) == 0 || p.GridPos.X+p.GridPos.W > 24 || p.GridPos.W == 0 || p.GridPos.H == 0 {
				t.Errorf("%s: panel %d %q", file, p.ID, p.Title)
			}
			ids[p.ID] = true
			for _, q := range p.Targets {
				if q.Expr == "" || q.Datasource.UID != "${datasource}" {
					t.Errorf("%s: panel %q asks %q of %q", file, p.Title, q.Expr, q.Datasource.UID)
				}
			}
		}
	}
}
