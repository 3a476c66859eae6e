package amqp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/umbel-go/umbel/broker"
)

const (
	backoffFirst = 500 * time.Millisecond
	backoffMost  = 30 * time.Second

	// A session shorter than shortLife did not prove that the broker is well: another attempt waits up to flapMost.
	shortLife = time.Second
	flapMost  = time.Second

	// maintenanceMost is how long a broker that has closed its connections may be away before that is an error in the log.
	maintenanceMost = 3 * time.Minute

	// flapFree is how many short sessions in a row are forgiven.
	flapFree = 5
)

// A link is one of the two connections of a process, made again whenever it is lost. Its supervisor goroutine is the
// only one that dials.
type link struct {
	broker *Broker
	role   string // "publish" or "consume", shown in the broker's list of connections

	endpoints []*endpoint
	latest    *atomic.Int32 // index of the one that was reached last; shared with a link of the same endpoints

	log  *slog.Logger
	open func(context.Context, *session) error // readies a new session within the connect timeout

	sessions latch[session]

	mu    sync.Mutex
	flap  time.Duration // flapMost, unless a test is in a hurry
	wait  backoff       // between cycles of attempts; a test may have another
	cause error         // of the latest failed attempt or loss, until a session stands
}

// why returns what keeps the link down.
func (l *link) why() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.cause
}

func (l *link) setCause(err error) {
	l.mu.Lock()
	l.cause = err
	l.mu.Unlock()
}

// first connects for the first time: one attempt per URL, and the reasons of all when none answers.
func (l *link) first(ctx context.Context) (*session, error) {
	var failed []error
	var last *broker.OpenError
	for _, e := range l.order() {
		s, err := l.dial(ctx, e)
		if err == nil {
			l.connected(e)
			return s, nil
		}
		failed = append(failed, err)
		errors.As(err, &last)
		if ctx.Err() != nil {
			break
		}
	}
	if len(failed) == 1 {
		return nil, failed[0]
	}
	return nil, &broker.OpenError{URL: fmt.Sprintf("(%d URLs)", len(failed)), Op: "connect", Err: triedError(failed)}
}

// A triedError holds why each URL of a list failed, on one line.
type triedError []error

func (t triedError) Error() string {
	s := ""
	for i, err := range t {
		if i > 0 {
			s += "; "
		}
		s += err.Error()
	}
	return s
}

func (t triedError) Unwrap() []error { return t }

// isPassing reports whether an attempt failed for something that ends by itself: no way to the broker, or one that is
// starting or stopping.
func isPassing(err error) bool {
	if all := (triedError)(nil); errors.As(err, &all) {
		return slices.ContainsFunc(all, isPassing)
	}
	var open *broker.OpenError
	if !errors.As(err, &open) {
		return false
	}
	for _, op := range []string{"resolve", "dial", "amqp handshake"} {
		if strings.HasPrefix(open.Op, op) {
			return true
		}
	}
	return false
}

// order returns the endpoints in the order of this cycle: from the one that was reached last onwards, or shuffled.
func (l *link) order() []*endpoint {
	all := l.endpoints
	out := make([]*endpoint, 0, len(all))
	if l.broker.config.Shuffle {
		for _, i := range rand.Perm(len(all)) {
			out = append(out, all[i])
		}
		return out
	}
	latest := l.latest.Load()
	out = append(out, all[latest:]...)
	return append(out, all[:latest]...)
}

// connected notes that e answers, and lets the other link know.
func (l *link) connected(e *endpoint) {
	l.setCause(nil)
	l.latest.Store(int32(slices.Index(l.endpoints, e)))
	l.broker.back.ring()
}

// run supervises the link until ctx ends or reconnecting is given up. s is the session made by first.
func (l *link) run(ctx context.Context, s *session) {
	short := 0
	for {
		l.sessions.set(s)
		l.broker.changed()
		select {
		case <-s.gone:
		case <-ctx.Done():
			l.sessions.finish(l.broker.endError())
			s.close()
			return
		}
		l.broker.lost()
		l.sessions.clear(s)
		lost := s.lostError()
		l.setCause(lost)
		s.drain()
		l.broker.changed()
		l.tellLoss(s, lost)
		if l.broker.config.NoReconnect {
			l.giveUp(fmt.Errorf("%w (reconnecting is switched off)", lost))
			return
		}
		if time.Since(s.born) < shortLife {
			short++
		} else {
			short = 0
		}
		if !l.calm(ctx, short-flapFree) {
			l.sessions.finish(l.broker.endError())
			return
		}
		var err error
		if s, err = l.again(ctx, errors.Is(lost, broker.ErrMaintenance)); err != nil {
			if ctx.Err() != nil {
				l.sessions.finish(l.broker.endError())
				return
			}
			l.giveUp(err)
			return
		}
		l.log.Info("connection restored", "role", l.role, "broker", s.endpoint.masked)
	}
}

// tellLoss logs that a session is over: a broker that closes it is at work on itself, anything else is worth a look.
func (l *link) tellLoss(s *session, lost error) {
	if errors.Is(lost, broker.ErrMaintenance) {
		l.log.Info("the broker has closed the connection; connecting again", "role", l.role, "broker", s.endpoint.masked, "reason", lost)
		return
	}
	l.log.Warn("connection lost", "role", l.role, "broker", s.endpoint.masked, "reason", lost)
}

// calm waits when the broker flaps: over is how many short sessions there were beyond those forgiven. False when ctx
// has ended.
func (l *link) calm(ctx context.Context, over int) bool {
	if over <= 0 {
		return ctx.Err() == nil
	}
	l.mu.Lock()
	wait := backoff{first: 10 * time.Millisecond, most: l.flap, n: over}
	l.mu.Unlock()
	return pause(ctx, wait.next())
}

// again dials until a session stands: at once, then one cycle through the URLs after each pause, which ends early when the other
// link has connected. routine says that the broker closed the connection itself: a node that is stopped for a while is no error.
func (l *link) again(ctx context.Context, routine bool) (*session, error) {
	l.mu.Lock()
	wait := l.wait
	l.mu.Unlock()
	tries, begun := 0, time.Now()
	for {
		back := l.broker.back.next()
		for _, e := range l.order() {
			s, err := l.dial(ctx, e)
			if err == nil {
				l.connected(e)
				return s, nil
			}
			if ctx.Err() != nil {
				return nil, context.Cause(ctx)
			}
			l.setCause(err)
			tries++
			if most := l.broker.config.MaxRetries; most > 0 && tries >= most {
				return nil, fmt.Errorf("gave up reconnecting after %d attempts: %w", tries, err)
			}
			level := slog.LevelError
			if routine && isPassing(err) && time.Since(begun) < maintenanceMost {
				level = slog.LevelInfo
			}
			l.log.Log(ctx, level, "cannot connect", "role", l.role, "attempt", tries, "error", err)
		}
		d := wait.next()
		l.log.Info("trying to connect again", "role", l.role, "in", d.Round(time.Millisecond))
		if !pauseOr(ctx, d, back) {
			return nil, context.Cause(ctx)
		}
	}
}

func (l *link) giveUp(err error) {
	l.log.Error("broker is given up", "role", l.role, "error", err)
	l.broker.fail(err)
	l.sessions.finish(l.broker.endError())
}

// session waits for a session. The error says why there is none.
func (l *link) session(ctx context.Context) (*session, error) {
	s, err := l.sessions.wait(ctx)
	if err != nil {
		if cause := l.why(); cause != nil && ctx.Err() != nil {
			return nil, fmt.Errorf("%w: %w", err, cause)
		}
		return nil, err
	}
	return s, nil
}
