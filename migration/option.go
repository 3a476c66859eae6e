package migration

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/umbel-go/umbel/internal/python"
)

// A policy gathers what the decorator says of retries.
type policy struct {
	set    bool
	auto   bool // some errors are retried without the task's doing
	fields []string
}

// says tells whether a field is given.
func (p policy) says(field string) bool {
	return slices.ContainsFunc(p.fields, func(f string) bool { return strings.HasPrefix(f, field+":") })
}

// settle adds what holds in Python without being said.
func (p *policy) settle(t *Task) {
	switch {
	case !p.auto:
		p.fields = append(p.fields, "OnFunc: ByHand")
	case p.says("Backoff") && p.says("Delay"):
		t.needs("its countdown or default_retry_delay is overwritten by retry_backoff in Python", "here Delay is the least wait: take it away for Python's waits")
	}
	if p.says("Backoff") && !p.says("Jitter") {
		p.fields = append(p.fields, "Jitter: true")
	}
	p.fields = slices.DeleteFunc(p.fields, func(f string) bool { return f == "Jitter: false" })
}

// settle turns the decorator's options into Go's. Whatever has no counterpart needs a hand.
func (t *Task) settle() {
	if t.Bound {
		t.needs("it is bound (bind=True): self is the task", "self.request is umbel.RequestFrom(ctx), self.retry is return umbel.RetryIn(…), self.update_state is Request.Progress")
	}
	if t.Doc != "" {
		t.options = append(t.options, "umbel.Summary("+strconv.Quote(cut(t.Doc, 120))+")")
	}
	var p policy
	for _, o := range t.Options {
		switch {
		case o.Key.Text == "name":
			t.needs("its name is "+oneLine(o.Value.String())+", which only Python knows", "write it: "+t.Name+" follows from where the file lies")
			continue
		case o.Key.Text == "queue" && o.Value.Kind != python.String && o.Value.Kind != python.None:
			t.needs("its queue is "+oneLine(o.Value.String())+", which only Python knows", "say it with umbel.Queue")
			continue
		}
		if !t.option(o, &p) {
			t.needs(fmt.Sprintf("option %s=%s of its decorator", o.Key.Text, oneLine(o.Value.String())), "no option of Go says it: write it by hand, or leave it")
		}
	}
	if p.set {
		p.settle(t)
		t.options = append(t.options, "umbel.Retry{"+strings.Join(p.fields, ", ")+"}")
	}
}

// option carries one over, and tells whether it could.
func (t *Task) option(o python.Pair, p *policy) bool {
	v := o.Value
	add := func(format string, args ...any) bool {
		t.options = append(t.options, fmt.Sprintf(format, args...))
		return true
	}
	truth := func(yes, no string) bool {
		switch {
		case v.Kind != python.Bool:
			return false
		case v.Bool && yes != "":
			return add("%s", yes)
		case !v.Bool && no != "":
			return add("%s", no)
		}
		return true // the default
	}
	retry := func(format string, args ...any) bool {
		p.set = true
		p.fields = append(p.fields, fmt.Sprintf(format, args...))
		return true
	}
	d, isTime := seconds(v)
	switch o.Key.Text {
	case "queue":
		return v.Kind == python.None || add("umbel.Queue(%q)", v.Text)
	case "rate_limit":
		if v.Kind == python.None {
			return true
		}
		if v.Kind == python.Int {
			return add("umbel.RateLimit(%q)", strconv.FormatInt(v.Int, 10)+"/s")
		}
		return v.Kind == python.String && add("umbel.RateLimit(%q)", v.Text)
	case "acks_late":
		return truth("umbel.AcksLate()", "umbel.AcksEarly()")
	case "reject_on_worker_lost":
		return truth("umbel.RejectOnWorkerLost()", "")
	case "acks_on_failure_or_timeout":
		return truth("umbel.AcksOnFailure(true), umbel.AcksOnTimeout(true)", "umbel.AcksOnFailure(false), umbel.AcksOnTimeout(false)")
	case "ignore_result":
		return truth("umbel.IgnoreResult()", "umbel.StoreResult()")
	case "track_started":
		return truth("umbel.TrackStarted()", "")
	case "store_errors_even_if_ignored":
		return truth("umbel.StoreErrors()", "")
	case "send_events":
		return truth("", "umbel.NoEvents()")
	case "serializer":
		if v.Is("pickle") {
			return false
		}
		return v.Kind == python.String && add("umbel.Serializer(%q)", v.Text)
	case "compression":
		return v.Kind == python.String && add("umbel.Compression(%q)", v.Text)
	case "priority":
		return v.Kind == python.Int && v.Int >= 0 && v.Int < 256 && add("umbel.Priority(%d)", v.Int)
	case "time_limit":
		return isTime && add("umbel.TimeLimit(%s)", d)
	case "soft_time_limit":
		return isTime && add("umbel.SoftTimeLimit(%s)", d)
	case "expires":
		return isTime && add("umbel.ExpiresIn(%s)", d)
	case "max_retries":
		return t.maxRetries(v, retry)
	case "default_retry_delay":
		return isTime && retry("Delay: %s", d)
	case "retry_backoff":
		switch {
		case v.Kind == python.Bool && v.Bool:
			return retry("Backoff: time.Second")
		case v.Kind == python.Bool:
			return true
		}
		return isTime && retry("Backoff: %s", d)
	case "retry_backoff_max":
		return isTime && retry("BackoffMax: %s", d)
	case "retry_jitter":
		return v.Kind == python.Bool && retry("Jitter: %t", v.Bool)
	case "retry_kwargs":
		if v.Kind != python.Dict {
			return false
		}
		for _, pair := range v.Pairs {
			after, isTime := seconds(pair.Value)
			switch {
			case pair.Key.Is("max_retries") && t.maxRetries(pair.Value, retry):
			case pair.Key.Is("countdown") && isTime && retry("Delay: %s", after):
			default:
				return false
			}
		}
		return true
	case "autoretry_for":
		p.set, p.auto = true, true
		if text := v.String(); text != "(Exception,)" && text != "[Exception]" && text != "Exception" {
			t.needs("it is retried for "+oneLine(text)+" only", "give umbel.Retry the errors of Go: On: []error{…}; until then every error but a Permanent one is retried")
		}
		return true
	case "dont_autoretry_for":
		t.needs("it is not retried for "+oneLine(v.String()), "give umbel.Retry the errors of Go: Never: []error{…}")
		return true
	case "throws":
		t.needs("it expects "+oneLine(v.String()), "give it umbel.Expected(…) with the errors of Go")
		return true
	case "typing", "shared", "lazy": // about Python alone
		return true
	}
	return false
}

func (t *Task) maxRetries(v *python.Node, retry func(string, ...any) bool) bool {
	switch {
	case v.Kind == python.None:
		return retry("Max: umbel.NoLimit")
	case v.Kind == python.Int && v.Int == 0:
		return retry("Max: umbel.NoRetries")
	}
	return v.Kind == python.Int && v.Int > 0 && retry("Max: %d", v.Int)
}

// seconds is a number of them as a Go expression.
func seconds(n *python.Node) (string, bool) {
	x, ok := n.Number()
	if n.Kind == python.Bool {
		ok = false
	}
	if n.Kind == python.Call && n.Of.Kind == python.Name && strings.HasSuffix(n.Of.Text, "timedelta") {
		x, ok = n.Timedelta()
	}
	if !ok || x <= 0 || x > 1e9 {
		return "", false
	}
	if whole := int64(x); float64(whole) == x {
		switch {
		case whole%3600 == 0:
			return units(whole/3600, "time.Hour"), true
		case whole%60 == 0:
			return units(whole/60, "time.Minute"), true
		}
		return units(whole, "time.Second"), true
	}
	return fmt.Sprintf("%d * time.Millisecond", int64(x*1000)), true
}

func units(n int64, unit string) string {
	if n == 1 {
		return unit
	}
	return fmt.Sprintf("%d * %s", n, unit)
}
