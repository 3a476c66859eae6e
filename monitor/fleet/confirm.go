package fleet

import "time"

const (
	// confirmLooks are how many looks in a row confirms have to be behind before it is told of.
	confirmLooks = 3

	// confirmUsual bounds the looks that say what is usual: an hour of them. confirmLearn are the fewest that say anything.
	confirmUsual = 60
	confirmLearn = 5

	// confirmFrom messages are enough for a look; fewer wait for the next one, but no longer than confirmWait.
	confirmFrom = 20
	confirmWait = 5 * time.Minute
)

// confirms compares what the broker confirms with what it is sent. Producers may do without confirms, and Celery's do unless they
// are told: so no share of what is sent is the right one, but what it was before. It counts by the broker's totals: rates come and
// go with the moment at which RabbitMQ takes them.
type confirms struct {
	since  time.Time // of base
	base   flow      // the totals at the last look that counted
	looks  []flow    // the latest ones at which all was as usual
	behind []flow    // those since then at which it was not
}

// A flow is how many messages were sent, and how many confirmed.
type flow struct{ publish, confirm int64 }

// look takes the broker's totals.
func (c *confirms) look(now time.Time, total flow) {
	d := flow{total.publish - c.base.publish, total.confirm - c.base.confirm}
	idle := now.Sub(c.since) > confirmWait
	if c.since.IsZero() || d.publish < 0 || d.confirm < 0 || idle && d.publish < confirmFrom { // it has just begun, a node has, or hardly anything is sent
		c.since, c.base, c.behind = now, total, nil
		return
	}
	if d.publish < confirmFrom {
		return
	}
	c.since, c.base = now, total
	if len(c.looks) >= confirmLearn && ratio(d) < ratio(c.looks...)/2 {
		if c.behind = append(c.behind, d); len(c.behind) < confirmUsual {
			return
		}
		c.looks, c.behind = c.behind, nil // for so long: it is what is usual now
		return
	}
	c.behind = nil
	c.looks = append(c.looks, d)
	c.looks = c.looks[max(0, len(c.looks)-confirmUsual):]
}

// ratio is which part of what was sent was confirmed.
func ratio(list ...flow) float64 {
	sum := add(list)
	return float64(sum.confirm) / float64(max(sum.publish, 1))
}

func add(list []flow) (sum flow) {
	for _, f := range list {
		sum.publish += f.publish
		sum.confirm += f.confirm
	}
	return sum
}

// judge says that confirms fall behind, when they have for long enough.
func (c *confirms) judge(tell adder) {
	if len(c.behind) < confirmLooks {
		return
	}
	late := add(c.behind)
	tell(warning, "confirms-behind", "", "The broker has confirmed %s of %s that were sent of late, %d %%, where %d %% were usual: it is in trouble, a queue is full and refuses, "+
		"or somebody sends who asks for no confirm.", number(int(late.confirm)), many(int(late.publish), "message"), percent(ratio(late)), percent(ratio(c.looks...)))
}

func percent(share float64) int { return int(100*share + 0.5) }
