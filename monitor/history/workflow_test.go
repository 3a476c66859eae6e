package history

import (
	"fmt"
	"slices"
	"testing"

	"github.com/umbel-go/umbel/protocol"
)

func TestWorkflowsAreCountedAndThoseThatRunAreFound(t *testing.T) {
	each(t, func(t *testing.T, c Config) {
		s := open(t, c)
		var events []*protocol.Event
		at := 0.0
		heard := func(id, root, parent string, ends ...protocol.EventBody) {
			at++
			events = append(events, say(at, "w@h", &protocol.TaskReceived{UUID: id, Name: "n." + id, RootID: root, ParentID: parent}))
			for _, e := range ends {
				events = append(events, say(at+0.5, "w@h", e))
			}
		}
		for i := range 5 { // workflows of a root and two tasks; the last task of the even ones goes on
			root := fmt.Sprint("root", i)
			heard(root, root, "", &protocol.TaskSucceeded{UUID: root})
			heard(root+"a", root, root, &protocol.TaskFailed{UUID: root + "a"})
			if i%2 == 0 {
				heard(root+"b", root, root, &protocol.TaskStarted{UUID: root + "b"})
			} else {
				heard(root+"b", root, root, &protocol.TaskRevoked{UUID: root + "b"})
			}
		}
		heard("alone", "alone", "", &protocol.TaskStarted{UUID: "alone"})
		heard("lost", "never-heard-of", "never-heard-of")
		record(t, s, RecorderConfig{}, noon, events...)

		names := func(list []*Flow) (out []string) {
			for _, f := range list {
				out = append(out, f.Root)
			}
			return out
		}
		running, err := s.Running(deadline(t), 100)
		if want := []string{"never-heard-of", "root4", "root2", "root0"}; err != nil || !slices.Equal(names(running), want) {
			t.Fatalf("%q, %v, want %q", names(running), err, want)
		}
		f := running[1]
		if f.Name != "n.root4" || f.Tasks != 3 || f.States[protocol.Success] != 1 || f.States[protocol.Failure] != 1 || f.States[protocol.Started] != 1 || !f.Running() ||
			!f.Begun.Before(f.Updated) && f.Begun.IsZero() {
			t.Errorf("%+v", f)
		}
		if running[0].Name != "" || running[0].Tasks != 1 {
			t.Errorf("%+v", running[0])
		}
		var all []string
		for before := int64(0); ; {
			list, next, err := s.Flows(deadline(t), before, 2)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, names(list)...)
			if before = next; next == 0 {
				break
			}
		}
		if want := []string{"never-heard-of", "root4", "root3", "root2", "root1", "root0"}; !slices.Equal(all, want) {
			t.Errorf("%q, want %q", all, want)
		}
	})
}
