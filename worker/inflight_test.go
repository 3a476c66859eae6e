package worker

import (
	"testing"

	"github.com/umbel-go/umbel/protocol"
)

// The connection is lost after a run was found to be alive and before it is taken in; its copy has been admitted meanwhile and
// found nobody to join. One of the two may run.
func TestARunThatLosesItsConnectionAsItBeginsIsLeftToItsCopy(t *testing.T) {
	var f inflight
	c := &consumer{}
	attempt := func() *run {
		return &run{consumer: c, epoch: c.epoch.Load(), task: &protocol.Task{ID: "id"}, print: 7}
	}
	old := attempt()
	c.epoch.Add(1) // notify
	copied := attempt()
	if f.join(copied) {
		t.Fatal("it joined what has not begun")
	}
	if f.begin(old, &twins{}) {
		t.Error("what the broker has handed out again begins beside its copy")
	}
	if !f.begin(copied, &twins{}) {
		t.Error("the copy does not begin")
	}

	c.epoch.Add(1)
	again := attempt()
	if !f.join(again) {
		t.Error("a copy of what has begun runs beside it")
	}
	if bearer, ok := f.bearer(copied); !ok || bearer != again {
		t.Error("the run's settlement is not its copy's")
	}
}
