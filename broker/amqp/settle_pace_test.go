package amqp

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/umbel-go/umbel/broker"
)

// pacing starts a settler with a prefetch and n deliveries in hand.
func pacing(t *testing.T, window int64, n uint64) (*settler, *ledger) {
	l := newLedger()
	s := newSettler(l, nil)
	s.window.Store(window)
	for tag := uint64(1); tag <= n; tag++ {
		l.unsettled = append(l.unsettled, tag)
		s.hand(tag)
	}
	gone, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		s.run(gone)
	}()
	t.Cleanup(func() {
		close(gone)
		<-ended
	})
	return s, l
}

func ack(t *testing.T, s *settler, tags ...uint64) {
	t.Helper()
	for _, tag := range tags {
		if err := s.Ack(tag); err != nil {
			t.Fatal(err)
		}
	}
	synctest.Wait() // everybody has done what can be done without time passing
}

func TestAnAckAfterQuietLeavesAtOnceAndThoseBehindItTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, l := pacing(t, 400, 10)
		ack(t, s, 1)
		if frames, _ := l.state(); frames != 1 {
			t.Fatalf("%d frames for the first ack, want 1 at once", frames)
		}
		for tag := uint64(2); tag <= 9; tag++ {
			ack(t, s, tag)
		}
		if frames, _ := l.state(); frames != 1 {
			t.Fatalf("%d frames before the pace is over, want the first alone", frames)
		}
		time.Sleep(pace)
		synctest.Wait()
		if frames, unsettled := l.state(); frames != 2 || len(unsettled) != 1 {
			t.Fatalf("%d frames, %v unsettled; want one more frame for all that gathered", frames, unsettled)
		}
		time.Sleep(pace)
		ack(t, s, 10)
		if frames, _ := l.state(); frames != 3 {
			t.Fatalf("%d frames, want the ack after a quiet time at once", frames)
		}
	})
}

func TestAcksDoNotWaitWhileTheBrokerMayRunOutOfWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, l := pacing(t, 80, 30)
		ack(t, s, 1)
		ack(t, s, 2, 3, 4, 5, 6, 7, 8, 9, 10)
		if frames, _ := l.state(); frames != 1 {
			t.Fatalf("%d frames, want 1: nine of a window of 80 can wait", frames)
		}
		ack(t, s, 11)
		if frames, unsettled := l.state(); frames != 2 || len(unsettled) != 19 {
			t.Fatalf("%d frames, %v unsettled; want an eighth of the window to leave at once", frames, unsettled)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		s, l := pacing(t, 4, 3)
		for tag := range uint64(3) {
			ack(t, s, tag+1)
			if frames, _ := l.state(); frames != int(tag)+1 {
				t.Fatalf("%d frames after %d acks of a window of 4, want each at once", frames, tag+1)
			}
		}
	})
}

func TestRejectsAndFlushesWaitForNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, l := pacing(t, 0, 6)
		ack(t, s, 1)
		ack(t, s, 2)
		if err := s.Reject(3, true); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if _, unsettled := l.state(); len(unsettled) != 3 {
			t.Fatalf("%v unsettled, want the reject to take the ack before it along", unsettled)
		}
		ack(t, s, 4)
		flushed := make(chan error, 1)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		s.t = &transport{err: errors.New("no socket here")}
		go func() { flushed <- s.flush(ctx) }()
		synctest.Wait()
		if _, unsettled := l.state(); len(unsettled) != 2 {
			t.Fatalf("%v unsettled, want the flush to take the ack along", unsettled)
		}
		<-flushed
		if err := s.Ack(4); !errors.Is(err, broker.ErrSettled) {
			t.Fatalf("ack again: %v", err)
		}
	})
}
