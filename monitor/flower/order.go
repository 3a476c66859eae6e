package flower

import (
	"bytes"
	"cmp"
	"encoding/json"
	"slices"
	"strings"

	"github.com/umbel-go/umbel/monitor/history"
)

func marshalPair(name string, v any) ([]byte, error) {
	key, err := json.Marshal(name)
	if err != nil {
		return nil, err
	}
	value, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return bytes.Join([][]byte{key, value}, []byte{':'}), nil
}

// order sorts by a member as Flower's sort_by does: "name", "state", "received" or "started", with - in front the other way
// round. Anything else leaves the latest first.
func order(list []*history.Task, by string) {
	name, back := strings.CutPrefix(by, "-")
	var compare func(a, b *history.Task) int
	switch name {
	case "name":
		compare = func(a, b *history.Task) int { return cmp.Compare(a.Name, b.Name) }
	case "state":
		compare = func(a, b *history.Task) int { return cmp.Compare(a.State, b.State) }
	case "received":
		compare = func(a, b *history.Task) int { return a.Received.Compare(b.Received) }
	case "started":
		compare = func(a, b *history.Task) int { return a.Started.Compare(b.Started) }
	default:
		return
	}
	slices.SortStableFunc(list, func(a, b *history.Task) int {
		if back {
			a, b = b, a
		}
		return compare(a, b)
	})
}
