package soak

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Causes: every lost connection and every second start is traced to a fault. What cannot be traced is a fault of ours.

// lossSlack is how long after a fault its harm may show: two heartbeats, and a broker that takes its time.
const lossSlack = 3 * heartbeat

// near is how far two clocks of one host may be apart, and a line in the ledger behind what it tells of.
const near = 2 * time.Second

// touches reports whether a fault struck a process: it, the member it is a life of, or everybody.
func (f faultLine) touches(process string) bool {
	return f.whom == everybody || f.whom == process || strings.HasPrefix(process, f.whom+".")
}

func (f faultLine) kills() bool { return strings.HasSuffix(f.name, " killed") }

// during reports whether a fault was going on between two moments.
func (f faultLine) during(from, to int64) bool {
	return f.began <= to+near.Microseconds() && f.ended+near.Microseconds() >= from
}

// strangeLosses are connections that were lost though nothing had been done to them.
func (r *record) strangeLosses() (out []string) {
	for _, x := range r.losses {
		traced := slices.ContainsFunc(r.faults, func(f faultLine) bool {
			return f.touches(x.who) && f.whom != "redis" && f.began-near.Microseconds() <= x.at && x.at <= f.ended+lossSlack.Microseconds()
		})
		if !traced {
			out = append(out, fmt.Sprintf("%s %s: %s", time.UnixMicro(x.at).Format("15:04:05.000"), x.who, x.text))
		}
	}
	return out
}

// secondStarts counts the starts of attempts beyond their first by cause, and names those without.
func (r *record) secondStarts() (causes map[string]int, strange []string) {
	causes = make(map[string]int)
	tasks := make(map[string]taskLine, len(r.tasks))
	for _, t := range r.tasks {
		tasks[t.id] = t
	}
	type attempt struct {
		id string
		n  int
	}
	starts := make(map[attempt][]startLine)
	for _, s := range r.starts { // in order of time
		a := attempt{s.id, s.attempt}
		starts[a] = append(starts[a], s)
	}
	for a, all := range starts {
		for i, again := range all[1:] {
			cause := r.cause(tasks[a.id], starts[attempt{a.id, a.n - 1}], all[i], again)
			if cause != "" {
				causes[cause]++
				continue
			}
			strange = append(strange, fmt.Sprintf("%s attempt %d: started %s by %s, and %s by %s", a.id, a.n,
				time.UnixMicro(all[i].at).Format("15:04:05.000"), all[i].worker, time.UnixMicro(again.at).Format("15:04:05.000"), again.worker))
		}
	}
	return causes, strange
}

// cause says why an attempt was started once more: first is the start before.
func (r *record) cause(t taskLine, before []startLine, first, again startLine) string {
	// The worker was killed, or lost its connection, between the two: the message was in its hands.
	for _, f := range r.faults {
		if f.kills() && f.whom == first.worker && f.during(first.at, again.at) {
			return f.name
		}
	}
	if at := r.lost(first.worker, first.at, again.at); at > 0 {
		return "after " + r.blame(first.worker, at)
	}
	// The message was there twice.
	switch {
	case t.unsure > 0:
		return "sent again by its producer, whose confirm was lost"
	case len(before) > 1:
		return "the attempt before ran twice and sent two"
	}
	for _, s := range before { // who published this attempt
		if at := r.lost(s.worker, s.at, again.at); at > 0 {
			return "its worker did not see that the retry had been sent: after " + r.blame(s.worker, at)
		}
	}
	// A quorum queue sends on what the next one did not confirm, and it may have arrived: at least once.
	if t.kind == "countdown" || again.attempt > 0 {
		for _, f := range r.faults {
			if f.stopsNodes() && f.during(t.intent, again.at) {
				return "sent on twice from one delay queue to the next: " + f.name
			}
		}
	}
	// A copy was parked for a message that had been handed out before, and the original was not acked.
	if first.again || again.again {
		for _, f := range r.faults {
			if f.whom != "redis" && f.during(t.intent, again.at) {
				return "handed out before, and counted in a copy while " + f.name
			}
		}
	}
	return ""
}

// lost is when a process lost a connection between two moments; 0 if it did not.
func (r *record) lost(process string, from, to int64) int64 {
	for _, x := range r.losses {
		if x.who == process && from <= x.at+near.Microseconds() && x.at <= to+near.Microseconds() {
			return x.at
		}
	}
	return 0
}

// blame names the fault that struck a process last before a moment. What only slows or blocks is blamed for a loss when
// nothing else is.
func (r *record) blame(process string, at int64) string {
	name, gentle := "", "nothing"
	for _, f := range r.faults {
		if !f.touches(process) || f.whom == "redis" || f.began > at {
			continue
		}
		if f.gentle() {
			gentle = f.name
		} else {
			name = f.name
		}
	}
	if name == "" {
		return gentle
	}
	return name
}

// stopsNodes reports whether a fault takes a broker, or nodes of one, away.
func (f faultLine) stopsNodes() bool {
	return f.name == rollingRestart{}.name() || strings.HasPrefix(f.name, "broker ")
}

func (f faultLine) gentle() bool {
	return f.name == memoryAlarm.name() || f.name == diskAlarm.name() || f.name == slowLink{}.name()
}
