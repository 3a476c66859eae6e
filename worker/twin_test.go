package worker

import "testing"

// An attempt was parked and lost its connection before it began, so that both its messages come. The first is parked anew and
// begins: the other one is still a second message of it.
func TestASecondMessageIsKnownAfterTheFirstWasParkedAnew(t *testing.T) {
	var w twins
	w.add("id", 0, false)
	w.keep("id")
	if w.second("id", 0) {
		t.Fatal("the first to come does not begin")
	}
	w.add("id", 0, true)
	if !w.second("id", 0) {
		t.Error("the second begins beside the first")
	}
}

// The next attempt has the same id and is another matter, as is a message whose first one's ack has arrived.
func TestAnotherAttemptIsNoSecondMessage(t *testing.T) {
	var w twins
	w.add("id", 0, false)
	w.keep("id")
	w.add("id", 1, true)
	if w.second("id", 1) {
		t.Error("a message is taken for a copy although the ack of the first has arrived")
	}
	w.add("id", 1, true)
	w.keep("id")
	if w.second("id", 2) {
		t.Error("the next attempt is taken for a copy of this one")
	}
}
