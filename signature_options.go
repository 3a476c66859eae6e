package umbel

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/umbel-go/umbel/codec"
	"github.com/umbel-go/umbel/protocol"
)

// wireOptions are a signature's options by Celery's names, in the order they were given.
type wireOptions []codec.NamedValue

func (o wireOptions) get(name string) (codec.Value, bool) {
	for _, f := range o {
		if f.Name == name {
			return f.Value, true
		}
	}
	return codec.Value{}, false
}

// text is an option's text, "" when it is absent or null.
func (o wireOptions) text(name string) string {
	v, ok := o.get(name)
	if !ok || v.IsNull() {
		return ""
	}
	var s string
	if v.Decode(&s) != nil {
		return ""
	}
	return s
}

// number is an option's whole number; ok is false when it is absent or null.
func (o wireOptions) number(name string) (n int, ok bool) {
	v, ok := o.get(name)
	if !ok || v.IsNull() || v.Decode(&n) != nil {
		return 0, false
	}
	return n, true
}

// with is a copy that has the option.
func (o wireOptions) with(name string, v codec.Value) wireOptions {
	for i, f := range o {
		if f.Name == name {
			c := slices.Clone(o)
			c[i].Value = v
			return c
		}
	}
	return append(o[:len(o):len(o)], codec.NamedValue{Name: name, Value: v})
}

// orElse is a copy that has the option where it was absent or null.
func (o wireOptions) orElse(name, value string) wireOptions {
	if value == "" || o.text(name) != "" {
		return o
	}
	return o.with(name, codec.Of(value))
}

func (o wireOptions) without(names ...string) wireOptions {
	return slices.DeleteFunc(slices.Clone(o), func(f codec.NamedValue) bool { return slices.Contains(names, f.Name) })
}

var null = codec.JSON([]byte("null"))

func newOptions() *sendOptions { return &sendOptions{now: time.Now()} }

// wire writes options down as a signature holds them.
func (s *sendOptions) wire() wireOptions {
	var o wireOptions
	put := func(name string, v any) { o = append(o, codec.NamedValue{Name: name, Value: codec.Of(v)}) }
	text := func(name, v string) {
		if v != "" && v != orphan {
			put(name, v)
		}
	}
	pointer := func(name string, v *string) {
		if v != nil {
			put(name, *v)
		}
	}
	text("task_id", s.id)
	pointer("queue", s.queue)
	pointer("exchange", s.exchange)
	pointer("routing_key", s.routingKey)
	if s.priority != nil {
		put("priority", *s.priority)
	}
	if s.deliveryMode != 0 {
		put("delivery_mode", s.deliveryMode)
	}
	text("serializer", s.serializer)
	text("compression", s.compression)
	switch {
	case s.countdown > 0:
		put("countdown", secondsOf(s.countdown))
	case !s.eta.IsZero():
		put("eta", protocol.FormatTime(s.eta))
	}
	switch {
	case s.expiresIn > 0:
		put("expires", secondsOf(s.expiresIn))
	case !s.expires.IsZero():
		put("expires", protocol.FormatTime(s.expires))
	}
	if s.timeLimit != nil {
		put("time_limit", secondsOf(*s.timeLimit))
	}
	if s.softTimeLimit != nil {
		put("soft_time_limit", secondsOf(*s.softTimeLimit))
	}
	if s.ignoreResult != nil {
		put("ignore_result", *s.ignoreResult)
	}
	text("shadow", s.shadow)
	text("root_id", s.rootID)
	text("parent_id", s.parentID)
	text("reply_to", s.replyTo)
	if s.retries > 0 {
		put("retries", s.retries)
	}
	pointer("argsrepr", s.argsRepr)
	pointer("kwargsrepr", s.kwargsRepr)
	if len(s.headers) > 0 {
		put("headers", map[string]any(s.headers))
	}
	if len(s.stamps) > 0 {
		names := slices.Sorted(maps.Keys(s.stamps))
		for _, n := range names {
			put(n, s.stamps[n])
		}
		put("stamped_headers", names)
	}
	return o
}

// secondsOf is a duration as Celery writes one: whole where it is.
func secondsOf(d time.Duration) any {
	if d%time.Second == 0 {
		return int64(d / time.Second)
	}
	return d.Seconds()
}

// applySend makes the options of a signature those of a send.
func (o wireOptions) applySend(s *sendOptions) {
	stamped := o.stamped()
	for _, f := range o {
		if f.Value.IsNull() {
			continue
		}
		if err := o.apply(s, f, stamped); err != nil {
			s.fail("option %s: %w", f.Name, err)
		}
	}
}

// stamped are the names of the options that are stamps.
func (o wireOptions) stamped() []string {
	var names []string
	if v, ok := o.get("stamped_headers"); ok && !v.IsNull() {
		if v.Decode(&names) != nil {
			return nil
		}
	}
	return names
}

func (o wireOptions) apply(s *sendOptions, f codec.NamedValue, stamped []string) error {
	v := f.Value
	switch f.Name {
	case "task_id":
		return v.Decode(&s.id)
	case "queue":
		return v.Decode(&s.queue)
	case "exchange":
		return v.Decode(&s.exchange)
	case "routing_key":
		return v.Decode(&s.routingKey)
	case "priority":
		return v.Decode(&s.priority)
	case "delivery_mode":
		return v.Decode(&s.deliveryMode)
	case "serializer":
		return v.Decode(&s.serializer)
	case "compression":
		return v.Decode(&s.compression)
	case "countdown":
		d, err := durationOf(v)
		s.eta = s.now.Add(d)
		return err
	case "eta":
		var err error
		s.eta, _, err = momentOf(v)
		return err
	case "expires":
		t, d, err := momentOf(v)
		s.expires, s.expiresIn = t, d
		if err == nil && t.IsZero() && d <= 0 {
			s.expires, s.expiresIn = s.now, 0 // in the past already
		}
		return err
	case "time_limit":
		d, err := durationOf(v)
		s.timeLimit = &d
		return err
	case "soft_time_limit":
		d, err := durationOf(v)
		s.softTimeLimit = &d
		return err
	case "ignore_result":
		return v.Decode(&s.ignoreResult)
	case "shadow":
		return v.Decode(&s.shadow)
	case "root_id":
		return v.Decode(&s.rootID)
	case "parent_id":
		return v.Decode(&s.parentID)
	case "reply_to":
		return v.Decode(&s.replyTo)
	case "retries":
		return v.Decode(&s.retries)
	case "argsrepr":
		if s.kwargsRepr == nil {
			s.kwargsRepr = new(string)
		}
		return v.Decode(&s.argsRepr)
	case "kwargsrepr":
		if s.argsRepr == nil {
			s.argsRepr = new(string)
		}
		return v.Decode(&s.kwargsRepr)
	case "group_id":
		return v.Decode(&s.group)
	case "group_index":
		s.hasGroupIndex = true
		return v.Decode(&s.groupIndex)
	case "replaced_task_nesting":
		return v.Decode(&s.nesting)
	case "headers":
		var h map[string]any
		if err := v.Decode(&h); err != nil {
			return err
		}
		for name, x := range h {
			Header(name, x).applySend(s)
		}
	default:
		if slices.Contains(stamped, f.Name) {
			x, err := v.Any()
			if err != nil {
				return err
			}
			Stamp(f.Name, x).applySend(s)
		}
		// Anything else is a publish option of Python's client that has no meaning here.
	}
	return nil
}

func durationOf(v codec.Value) (time.Duration, error) {
	var seconds float64
	if err := v.Decode(&seconds); err != nil {
		return 0, err
	}
	if math.IsNaN(seconds) || math.Abs(seconds) > math.MaxInt64/1e9 {
		return 0, fmt.Errorf("%g seconds are no time", seconds)
	}
	return time.Duration(seconds * float64(time.Second)), nil
}

// momentOf reads a time, or a number of seconds from now.
func momentOf(v codec.Value) (time.Time, time.Duration, error) {
	x, err := v.Any()
	if err != nil {
		return time.Time{}, 0, err
	}
	switch x := x.(type) {
	case time.Time:
		return x, 0, nil
	case string:
		t, err := protocol.ParseTime(x)
		return t, 0, err
	}
	d, err := durationOf(v)
	return time.Time{}, d, err
}

// linkedTo is a body with the callbacks and errbacks that the options ask for.
func (s *sendOptions) linkedTo(body *protocol.Body) (*protocol.Body, error) {
	b := *body
	link, err := wireAll(s.link)
	if err != nil {
		return nil, fmt.Errorf("option Link: %w", err)
	}
	linkError, err := wireAll(s.linkError)
	if err != nil {
		return nil, fmt.Errorf("option LinkError: %w", err)
	}
	b.Embed.Callbacks = append(slices.Clip(b.Embed.Callbacks), link...)
	b.Embed.Errbacks = append(slices.Clip(b.Embed.Errbacks), linkError...)
	return &b, nil
}
