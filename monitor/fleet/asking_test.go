package fleet

import (
	"testing"
	"time"
)

// AWS wants the management API to be asked for its queues no more than once a minute.
func TestTheManagementAPIIsAskedOnceAMinute(t *testing.T) {
	t.Parallel()
	f := &Fleet{config: Config{}.withDefaults()}
	begun := time.Unix(1_700_000_000, 0)
	var asked []time.Duration
	for d := time.Duration(0); d < 5*time.Minute; d += f.config.Every + 20*time.Millisecond { // a ticker that is a little late
		if now := begun.Add(d); f.mustAsk(now) {
			f.asked = now
			asked = append(asked, d.Round(time.Second))
		}
	}
	if len(asked) != 5 || asked[0] != 0 || asked[1] != time.Minute || asked[4] != 4*time.Minute {
		t.Errorf("asked after %v, want once a minute", asked)
	}
	if c := (Config{Every: time.Second}).withDefaults(); c.ManageEvery != time.Second {
		t.Errorf("who looks each second asks each %v", c.ManageEvery)
	}
	// What was heard once is not counted as another look.
	q := &Queue{Oldest: begun, fresh: true}
	q.Ready = 1
	for i := range 6 {
		q.age(begun.Add(time.Duration(i) * 10 * time.Second))
	}
	if len(q.ages) != 1 {
		t.Errorf("one answer became %d looks: %v", len(q.ages), q.ages)
	}
}
