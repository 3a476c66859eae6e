package fleet

import (
	"errors"
	"maps"
	"testing"

	"github.com/umbel-go/umbel/scaling"
)

// A worker is counted in each queue that it consumes, and for some rounds by what it said last if it is heard and does not answer.
func TestCrewsAreWorkersByQueue(t *testing.T) {
	worker := func(name string, slots int, queues ...scaling.Load) scaling.Worker {
		return scaling.Worker{Name: name, Slots: slots, Queues: queues}
	}
	a, b := worker("a", 4, scaling.Load{Queue: "orders"}, scaling.Load{Queue: "mail"}), worker("b", 2, scaling.Load{Queue: "orders"}, scaling.Load{Queue: "old", Left: true})
	deaf := map[string]bool{}
	alive := func(name string) bool { return !deaf[name] }
	r := make(roll)
	step := func(what string, err error, want map[string]Crew, answered ...scaling.Worker) {
		t.Helper()
		if got := r.call(answered, alive, err); !maps.Equal(got, want) || (got == nil) != (want == nil) {
			t.Errorf("%s: %v, want %v", what, got, want)
		}
	}
	both, one := map[string]Crew{"orders": {2, 6}, "mail": {1, 4}}, map[string]Crew{"orders": {1, 2}}
	step("both answer", nil, both, a, b)
	step("nobody could be asked", errors.New("no broker"), nil)
	step("one does not answer", nil, both, b)
	step("and is there again", nil, both, a, b)
	for range remembered - 1 {
		step("it is silent, and heard", nil, both, b)
	}
	step("it is silent for long", nil, one, b)
	step("and comes back", nil, both, a, b)
	deaf["a"] = true
	step("it is not heard either", nil, one, b)
	deaf["b"] = true
	step("nobody is there", nil, map[string]Crew{})
}
