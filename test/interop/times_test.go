package interop

import (
	"errors"
	"testing"
	"time"

	"github.com/umbel-go/umbel"
)

// times: countdowns are kept, limits in the headers are minded by the other side.
func times(t *testing.T, w *world) {
	t.Run("countdown from python", func(t *testing.T) {
		if early := value[float64](t, w.client, `
import time
before = time.time()
get(send("go.now", countdown=0.5)) - before`); early < 0.499 {
			t.Errorf("it ran %g s after it was sent, before its countdown of 0.5 s", early)
		}
	})
	t.Run("eta from python in another zone", func(t *testing.T) {
		if early := value[float64](t, w.client, `
zone = datetime.timezone(datetime.timedelta(hours=-7))
eta = datetime.datetime.now(zone) + datetime.timedelta(seconds=0.4)
get(send("go.now", eta=eta)) - eta.timestamp()`); early < -0.001 {
			t.Errorf("it ran %g s after its ETA", early)
		}
	})
	t.Run("countdown from go", func(t *testing.T) {
		before := time.Now()
		r, err := w.app.Send(deadline(t), "py.now", nil, umbel.Countdown(500*time.Millisecond))
		if err != nil {
			t.Fatal(err)
		}
		var ran float64
		if err := r.Get(deadline(t), &ran); err != nil {
			t.Fatal(err)
		}
		if after := ran - float64(before.UnixMicro())/1e6; after < 0.499 {
			t.Errorf("it ran %g s after it was sent, before its countdown of 0.5 s", after)
		}
	})
	t.Run("python's soft limit in go", func(t *testing.T) {
		got := value[caught](t, w.client, `fails(send("go.sleep", 30, soft_time_limit=0.2))`)
		if got.Type != "SoftTimeLimitExceeded" || got.Module != "billiard.exceptions" {
			t.Errorf("caught %v", got)
		}
	})
	t.Run("python's hard limit in go", func(t *testing.T) {
		got := value[caught](t, w.client, `fails(send("go.sleep", 30, time_limit=0.2))`)
		if got.Type != "TimeLimitExceeded" || got.Module != "billiard.exceptions" {
			t.Errorf("caught %v", got)
		}
	})
	t.Run("our soft limit in python", func(t *testing.T) {
		err := w.call(t, "py.sleep", umbel.Args{30}, umbel.SoftTimeLimit(time.Second))
		if !errors.Is(err, umbel.ErrSoftTimeLimit) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("our hard limit in python", func(t *testing.T) {
		err := w.call(t, "py.sleep", umbel.Args{30}, umbel.TimeLimit(time.Second))
		if !errors.Is(err, umbel.ErrTimeLimit) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("expiry while it waits", func(t *testing.T) {
		got := value[caught](t, w.client, `fails(send("go.echo", 1, countdown=0.6, expires=0.2))`)
		if got.State != "REVOKED" {
			t.Errorf("caught %v, want REVOKED", got)
		}
	})
}
