package protocol

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/umbel-go/umbel/codec"
)

// Protocol 1, written: one object that holds header and body. root_id, parent_id, origin, stamps and ignore_result have
// no place in it. Celery: celery/app/amqp.py, as_task_v1.

// oneBody is the body of protocol 1.
type oneBody struct {
	task  *Task
	body  *Body
	embed Embed // with the chain nested into the callbacks
}

// newOneBody nests a chain, which protocol 1 does not know, into callbacks: each step is the link of the one before.
func newOneBody(t *Task, b *Body) (*oneBody, error) {
	one := &oneBody{task: t, body: b, embed: b.Embed}
	var next *Signature // the rest of the chain, from the last step backwards
	for _, step := range b.Embed.Chain {
		if next != nil {
			var err error
			if step, err = step.linked(next); err != nil {
				return nil, err
			}
		}
		next = step
	}
	if next != nil {
		one.embed.Callbacks = append(slices.Clip(b.Embed.Callbacks), next)
	}
	return one, nil
}

// linked is a copy of s with one more link in its options.
func (s *Signature) linked(next *Signature) (*Signature, error) {
	text, err := next.AppendJSON(nil)
	if err != nil {
		return nil, err
	}
	links := []codec.Value{codec.JSON(text)}
	copied := *s
	copied.Options = nil
	for _, o := range s.Options {
		if o.Name != "link" {
			copied.Options = append(copied.Options, o)
			continue
		}
		before, err := elements(o.Value)
		if err != nil {
			return nil, fmt.Errorf("signature %q: link: %w", s.Task, err)
		}
		links = append(slices.Clip(before), links...)
	}
	list, err := appendArray(nil, links)
	if err != nil {
		return nil, fmt.Errorf("signature %q: link: %w", s.Task, err)
	}
	copied.Options = append(copied.Options, codec.NamedValue{Name: "link", Value: codec.JSON(list)})
	return &copied, nil
}

func (one *oneBody) appendJSON(dst []byte) ([]byte, error) {
	t := one.task
	dst = appendString(append(dst, `{"task": `...), t.Name)
	dst = appendString(append(dst, `, "id": `...), t.ID)
	dst, err := appendArray(append(dst, `, "args": `...), one.body.Args)
	if err != nil {
		return nil, fmt.Errorf("args: %w", err)
	}
	if dst, err = appendObject(append(dst, `, "kwargs": `...), one.body.Kwargs); err != nil {
		return nil, fmt.Errorf("kwargs: %w", err)
	}
	dst = appendOrNull(append(dst, `, "group": `...), t.Group)
	dst = append(dst, `, "group_index": `...)
	if t.HasGroupIndex {
		dst = strconv.AppendInt(dst, int64(t.GroupIndex), 10)
	} else {
		dst = append(dst, "null"...)
	}
	dst = strconv.AppendInt(append(dst, `, "retries": `...), int64(t.Retries), 10)
	dst = appendTimeOrNull(append(dst, `, "eta": `...), t.ETA)
	dst = appendTimeOrNull(append(dst, `, "expires": `...), t.Expires)
	dst = append(dst, `, "utc": true`...)
	if dst, err = appendSignatures(append(dst, `, "callbacks": `...), one.embed.Callbacks); err != nil {
		return nil, fmt.Errorf("callbacks: %w", err)
	}
	if dst, err = appendSignatures(append(dst, `, "errbacks": `...), one.embed.Errbacks); err != nil {
		return nil, fmt.Errorf("errbacks: %w", err)
	}
	dst = append(dst, `, "timelimit": [`...)
	dst = appendSeconds(dst, t.TimeLimit)
	dst = append(appendSeconds(append(dst, ", "...), t.SoftTimeLimit), ']')
	dst = appendOrNull(append(dst, `, "taskset": `...), t.Group)
	if dst, err = appendSignature(append(dst, `, "chord": `...), one.embed.Chord); err != nil {
		return nil, fmt.Errorf("chord: %w", err)
	}
	return append(dst, '}'), nil
}

func appendTimeOrNull(dst []byte, t time.Time) []byte {
	if t.IsZero() {
		return append(dst, "null"...)
	}
	return append(appendTime(append(dst, '"'), t), '"')
}

// appendSeconds writes a time limit as Python writes the number of seconds.
func appendSeconds(dst []byte, d time.Duration) []byte {
	switch {
	case d == 0:
		return append(dst, "null"...)
	case d%time.Second == 0:
		return strconv.AppendInt(dst, int64(d/time.Second), 10)
	}
	return strconv.AppendFloat(dst, d.Seconds(), 'f', -1, 64)
}
