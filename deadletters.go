package umbel

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/codec"
	"github.com/umbel-go/umbel/internal/routing"
	"github.com/umbel-go/umbel/protocol"
)

// DeadLetters are the messages in a queue that keeps what failed for good. They can be listed, run again, changed and dropped.
//
//	app.DeadLetters("orders.dlq").Replay(ctx, umbel.DeadFilter{Task: "orders.*"}, umbel.DeadAction{Rate: 10})
//
// Each look begins at the front of the queue. A message is removed only once what takes its place is confirmed by the
// broker: a process that ends in between leaves the message, and perhaps its copy.
type DeadLetters struct {
	app   *App
	queue string
}

// DeadLetters are those in this queue, which may be any queue: App.DeadLetterQueues are the ones in the settings.
func (a *App) DeadLetters(queue string) *DeadLetters { return &DeadLetters{app: a, queue: queue} }

// A DeadFilter chooses dead letters: those that fit everything that is set.
type DeadFilter struct {
	IDs                  []string      // one of these task ids
	Task                 string        // name or pattern: orders.*
	Reason               string        // a Dead… word, or the broker's
	Argument             string        // part of the arguments, as Python would print them
	OlderThan, NewerThan time.Duration // dead for longer, or not so long; 0 is any. A letter that does not say when fits neither

	// Limit is how many messages are looked at. Defaults to 1000.
	Limit int
}

// DeadLimit is the default of DeadFilter.Limit.
const DeadLimit = 1000

// A DeadAction says how letters are acted upon.
type DeadAction struct {
	// Rate is how many are sent at most, per second. Defaults to 0: as fast as they are confirmed.
	Rate Rate

	// Queue is where a replay sends them. Defaults to the queue that each came from.
	Queue string

	// DryRun tells Before of the letters that would be acted upon, and does nothing.
	DryRun bool

	// Before, when set, is told of each letter before anything is done with it; its error ends the action.
	Before func(*DeadLetter) error

	// Failed, when set, is told of a letter that Before was told of and that stays after all.
	Failed func(*DeadLetter, error)
}

// List returns the letters that fit, the front of the queue first; more is true when there are others beyond the limit.
func (d *DeadLetters) List(ctx context.Context, f DeadFilter) (list []*DeadLetter, more bool, err error) {
	more, err = d.each(ctx, f, false, func(l *DeadLetter) (bool, error) {
		list = append(list, l)
		return false, nil
	})
	return list, more, err
}

// Replay runs the letters that fit again: each is sent to the queue it came from, as new, with the same id and arguments, all
// its retries before it, and without its ETA and expiry; then it is removed. It returns how many were sent. more is true when
// there are others beyond the limit of the filter.
func (d *DeadLetters) Replay(ctx context.Context, f DeadFilter, act DeadAction) (n int, more bool, err error) {
	wait := act.Rate.Interval()
	var next time.Time
	return d.act(ctx, f, act, func(l *DeadLetter) error {
		to := act.Queue
		if to == "" {
			to = l.Queue
		}
		if to == "" {
			return fmt.Errorf("dead letter %s does not say which queue it came from: name one", l.name())
		}
		m, err := revived(l.Message)
		if err != nil {
			return fmt.Errorf("dead letter %s: %w", l.name(), err)
		}
		m.Exchange, m.RoutingKey = "", to
		if wait > 0 {
			if err := sleep(ctx, time.Until(next)); err != nil {
				return err
			}
			next = time.Now().Add(wait)
		}
		if err := d.app.Publish(ctx, m); err != nil {
			return fmt.Errorf("send dead letter %s to queue %q: %w", l.name(), to, err)
		}
		return nil
	})
}

// Drop removes the letters that fit, and returns how many.
func (d *DeadLetters) Drop(ctx context.Context, f DeadFilter, act DeadAction) (n int, more bool, err error) {
	return d.act(ctx, f, act, func(*DeadLetter) error { return nil })
}

// Edit changes the task of one letter by f and puts it back, at the end of the queue. The error is ErrNoDeadLetter when no
// letter has the id.
func (d *DeadLetters) Edit(ctx context.Context, id string, f func(*protocol.Task, *protocol.Body) error, act DeadAction) error {
	done := false
	n, more, err := d.act(ctx, DeadFilter{IDs: []string{id}, Limit: deadEditLimit}, act, func(l *DeadLetter) error {
		if done {
			return errEnough
		}
		m, err := l.edited(f, d.app)
		if err != nil {
			return err
		}
		m.Exchange, m.RoutingKey = "", d.queue
		if err := d.app.Publish(ctx, m); err != nil {
			return fmt.Errorf("put dead letter %s back: %w", l.name(), err)
		}
		done = true
		return nil
	})
	switch {
	case errors.Is(err, errEnough):
		return nil
	case err != nil:
		return err
	case n == 0 && !act.DryRun && more:
		return fmt.Errorf("%w with id %s among the first %d messages of queue %q", ErrNoDeadLetter, id, deadEditLimit, d.queue)
	case n == 0 && !act.DryRun:
		return fmt.Errorf("%w with id %s in queue %q", ErrNoDeadLetter, id, d.queue)
	}
	return nil
}

// ErrNoDeadLetter says that no dead letter has the id that was asked for.
var ErrNoDeadLetter = errors.New("no dead letter")

var errEnough = errors.New("enough")

const deadEditLimit = 100_000

// passMost is how long one look at the queue lasts: what it was shown and left is handed out meanwhile, and a broker bounds how
// long that may be.
const passMost = 5 * time.Minute

var errPass = errors.New("look again")

// act does what f does with each letter that fits, and then removes it.
func (d *DeadLetters) act(ctx context.Context, filter DeadFilter, act DeadAction, f func(*DeadLetter) error) (n int, more bool, err error) {
	if filter.Limit <= 0 {
		filter.Limit = DeadLimit
	}
	for {
		done, more, err := d.pass(ctx, filter, act, f)
		if n += done; !errors.Is(err, errPass) {
			return n, more, err
		}
		filter.Limit -= done
	}
}

// pass is one look at the queue. errPass: it has lasted long enough, and there may be more.
func (d *DeadLetters) pass(ctx context.Context, filter DeadFilter, act DeadAction, f func(*DeadLetter) error) (n int, more bool, err error) {
	began := time.Now()
	more, err = d.each(ctx, filter, true, func(l *DeadLetter) (bool, error) {
		if n > 0 && time.Since(began) > passMost {
			return false, errPass
		}
		if act.Before != nil {
			if err := act.Before(l); err != nil {
				return false, err
			}
		}
		if act.DryRun {
			n++
			return false, nil
		}
		if err := f(l); err != nil {
			if act.Failed != nil && !errors.Is(err, errEnough) {
				act.Failed(l, err)
			}
			return false, err
		}
		n++
		return true, nil
	})
	return n, more, err
}

// each shows f the letters that fit. When f puts messages into the queue itself, bounded is true: it is shown no more than were
// there at first.
func (d *DeadLetters) each(ctx context.Context, filter DeadFilter, bounded bool, f func(*DeadLetter) (bool, error)) (more bool, err error) {
	if filter.Limit <= 0 {
		filter.Limit = DeadLimit
	}
	l, err := d.app.open(ctx)
	if err != nil {
		return false, err
	}
	b, ok := l.broker.(broker.Browser)
	if !ok {
		return false, errors.New("this broker cannot show what waits in a queue")
	}
	s, err := l.broker.Stat(ctx, d.queue)
	if err != nil {
		return false, err
	}
	fits, err := filter.matcher(time.Now())
	if err != nil {
		return false, err
	}
	limit := filter.Limit
	if bounded {
		limit = min(limit, s.Ready)
	}
	more, err = b.Browse(ctx, d.queue, limit, func(m *broker.Message) (bool, error) {
		letter := newDeadLetter(m, d.queue)
		if !fits(letter, l.plan) {
			return false, nil
		}
		return f(letter)
	})
	return more && s.Ready > limit, err
}

// matcher is the filter, made ready.
func (f DeadFilter) matcher(now time.Time) (func(*DeadLetter, *plan) bool, error) {
	var task *regexp.Regexp
	if f.Task != "" {
		task = routing.Glob(f.Task)
	}
	if f.OlderThan < 0 || f.NewerThan < 0 {
		return nil, errors.New("an age cannot be negative")
	}
	return func(l *DeadLetter, p *plan) bool {
		switch {
		case len(f.IDs) > 0 && !slices.Contains(f.IDs, l.ID),
			task != nil && !task.MatchString(l.Task),
			f.Reason != "" && f.Reason != l.Reason,
			f.OlderThan > 0 && (l.Time.IsZero() || now.Sub(l.Time) < f.OlderThan),
			f.NewerThan > 0 && (l.Time.IsZero() || now.Sub(l.Time) > f.NewerThan):
			return false
		case f.Argument == "":
			return true
		}
		args, kwargs := l.arguments(p)
		return strings.Contains(args, f.Argument) || strings.Contains(kwargs, f.Argument)
	}, nil
}

// arguments are a letter's, whole, as Python prints them; as the header has them, cut perhaps, where the body cannot be read.
func (l *DeadLetter) arguments(p *plan) (args, kwargs string) {
	t, err := protocol.DecodeTask(&l.Message.Envelope, p.decoding())
	if err != nil {
		return l.Args, l.Kwargs
	}
	b, err := t.DecodeBody(p.decoding())
	if err != nil {
		return l.Args, l.Kwargs
	}
	return codec.ReprArgs(b.Args), codec.ReprKwargs(b.Kwargs)
}

func (p *plan) decoding() protocol.DecodeOptions {
	return protocol.DecodeOptions{Accept: p.accept, Limit: p.config.AcceptDecompressedBytes}
}
