package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/event"
	"github.com/umbel-go/umbel/protocol"
)

// refreshEvery is how often the view looks at the state.
const refreshEvery = 250 * time.Millisecond

// An eventsView is the live view: workers on top, their latest tasks beneath, one of them chosen.
//
// It is changed by Update only, on bubbletea's goroutine; the state is folded meanwhile by the receiver.
type eventsView struct {
	state *event.State
	lost  *atomic.Bool // the connection is away
	paint paint
	title string // where it listens

	width, height int
	now           time.Time
	workers       []event.Worker
	tasks         []event.Task // the shown ones, the latest first
	counts        event.Counts
	rate          meter

	chosen   string // id of the task under the cursor
	top      int    // of the first task shown
	filter   string
	typing   bool // of the filter
	failures bool // show only those
	paused   bool
	detail   bool // of the chosen task, in place of the list
	scroll   int  // within detail
	help     bool
}

// A meter turns a counter into events per second, over the last seconds.
type meter struct {
	at    []time.Time
	count []int64
}

const meterSpan = 5 * time.Second

func (m *meter) note(now time.Time, n int64) {
	m.at, m.count = append(m.at, now), append(m.count, n)
	for len(m.at) > 2 && now.Sub(m.at[1]) >= meterSpan {
		m.at, m.count = m.at[1:], m.count[1:]
	}
}

func (m *meter) perSecond() float64 {
	if len(m.at) < 2 {
		return 0
	}
	last := len(m.at) - 1
	span := m.at[last].Sub(m.at[0]).Seconds()
	if span <= 0 {
		return 0
	}
	return float64(m.count[last]-m.count[0]) / span
}

type eventsTick time.Time

func eventsTicks() tea.Cmd {
	return tea.Tick(refreshEvery, func(t time.Time) tea.Msg { return eventsTick(t) })
}

func (p *program) viewEvents(ctx context.Context, b broker.Broker, f *eventsFlags) error {
	c, err := p.app.Config()
	if err != nil {
		return err
	}
	v := &eventsView{state: event.NewState(event.StateConfig{}), lost: new(atomic.Bool), paint: p.paint, title: brokerText(c), now: time.Now()}
	return p.listen(ctx, b, f, func(events []*protocol.Event, at time.Time) {
		for _, e := range events {
			v.state.Apply(e, at)
		}
	}, func(s broker.ConsumerState, _ error) { v.lost.Store(s != broker.ConsumerRestored) }, func() error {
		_, err := tea.NewProgram(v, tea.WithContext(ctx), tea.WithInput(p.In), tea.WithOutput(p.Out)).Run()
		if errors.Is(err, tea.ErrProgramKilled) || errors.Is(err, tea.ErrInterrupted) {
			return nil // by a signal
		}
		return err
	})
}

// Init implements tea.Model.
func (v *eventsView) Init() tea.Cmd { return eventsTicks() }

// Update implements tea.Model.
func (v *eventsView) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch m := msg.(type) {
	case tea.WindowSizeMsg:
		v.width, v.height = m.Width, m.Height
		v.refresh()
	case eventsTick:
		v.now = time.Time(m)
		if !v.paused {
			v.refresh()
		}
		return v, eventsTicks()
	case tea.KeyPressMsg:
		if v.typing {
			v.typed(m)
			return v, nil
		}
		return v, v.press(m.String())
	}
	return v, nil
}

// typed takes a key while the filter is written.
func (v *eventsView) typed(k tea.KeyPressMsg) {
	switch k.String() {
	case "enter":
		v.typing = false
	case "esc", "ctrl+c":
		v.typing, v.filter = false, ""
	case "backspace":
		if r := []rune(v.filter); len(r) > 0 {
			v.filter = string(r[:len(r)-1])
		}
	default:
		if len(v.filter) < 200 {
			v.filter += k.Text
		}
	}
	v.chosen, v.top = "", 0
	v.refresh()
}

func (v *eventsView) press(key string) tea.Cmd {
	page := max(v.listRows()-1, 1)
	switch key {
	case "q", "ctrl+c":
		return tea.Quit
	case "esc":
		switch {
		case v.help, v.detail:
			v.help, v.detail = false, false
		case v.filter != "" || v.failures:
			v.filter, v.failures = "", false
		}
	case "?", "h":
		v.help = !v.help
	case "up", "k":
		v.move(-1)
	case "down", "j":
		v.move(1)
	case "pgup", "ctrl+b":
		v.move(-page)
	case "pgdown", "ctrl+f":
		v.move(page)
	case "home", "g":
		v.chosen, v.top, v.scroll = "", 0, 0
	case "enter", "i", "r", "t": // r and t: result and traceback of Celery's view
		v.detail, v.scroll = !v.detail && v.selected() != nil, 0
	case "/":
		v.typing, v.detail, v.help = true, false, false
	case "f":
		v.failures = !v.failures
		v.chosen, v.top = "", 0
	case "p", "space":
		v.paused = !v.paused
	}
	v.refresh()
	return nil
}

// move moves the cursor, or the text of a task.
func (v *eventsView) move(by int) {
	if v.detail {
		v.scroll = max(v.scroll+by, 0)
		return
	}
	if len(v.tasks) == 0 {
		return
	}
	at := v.cursor() + by
	at = min(max(at, 0), len(v.tasks)-1)
	v.chosen = v.tasks[at].UUID
}

// cursor is the index of the chosen task, the first when it is gone.
func (v *eventsView) cursor() int {
	return max(slices.IndexFunc(v.tasks, func(t event.Task) bool { return t.UUID == v.chosen }), 0)
}

func (v *eventsView) selected() *event.Task {
	if len(v.tasks) == 0 {
		return nil
	}
	return &v.tasks[v.cursor()]
}

// viewedTasks is how many tasks can be walked through.
const viewedTasks = 1000

// refresh looks at the state.
func (v *eventsView) refresh() {
	v.workers, v.counts = v.state.Workers(), v.state.Counts()
	if n := len(v.rate.at); n == 0 || !v.rate.at[n-1].Equal(v.now) {
		v.rate.note(v.now, v.counts.Received)
	}
	if !v.paused || v.typing || len(v.tasks) == 0 || v.filter != "" || v.failures {
		v.tasks = v.state.Tasks(viewedTasks, v.wanted)
	}
	rows, at := v.listRows(), v.cursor()
	v.top = min(v.top, max(len(v.tasks)-rows, 0))
	if at < v.top {
		v.top = at
	}
	if at >= v.top+rows {
		v.top = at - rows + 1
	}
}

// wanted reports whether the filter lets a task through.
func (v *eventsView) wanted(t *event.Task) bool {
	if v.failures && t.State != protocol.Failure && t.State != protocol.Retry && t.State != protocol.Rejected && t.State != protocol.Revoked {
		return false
	}
	if v.filter == "" {
		return true
	}
	f := strings.ToLower(v.filter)
	for _, text := range []string{t.Name, t.UUID, string(t.State), t.Worker, t.Args, t.Kwargs, t.Queue} {
		if strings.Contains(strings.ToLower(text), f) {
			return true
		}
	}
	return false
}

// ago is a time for people: 3s, 5m, 2h.
func ago(now, at time.Time) string {
	switch d := now.Sub(at); {
	case at.IsZero():
		return "-"
	case d < time.Second:
		return "now"
	case d < time.Minute:
		return fmt.Sprintf("%ds", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%dm", d/time.Minute)
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", d/time.Hour)
	default:
		return fmt.Sprintf("%dd", d/(24*time.Hour))
	}
}
