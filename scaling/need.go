package scaling

import (
	"fmt"
	"math"
	"time"
)

// A need is how many slots a queue wants, and what for.
type need struct {
	flow, backlog float64
	most          float64 // more slots than tasks there are, and will be within Wait, are of no use
	known         bool    // how long tasks take
	messages      int     // all there are
}

// need counts slots: for tasks that come at a rate and take a time each, and for those that wait.
func (c Config) need(arrivals float64, took time.Duration, waiting, running int) need {
	n := need{messages: waiting + running, known: took > 0}
	if n.known {
		n.flow = arrivals * took.Seconds() / c.Utilization
		n.backlog = min(float64(waiting)*took.Seconds()/c.Wait.Seconds(), float64(waiting))
		n.most = float64(n.messages) + arrivals*c.Wait.Seconds()
	}
	return n
}

// workers turns slots into workers; spare is a factor on what is needed. With one, how many tasks there are at this moment is taken for
// chance, which is as large as its root: an even load that shows three tasks now and four then does not get a worker now and lose it then.
func (c Config) workers(n need, slots int, spare float64) int {
	want := float64(n.messages) / float64(c.Backlog)
	if n.known {
		most := n.most
		if spare > 1 {
			most += math.Sqrt(float64(n.messages))
		}
		want = min(n.flow+n.backlog, most) / float64(max(slots, 1))
	}
	want = math.Ceil(want*spare - 1e-9)
	if !(want < 1e9) {
		want = 1e9
	}
	w := int(want)
	if n.messages > 0 {
		w = max(w, 1)
	}
	return min(max(w, c.Min), c.Max)
}

// ByMessages is how many workers so many messages want, waiting and running, where nothing else is known of them.
func (c Config) ByMessages(messages int) int {
	return c.withDefaults().workers(need{messages: messages}, 1, 1)
}

// because is why, in half a line.
func (c Config) because(n need, arrivals float64, took time.Duration, waiting, slots int) string {
	switch running := n.messages - waiting; {
	case n.known && n.flow < 0.005 && waiting == 0 && running > 0:
		return fmt.Sprintf("nothing comes, and %d run", running)
	case !n.known && n.messages == 0:
		return "nothing to do"
	case !n.known:
		return fmt.Sprintf("%d messages, %d a worker: nobody knows yet how long they take", n.messages, c.Backlog)
	case n.messages == 0 && n.flow < 0.005:
		return "nothing to do"
	}
	text := fmt.Sprintf("%.3g/s × %s ÷ %.3g = %.3g slots", arrivals, short(took), c.Utilization, n.flow)
	if n.backlog >= 0.005 {
		text += fmt.Sprintf(", %d waiting in %s = %.3g more", waiting, short(c.Wait), n.backlog)
	}
	if n.most < n.flow+n.backlog {
		text += fmt.Sprintf(", %.3g at most for the tasks there are", n.most)
	}
	return fmt.Sprintf("%s; %d a worker", text, max(slots, 1))
}
