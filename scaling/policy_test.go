package scaling

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// The table of docs/scaling.md, from the loads in testdata.
func TestPoliciesOnRecordedLoad(t *testing.T) {
	t.Parallel()
	manual, err := os.ReadFile("../docs/scaling.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range []struct {
		name  string
		slots int
		cpu   float64 // of a processor, that each running task uses
		depth int     // ready messages for each worker
		most  int
	}{
		{"daily", 4, 0.9, 50, 40},
		{"bursts", 4, 0.9, 50, 40},
		{"reports", 2, 0.9, 2, 40},
	} {
		tasks, until := load(t, l.name)
		results := make(map[string]*sim)
		c := Config{Max: l.most}
		for _, p := range []struct {
			name   string
			policy policy
		}{
			{"advice, removable workers go", advised(c, true)},
			{"advice, any worker goes", advised(c, false)},
			{"depth", byDepth(l.depth, 1, l.most)},
			{"CPU", byCPU(l.cpu, 1, l.most)},
		} {
			s := newSim(l.slots, 1)
			s.run(tasks, until, p.policy)
			results[p.name] = s
			row := fmt.Sprintf("| %s | %s | %.1f s | %.1f s | %.0f | %d | %d |", l.name, p.name, percentile(s.waits, 0.5), percentile(s.waits, 0.99), s.workerHours, turns(s.wishes), s.cut)
			t.Log(row)
			if !strings.Contains(string(manual), row) {
				t.Errorf("docs/scaling.md lacks\n%s", row)
			}
		}
		ours := results["advice, removable workers go"]
		if ours.cut != 0 {
			t.Errorf("%s: %d tasks were cut by removing workers that were said to be removable", l.name, ours.cut)
		}
		if any := results["advice, any worker goes"]; any.cut > results["depth"].cut {
			t.Errorf("%s: %d tasks were cut, by depth alone %d", l.name, any.cut, results["depth"].cut)
		}
	}
}
