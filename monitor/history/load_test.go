package history

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/umbel-go/umbel/internal/testenv"
	"github.com/umbel-go/umbel/protocol"
	"github.com/umbel-go/umbel/scaling"
)

// told are the events of a task of which its client told, too: sent and taken at once, begun a second later.
func told(id, queue string, at, took float64) []*protocol.Event {
	return []*protocol.Event{ // the client tells when the message is confirmed, and is later than the worker
		say(at+0.01, "gen@web", &protocol.TaskSent{UUID: id, Name: "shop.pay", Queue: queue}),
		say(at, "w1@host", &protocol.TaskReceived{UUID: id, Name: "shop.pay"}),
		say(at+1, "w1@host", &protocol.TaskStarted{UUID: id}),
		say(at+1+took, "w1@host", &protocol.TaskSucceeded{UUID: id, Runtime: took}),
	}
}

func TestTheLoadOfAQueueIsCountedByMinutes(t *testing.T) {
	each(t, func(t *testing.T, c Config) {
		s := open(t, c)
		var events []*protocol.Event
		add := func(more ...*protocol.Event) { events = append(events, more...) }
		add(told("early", "orders", -50, 1)...) // the history begins with it: in the middle of a minute, which is not whole
		add(told("a", "orders", 5, 4)...)
		add(told("b", "orders", 6, 1)...)
		add(told("other", "reports", 7, 500)...)
		// Without a word of its client it counts when its worker took it; a retry when it was taken again.
		add(say(61, "w1@host", &protocol.TaskReceived{UUID: "r", Name: "shop.pay"}),
			say(62, "w1@host", &protocol.TaskStarted{UUID: "r"}),
			say(65, "w1@host", &protocol.TaskRetried{UUID: "r", Exception: "KeyError('x')"}),
			say(130, "w2@host", &protocol.TaskReceived{UUID: "r", Name: "shop.pay", Retries: 1, ETA: noon.Add(130 * time.Second).Format(time.RFC3339)}),
			say(131, "w2@host", &protocol.TaskStarted{UUID: "r"}),
			say(132, "w2@host", &protocol.TaskFailed{UUID: "r", Exception: "KeyError('x')"}))
		// At its ETA comes what was sent for later.
		add(say(8, "gen@web", &protocol.TaskSent{UUID: "eta", Name: "shop.pay", Queue: "orders", ETA: noon.Add(200 * time.Second).Format(time.RFC3339)}),
			say(200, "w1@host", &protocol.TaskReceived{UUID: "eta", Name: "shop.pay", ETA: noon.Add(200 * time.Second).Format(time.RFC3339)}),
			say(200, "w1@host", &protocol.TaskStarted{UUID: "eta"}),
			say(201, "w1@host", &protocol.TaskSucceeded{UUID: "eta", Runtime: 1}))
		// Its worker was lost, and how long it ran is not known; and one that has not ended.
		add(say(70, "w1@host", &protocol.TaskReceived{UUID: "lost", Name: "shop.pay"}),
			say(70, "w1@host", &protocol.TaskStarted{UUID: "lost"}),
			say(250, "w2@host", &protocol.TaskReceived{UUID: "lost", Name: "shop.pay"}),
			say(250, "w2@host", &protocol.TaskStarted{UUID: "lost"}))
		// It never ran.
		add(say(9, "gen@web", &protocol.TaskSent{UUID: "revoked", Name: "shop.pay", Queue: "orders"}),
			say(10, "w1@host", &protocol.TaskRevoked{UUID: "revoked", Expired: true}))
		add(told("late", "orders", 290, 1)...) // in the last minute asked for, and not over by then
		recordEvery(t, s, RecorderConfig{}, noon.Add(-50*time.Second), time.Millisecond, events...)

		got, err := s.Load(deadline(t), LoadQuery{Since: noon.Add(-time.Hour), Until: noon.Add(5*time.Minute + 30*time.Second),
			Of: func(name, queue string) bool { return queue == "orders" || queue == "" && name == "shop.pay" }})
		if err != nil {
			t.Fatal(err)
		}
		if !got.Trace.Begin.Equal(noon) || got.Runs != 8 || got.Unsent != 2 || got.Open != 2 {
			t.Errorf("got %+v", got)
		}
		text := ""
		for _, m := range got.Trace.Minutes {
			text += fmt.Sprintf("%d×%.2f~%.2f ", m.Tasks, m.Seconds, m.Spread)
		}
		// "a" and "b" took 4 and 1: a factor of two around their middle. All that is known: 4 1 3 1 1 1.
		all := scaling.Minute{Seconds: 11. / 6}
		logs, squares := (math.Log(4)+math.Log(3))/6, (math.Log(4)*math.Log(4)+math.Log(3)*math.Log(3))/6
		all.Spread = math.Sqrt(squares - logs*logs)
		want := fmt.Sprintf("2×2.50~0.69 2×3.00~%.2f 1×1.00~%.2f 1×1.00~%.2f 2×1.00~%.2f ", all.Spread, all.Spread, all.Spread, all.Spread)
		if text != want {
			t.Errorf("minutes %s\nwant    %s", text, want)
		}

		if _, err := s.Load(deadline(t), LoadQuery{Since: noon, Until: noon.Add(time.Hour), Of: func(string, string) bool { return false }}); !errors.Is(err, ErrNoLoad) {
			t.Errorf("nobody's load: %v", err)
		}
		if _, err := s.Load(deadline(t), LoadQuery{Since: noon.Add(-time.Hour), Until: noon.Add(-59 * time.Minute)}); !errors.Is(err, ErrNoLoad) {
			t.Errorf("before the history: %v", err)
		}
		if _, err := s.Load(deadline(t), LoadQuery{Since: noon.AddDate(-2, 0, 0), Until: noon}); !errors.Is(err, ErrQuery) {
			t.Errorf("two years: %v", err)
		}
	})
}

// More tasks than one transaction reads are all counted, once.
func TestALoadIsReadInPieces(t *testing.T) {
	t.Parallel()
	s := open(t, Config{URL: filepath.Join(t.TempDir(), "h.db")})
	const n = 2*loadAtOnce + 500
	var events []*protocol.Event
	for i := range n {
		events = append(events, life(fmt.Sprint("task", i), "t", float64(i)/100)...)
	}
	recordEvery(t, s, RecorderConfig{}, noon, time.Millisecond, events...)
	got, err := s.Load(deadline(t), LoadQuery{Since: noon, Until: noon.Add(10 * time.Minute)})
	if err != nil {
		t.Fatal(err)
	}
	if got.Runs != n || got.Trace.Tasks() != n || got.Trace.Minutes[0].Tasks != 6000 || got.Trace.Mean() != 2*time.Second {
		t.Errorf("%d attempts, %d tasks of %v, in the first minute %d; want %d", got.Runs, got.Trace.Tasks(), got.Trace.Mean(), got.Trace.Minutes[0].Tasks, n)
	}
}

func TestAHistoryThatMustExistIsNotMade(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "h.db")
	if _, err := Open(context.Background(), Config{URL: path, Existing: true}); !errors.Is(err, ErrNotFound) {
		t.Errorf("no file: %v", err)
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it was made: %v", err)
	}
	empty := Config{URL: testenv.Postgres(t).URL(), Existing: true}
	if _, err := Open(deadline(t), empty); !errors.Is(err, ErrNotFound) {
		t.Errorf("a database without a history: %v", err)
	}
	open(t, Config{URL: empty.URL})
	open(t, empty)
}
