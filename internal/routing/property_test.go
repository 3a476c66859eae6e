package routing

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestGraphAgreesWithReachability builds random graphs, takes things away again, and compares every route with the plain
// definition: the queues of all exchanges that can be reached through bindings that match.
func TestGraphAgreesWithReachability(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		names := []string{"a", "b", "c", "d", "e"}
		keys := []string{"k", "k.l", "*", "#", "k.*", "#.l", ""}
		g, kinds := New(), make(map[string]string)
		var bindings []Binding
		r.Repeat(map[string]func(*rapid.T){
			"add exchange": func(r *rapid.T) {
				x := rapid.SampledFrom(names).Draw(r, "exchange")
				kind := rapid.SampledFrom([]string{Direct, Topic, Fanout}).Draw(r, "type")
				g.AddExchange(x, kind, "")
				if kinds[x] == "" {
					kinds[x] = kind
				}
			},
			"bind": func(r *rapid.T) {
				b := Binding{Source: rapid.SampledFrom(names).Draw(r, "source"), Key: rapid.SampledFrom(keys).Draw(r, "key")}
				if rapid.Bool().Draw(r, "to a queue") {
					b.Queue = rapid.SampledFrom([]string{"q1", "q2", "q3"}).Draw(r, "queue")
				} else {
					b.Exchange = rapid.SampledFrom(names).Draw(r, "destination")
				}
				possible := kinds[b.Source] != "" && (b.Exchange == "" || kinds[b.Exchange] != "")
				if g.Bind(b) != possible {
					r.Fatalf("Bind(%+v) = %v", b, !possible)
				}
				if possible {
					bindings = append(bindings, b)
				}
			},
			"remove exchange": func(r *rapid.T) {
				x := rapid.SampledFrom(names).Draw(r, "exchange")
				g.RemoveExchange(x)
				delete(kinds, x)
				bindings = slices.DeleteFunc(bindings, func(b Binding) bool { return b.Source == x || b.Exchange == x })
			},
			"remove queue": func(r *rapid.T) {
				q := rapid.SampledFrom([]string{"q1", "q2", "q3"}).Draw(r, "queue")
				g.RemoveQueue(q)
				bindings = slices.DeleteFunc(bindings, func(b Binding) bool { return b.Queue == q })
			},
			"": func(r *rapid.T) {
				for _, x := range names {
					for _, key := range []string{"k", "k.l", "", "l"} {
						got, ok := g.Route(nil, x, key)
						if ok != (kinds[x] != "") {
							r.Fatalf("Route to %q: exists is %v", x, ok)
						}
						slices.Sort(got)
						if want := reachable(kinds, bindings, x, key); !slices.Equal(got, want) {
							r.Fatalf("Route(%q, %q) = %v, want %v", x, key, got, want)
						}
					}
				}
			},
		})
	})
}

func reachable(kinds map[string]string, bindings []Binding, from, key string) (queues []string) {
	seen := map[string]bool{from: kinds[from] != ""}
	for again := true; again; {
		again = false
		for _, b := range bindings {
			if !seen[b.Source] {
				continue
			}
			switch kinds[b.Source] {
			case Direct:
				if b.Key != key {
					continue
				}
			case Topic:
				if !naive(split(b.Key), split(key)) {
					continue
				}
			}
			if b.Exchange != "" && !seen[b.Exchange] {
				seen[b.Exchange], again = true, true
			}
			if b.Queue != "" && !slices.Contains(queues, b.Queue) {
				queues = append(queues, b.Queue)
			}
		}
	}
	slices.Sort(queues)
	return queues
}
