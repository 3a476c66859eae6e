package umbel

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"
)

func TestRetryDelays(t *testing.T) {
	backoff := &Retry{Backoff: 2 * time.Second, BackoffMax: 50 * time.Second}
	for n, want := range []time.Duration{2, 4, 8, 16, 32, 50, 50} { // the first five captured from Celery
		if got := backoff.DelayFor(n); got != want*time.Second {
			t.Errorf("retry %d waits %v, want %v", n, got, want*time.Second)
		}
	}
	if got := (&Retry{Backoff: time.Second}).DelayFor(5000); got != 10*time.Minute {
		t.Errorf("a huge number of retries waits %v, want the default cap of 10m", got)
	}
	jitter := &Retry{Backoff: 8 * time.Second, Jitter: true}
	for range 1000 {
		if d := jitter.DelayFor(1); d < 0 || d > 16*time.Second {
			t.Fatalf("jitter gave %v, want 0 to 16s", d)
		}
	}
	least := &Retry{Delay: time.Minute, Backoff: time.Second, Jitter: true}
	for n := range 20 {
		if d := least.DelayFor(n); d < time.Minute || d > 10*time.Minute {
			t.Errorf("retry %d waits %v, want a minute or more: the delay that was given is honoured", n, d)
		}
	}
	var none *Retry
	if got := none.DelayFor(0); got != 3*time.Minute {
		t.Errorf("without a policy: %v, want Celery's 180 s", got)
	}
}

// Without jitter a delay is what Celery's get_exponential_backoff_interval gives: captured from Celery 5.2.6.
func TestRetryDelaysAreCelerys(t *testing.T) {
	text, err := os.ReadFile("testdata/backoff.json")
	if err != nil {
		t.Fatal(err)
	}
	var rows []struct {
		Factor, Maximum int
		Seconds         []int
	}
	if err := json.Unmarshal(text, &rows); err != nil || len(rows) == 0 {
		t.Fatal(err, len(rows))
	}
	for _, row := range rows {
		r := &Retry{Backoff: time.Duration(row.Factor) * time.Second, BackoffMax: time.Duration(row.Maximum) * time.Second}
		for n, want := range row.Seconds {
			if got := r.DelayFor(n); got != time.Duration(want)*time.Second {
				t.Errorf("factor %d, at most %d, retry %d: %v, Celery waits %d s", row.Factor, row.Maximum, n, got, want)
			}
		}
	}
}

func TestRetryCovers(t *testing.T) {
	errA, errB := errors.New("a"), errors.New("b")
	for name, tt := range map[string]struct {
		policy Retry
		err    error
		want   bool
	}{
		"everything":           {Retry{}, errA, true},
		"nothing":              {Retry{Max: NoRetries}, errA, false},
		"listed, wrapped":      {Retry{On: []error{errA}}, fmt.Errorf("x: %w", errA), true},
		"not listed":           {Retry{On: []error{errA}}, errB, false},
		"never over on":        {Retry{On: []error{errA}, Never: []error{errA}}, errA, false},
		"by predicate":         {Retry{OnFunc: func(err error) bool { return err == errB }}, errB, true},
		"by type, wrapped":     {Retry{On: []error{OfType[*ArgumentError](), OfType[*TaskError]()}}, fmt.Errorf("x: %w", &TaskError{}), true},
		"of another type":      {Retry{On: []error{OfType[*TaskError]()}}, errA, false},
		"never by type":        {Retry{Never: []error{OfType[*TaskError]()}}, &TaskError{}, false},
		"permanent":            {Retry{}, fmt.Errorf("x: %w", Permanent(errA)), false},
		"arguments do not fit": {Retry{}, &ArgumentError{Task: "t"}, false},
	} {
		if got := tt.policy.Covers(tt.err); got != tt.want {
			t.Errorf("%s: covers is %t, want %t", name, got, tt.want)
		}
	}
}

func TestRetriesLeft(t *testing.T) {
	for _, tt := range []struct {
		max, retries int
		want         bool
	}{{0, 2, true}, {0, 3, false}, {1, 0, true}, {1, 1, false}, {NoLimit, 1 << 20, true}, {NoRetries, 0, false}} {
		if got := (&Retry{Max: tt.max}).Left(tt.retries); got != tt.want {
			t.Errorf("max %d after %d: %t, want %t", tt.max, tt.retries, got, tt.want)
		}
	}
}
