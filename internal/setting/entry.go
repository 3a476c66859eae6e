package setting

import (
	"slices"
	"time"

	"github.com/umbel-go/umbel/internal/schedule"
)

// entries reads beat_schedule, a map of entry name to entry, into []schedule.Entry.
func (r *reader) entries(n *Node) any {
	if n.Kind != Mapping {
		r.want(n, "a map of entry name to task, schedule and so on")
		return nil
	}
	out := make([]schedule.Entry, 0, len(n.Members))
	for _, m := range n.Members {
		if m.Value.Kind != Mapping {
			r.fail(m.Value, "%s: %s is not a map of task, schedule and so on", m.Name, m.Value.says(false))
			continue
		}
		e, errs := schedule.Read(m.Name, plain(m.Value).(map[string]any), time.UTC)
		for _, err := range errs {
			at := m.Value
			at.Place = orElse(at.Place, m.Place)
			for _, field := range m.Value.Members {
				if field.Name == err.Key || len(err.Key) > len(field.Name) && err.Key[:len(field.Name)+1] == field.Name+"." {
					at = &Node{Place: orElse(field.Value.Place, field.Place)}
					if err.Unknown != "" {
						at = &Node{Place: field.Place}
					}
				}
			}
			text := err.Error()
			if near := Nearest(err.Unknown, err.Known); near != "" {
				text = err.Key + " is not known: did you mean " + near + "?"
			}
			r.fail(at, "%s: %s", m.Name, text)
		}
		out = append(out, e)
	}
	return out
}

// EntriesPlain is a schedule as a settings file holds it.
func EntriesPlain(entries []schedule.Entry) map[string]any {
	m := make(map[string]any, len(entries))
	for _, e := range entries {
		m[e.Name] = e.Plain()
	}
	return m
}

// LoadEntries reads a file of entries alone: YAML, TOML or JSON by its name's end. The error is an *Error with every
// problem in it.
func LoadEntries(path string) ([]schedule.Entry, error) {
	text, err := readFile(path)
	if err != nil {
		return nil, err
	}
	root, problems := parseFile(path, text)
	r := reader{setting: &Setting{Name: "beat_schedule"}}
	var out []schedule.Entry
	if len(problems) == 0 && root != nil && root.Kind != Null {
		if len(root.Members) == 1 && root.Kind == Mapping && root.Members[0].Name == "beat_schedule" {
			root = root.Members[0].Value // a piece of a settings file
		}
		out, _ = r.entries(root).([]schedule.Entry)
	}
	if problems = slices.Concat(problems, r.problems); len(problems) > 0 {
		return nil, &Error{Problems: byPlace(problems)}
	}
	return out, nil
}
