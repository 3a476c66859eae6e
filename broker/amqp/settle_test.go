package amqp

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/umbel-go/umbel/broker"
)

// A ledger settles as RabbitMQ's channel does, and remembers how.
type ledger struct {
	mu        sync.Mutex // guards what follows, where a settler runs beside the test
	unsettled []uint64   // handed out, in order
	acked     map[uint64]bool
	rejected  map[uint64]bool // with requeue or not
	frames    int
	fail      error
}

func newLedger() *ledger { return &ledger{acked: map[uint64]bool{}, rejected: map[uint64]bool{}} }

// state is how many frames came, and what is unsettled.
func (l *ledger) state() (frames int, unsettled []uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.frames, slices.Clone(l.unsettled)
}

func (l *ledger) Ack(tag uint64, multiple bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.frames++
	at := slices.Index(l.unsettled, tag)
	if at < 0 {
		// Also with multiple: the tag itself must be one that is unsettled.
		l.fail = fmt.Errorf("406 PRECONDITION_FAILED - unknown delivery tag %d", tag)
		return l.fail
	}
	from := at
	if multiple {
		from = 0
	}
	for _, t := range l.unsettled[from : at+1] {
		l.acked[t] = true
	}
	l.unsettled = slices.Delete(l.unsettled, from, at+1)
	return nil
}

func (l *ledger) Reject(tag uint64, requeue bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.frames++
	at := slices.Index(l.unsettled, tag)
	if at < 0 {
		l.fail = fmt.Errorf("406 PRECONDITION_FAILED - unknown delivery tag %d", tag)
		return l.fail
	}
	l.rejected[tag] = requeue
	l.unsettled = slices.Delete(l.unsettled, at, at+1)
	return nil
}

// round does what the settling goroutine does when it is woken.
func (s *settler) round() bool {
	s.mu.Lock()
	acks, rejects := s.acks, s.rejects
	s.acks, s.rejects = nil, nil
	upTo := s.prefixLocked(acks)
	s.mu.Unlock()
	return s.write(upTo, acks, rejects)
}

func TestGatheredAcksSettleExactlyWhatWasSettled(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := newLedger()
		s := newSettler(l, nil)
		var held []uint64 // in a task's hands
		acked, rejected := map[uint64]bool{}, map[uint64]bool{}
		var sent, seen uint64 // what the broker has sent, and how much of it we were handed
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			switch rapid.IntRange(0, 9).Draw(t, "step") {
			case 0, 1, 2:
				sent++
				l.unsettled = append(l.unsettled, sent)
			case 3, 4:
				if seen < sent {
					seen++
					s.hand(seen)
					held = append(held, seen)
				}
			case 5, 6, 7, 8:
				if len(held) == 0 {
					continue
				}
				i := rapid.IntRange(0, len(held)-1).Draw(t, "which")
				tag := held[i]
				held = slices.Delete(held, i, i+1)
				var err error
				if rapid.IntRange(0, 4).Draw(t, "how") > 0 {
					err = s.Ack(tag)
					acked[tag] = true
				} else {
					requeue := rapid.Bool().Draw(t, "requeue")
					err = s.Reject(tag, requeue)
					rejected[tag] = requeue
				}
				if err != nil {
					t.Fatalf("settle %d: %v", tag, err)
				}
				if err := s.Ack(tag); !errors.Is(err, broker.ErrSettled) {
					t.Fatalf("settle %d again: %v, want ErrSettled", tag, err)
				}
			case 9:
				if !s.round() {
					t.Fatalf("the broker closed the channel: %v", l.fail)
				}
			}
		}
		if !s.round() {
			t.Fatalf("the broker closed the channel: %v", l.fail)
		}
		if fmt.Sprint(l.acked) != fmt.Sprint(acked) || fmt.Sprint(l.rejected) != fmt.Sprint(rejected) {
			t.Fatalf("the broker has acked %v and rejected %v, want %v and %v", l.acked, l.rejected, acked, rejected)
		}
	})
}

func TestAnUnbrokenRunOfAcksIsOneFrame(t *testing.T) {
	l := newLedger()
	s := newSettler(l, nil)
	for tag := uint64(1); tag <= 1000; tag++ {
		l.unsettled = append(l.unsettled, tag)
		s.hand(tag)
	}
	for tag := uint64(1000); tag >= 1; tag-- { // in any order
		if tag == 501 || tag == 502 {
			continue
		}
		if err := s.Ack(tag); err != nil {
			t.Fatal(err)
		}
	}
	if !s.round() {
		t.Fatal(l.fail)
	}
	if want := 1 + 498; l.frames != want {
		t.Errorf("%d frames, want %d: one up to 500, one each behind the gap", l.frames, want)
	}
	if len(l.unsettled) != 2 {
		t.Errorf("unsettled at the broker: %v, want 501 and 502", l.unsettled)
	}
}

func TestADeliveryHeldForLongDoesNotMakeTheSettlerGrow(t *testing.T) {
	l := newLedger()
	s := newSettler(l, nil)
	l.unsettled = []uint64{1}
	s.hand(1)
	const n = 3 * ringMost
	for tag := uint64(2); tag <= n; tag++ {
		l.unsettled = append(l.unsettled, tag)
		s.hand(tag)
		if err := s.Ack(tag); err != nil {
			t.Fatal(err)
		}
		if tag%100 == 0 && !s.round() {
			t.Fatal(l.fail)
		}
	}
	if len(s.ring) > ringMost || len(s.late) != 1 {
		t.Errorf("ring of %d and %d late tags, want at most %d and 1", len(s.ring), len(s.late), ringMost)
	}
	if err := s.Ack(2); !errors.Is(err, broker.ErrSettled) {
		t.Errorf("a settled tag again: %v, want ErrSettled", err)
	}
	if err := s.Ack(1); err != nil {
		t.Fatalf("the old delivery: %v", err)
	}
	if err := s.Ack(1); !errors.Is(err, broker.ErrSettled) {
		t.Errorf("the old delivery again: %v, want ErrSettled", err)
	}
	if !s.round() {
		t.Fatal(l.fail)
	}
	if len(l.unsettled) > 0 {
		t.Errorf("%d unsettled at the broker, want none", len(l.unsettled))
	}
	if err := s.Ack(n + 1); err == nil {
		t.Error("a tag that was never handed out was settled")
	}
	s.kill()
	if err := s.Ack(n); !errors.Is(err, broker.ErrStale) {
		t.Errorf("after the session: %v, want ErrStale", err)
	}
}
