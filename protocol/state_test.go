package protocol

import "testing"

func TestStates(t *testing.T) {
	t.Parallel()
	for state, want := range map[State]struct{ ready, failed, exception bool }{
		Pending:  {},
		Received: {},
		Started:  {},
		Progress: {},
		"CUSTOM": {},
		Retry:    {exception: true},
		Success:  {ready: true},
		Failure:  {ready: true, failed: true, exception: true},
		Revoked:  {ready: true, failed: true, exception: true},
	} {
		if state.Ready() != want.ready || state.Failed() != want.failed || state.Exception() != want.exception {
			t.Errorf("%s: ready %v, failed %v, exception %v, want %+v", state, state.Ready(), state.Failed(), state.Exception(), want)
		}
	}
}
