package interop

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"sort"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/umbel-go/umbel"
)

// TestBothSidesDeclareTheSame: whoever comes first, queues, exchanges and bindings are the same, so that the other one's
// declarations meet no 406.
func TestBothSidesDeclareTheSame(t *testing.T) {
	declared := func(send func(*testing.T, *world, string)) []string {
		w := newWorld(t)
		for _, queue := range []string{"go", "prio", "topic", "quorum", "made.up"} {
			send(t, w, queue)
		}
		return w.topology(t)
	}
	python := declared(func(t *testing.T, w *world, queue string) {
		w.client.run(t, nil, `app.send_task("t", queue=given[0]).id`, queue)
	})
	ours := declared(func(t *testing.T, w *world, queue string) {
		if _, err := w.app.Send(deadline(t), "t", nil, umbel.Queue(queue)); err != nil {
			t.Fatal(err)
		}
		w.client.run(t, nil, `app.send_task("t", queue=given[0]).id`, queue) // it may declare them again
	})
	if d := cmp.Diff(python, ours); d != "" {
		t.Errorf("(-Python +Umbel):\n%s", d)
	}
	if !slices.Contains(ours, `queue prio durable=true {"x-max-priority":10}`) {
		t.Errorf("no queue with priorities among %q", ours)
	}
}

// topology lists a virtual host's queues, exchanges and bindings.
func (w *world) topology(t *testing.T) []string {
	t.Helper()
	var all []string
	for _, q := range w.rabbit.Queues() {
		args, err := json.Marshal(q.Arguments)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, fmt.Sprintf("queue %s durable=%t %s", q.Name, q.Durable, args))
	}
	var exchanges []struct {
		Name, Type          string
		Durable, AutoDelete bool
	}
	vhost := url.PathEscape(w.rabbit.Vhost())
	if err := json.Unmarshal(w.rabbit.API(http.MethodGet, "/api/exchanges/"+vhost, nil), &exchanges); err != nil {
		t.Fatal(err)
	}
	for _, e := range exchanges {
		if e.Name != "" && (len(e.Name) < 4 || e.Name[:4] != "amq.") {
			all = append(all, fmt.Sprintf("exchange %s %s durable=%t", e.Name, e.Type, e.Durable))
		}
	}
	var bindings []struct {
		Source, Destination string
		RoutingKey          string `json:"routing_key"`
	}
	if err := json.Unmarshal(w.rabbit.API(http.MethodGet, "/api/bindings/"+vhost, nil), &bindings); err != nil {
		t.Fatal(err)
	}
	for _, b := range bindings {
		if b.Source != "" {
			all = append(all, fmt.Sprintf("binding %s -%s-> %s", b.Source, b.RoutingKey, b.Destination))
		}
	}
	sort.Strings(all)
	return all
}
