//go:build unix

package cli

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/umbel-go/umbel/event"
	"github.com/umbel-go/umbel/protocol"
)

// A watched view is one that is fed and pressed by hand.
type watched struct {
	t *testing.T
	*eventsView
	at float64
}

func watch(t *testing.T) *watched {
	t.Helper()
	w := &watched{t, &eventsView{state: event.NewState(event.StateConfig{}), lost: new(atomic.Bool), title: "memory://", now: time.Unix(1_800_000_000, 0)}, 1_800_000_000}
	w.Update(tea.WindowSizeMsg{Width: 80, Height: 20})
	return w
}

func (w *watched) hear(host string, bodies ...protocol.EventBody) {
	for _, b := range bodies {
		w.at++
		w.state.Apply(&protocol.Event{Hostname: host, Timestamp: w.at, Clock: int64(w.at), Body: b}, time.UnixMicro(int64(w.at*1e6)))
	}
	w.Update(eventsTick(time.UnixMicro(int64(w.at*1e6) + 100_000)))
}

func (w *watched) keys(keys ...string) {
	for _, k := range keys {
		switch k {
		case "enter":
			w.Update(tea.KeyPressMsg{Code: tea.KeyEnter})
		case "esc":
			w.Update(tea.KeyPressMsg{Code: tea.KeyEscape})
		case "down":
			w.Update(tea.KeyPressMsg{Code: tea.KeyDown})
		default:
			w.Update(tea.KeyPressMsg{Code: rune(k[0]), Text: k})
		}
	}
}

// shows wants texts on the screen, which must fit; those that begin with ! must be absent.
func (w *watched) shows(texts ...string) {
	w.t.Helper()
	screen := w.View().Content
	lines := strings.Split(screen, "\n")
	if len(lines) != 20 {
		w.t.Errorf("%d lines on a screen of 20:\n%s", len(lines), screen)
	}
	for _, l := range lines {
		if len([]rune(l)) > 80 {
			w.t.Errorf("a line is %d wide on a screen of 80: %q", len([]rune(l)), l)
		}
	}
	for _, text := range texts {
		absent, no := strings.CutPrefix(text, "!")
		if no == strings.Contains(screen, absent) {
			w.t.Errorf("%q on the screen is %v:\n%s", absent, !no, screen)
		}
	}
}

func TestTheViewOfEvents(t *testing.T) {
	w := watch(t)
	w.shows("nothing heard yet", "no tasks")
	w.hear("w1@host", &protocol.WorkerStatus{Kind: protocol.TypeWorkerOnline, Freq: 2, Ident: "umbel", Version: "1.2"})
	w.hear("w1@host", &protocol.TaskReceived{UUID: "id-1", Name: "orders.process", Args: "(7,)", Kwargs: "{}"}, &protocol.TaskStarted{UUID: "id-1"},
		&protocol.TaskSucceeded{UUID: "id-1", Result: "'done'", Runtime: 0.25},
		&protocol.TaskReceived{UUID: "id-2", Name: "orders.refund", Args: "(8, '\x1b[2Jevil\u202e')", Kwargs: "{}"}, &protocol.TaskStarted{UUID: "id-2"},
		&protocol.TaskFailed{UUID: "id-2", Exception: "ValueError('no')", Traceback: "line one\nline two\n", HasTraceback: true})
	w.shows("workers 1 of 1", "tasks 2", "done 1", "failed 1", "w1@host", "umbel 1.2", "orders.process", "SUCCESS", "250ms", "orders.refund", "FAILURE", "!\x1b", "!\u202e")
	w.keys("enter") // the latest is chosen
	w.shows("id-2", "ValueError('no')", "line two", "!orders.process")
	w.keys("esc", "down", "enter")
	w.shows("id-1", "'done'", "!orders.refund")
	w.keys("esc", "f")
	w.shows("[failures]", "orders.refund", "!orders.process")
	w.keys("esc", "/", "p", "r", "o", "c", "enter")
	w.shows("[proc]", "orders.process", "!orders.refund")
	w.keys("esc", "?")
	w.shows("by pages")
	w.keys("?", "p")
	w.hear("w1@host", &protocol.TaskReceived{UUID: "id-3", Name: "later"})
	w.shows("PAUSED", "!later")
	w.keys("p")
	w.shows("later", "!PAUSED")
	for i := range 100 {
		w.hear("w2@host", &protocol.TaskReceived{UUID: strings.Repeat("x", i+1), Name: "many"})
	}
	w.keys("g", "down", "down", "down")
	w.shows("many", "tasks 103")
	w.lost.Store(true)
	w.shows("the connection is away")
	if _, cmd := w.Update(tea.KeyPressMsg{Code: 'q', Text: "q"}); cmd == nil {
		t.Error("q does not leave")
	}
}
