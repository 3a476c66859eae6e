package metrics

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// The manual's tables list every metric with its kind, labels and meaning, and none that is not shown.
func TestTheManualListsWhatIsShown(t *testing.T) {
	t.Parallel()
	w := start(t)
	w.work()
	page, _ := w.await("everything has samples", func(p map[string]*family) bool { return len(silent(p)) == 0 })
	manual, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	listed := make(map[string]string)
	for line := range strings.Lines(string(manual)) {
		if rest, ok := strings.CutPrefix(line, "| `"); ok && strings.Count(line, " | ") == 3 {
			name, _, _ := strings.Cut(rest, "`")
			listed[name] = strings.TrimSpace(line)
		}
	}
	for _, name := range names(page) {
		f := page[name]
		var labels []string
		for _, l := range f.labels {
			labels = append(labels, "`"+l+"`")
		}
		want := fmt.Sprintf("| `%s` | %s | %s | %s |", name, f.kind, strings.Join(labels, " "), f.help)
		if slices.Contains(rare, name) { // whose labels are not known without a sample
			want = fmt.Sprintf("| `%s` | %s | %s | %s |", name, f.kind, strings.Split(listed[name]+" |  |  |  |", " | ")[2], f.help)
		}
		if listed[name] != want {
			t.Errorf("docs/metrics.md lacks\n%s", want)
		}
		delete(listed, name)
	}
	for name := range listed {
		t.Errorf("docs/metrics.md lists %s, which nobody shows", name)
	}
}

// rare are families without samples here: an embedded broker's connection cannot be lost or blocked, and nothing may be wrong.
var rare = []string{"umbel_connection_up", "umbel_connection_blocked", "umbel_connection_blocks_total", "umbel_connection_losses_total",
	"celery_task_revoked_total", "celery_task_rejected_total", "umbel_monitor_alerts", "umbel_queue_dead_letters"}

// silent are the families that should have samples and have none.
func silent(p map[string]*family) (out []string) {
	for name, f := range p {
		if f.samples == 0 && !slices.Contains(rare, name) {
			out = append(out, name)
		}
	}
	return out
}

func names(p map[string]*family) []string {
	out := make([]string, 0, len(p))
	for name := range p {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}
