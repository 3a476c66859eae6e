package cli

import (
	"fmt"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/umbel-go/umbel/event"
	"github.com/umbel-go/umbel/protocol"
)

// Drawing: each line is cut to the width of the terminal before it is coloured.

const eventsHelp = `  up down j k      choose a task            /      filter by name, id, state, worker, arguments
  pgup pgdown      by pages                 f      only what failed, was rejected, revoked or retried
  home g           the latest               p      pause; events are counted all the same
  enter i          all about it, and back   esc    back, or no filter
  ?                this                     q      leave`

// View implements tea.Model.
func (v *eventsView) View() tea.View {
	view := tea.NewView(strings.Join(v.lines(), "\n"))
	view.AltScreen = true
	view.WindowTitle = "umbel events"
	return view
}

func (v *eventsView) lines() []string {
	if v.width == 0 {
		return nil
	}
	lines := v.head()
	switch task := v.selected(); {
	case v.help:
		for l := range strings.Lines(eventsHelp) {
			lines = append(lines, v.cut(strings.TrimRight(l, "\n")))
		}
	case v.detail && task != nil:
		lines = append(lines, v.about(task, v.height-len(lines)-1)...)
	default:
		lines = append(lines, v.workerLines()...)
		lines = append(lines, v.taskLines()...)
	}
	most := max(v.height-1, 1)
	if len(lines) > most {
		lines = lines[:most]
	}
	for len(lines) < most {
		lines = append(lines, "")
	}
	return append(lines, v.foot())
}

// cut shortens a line to the width, and takes what would move the cursor out of it.
func (v *eventsView) cut(s string) string { return clip(printable(s), v.width) }

// clip shortens text to n columns.
func clip(s string, n int) string {
	r := []rune(s)
	switch {
	case len(r) <= n:
		return s
	case n <= 1:
		return string(r[:max(n, 0)])
	}
	return string(r[:n-1]) + "…"
}

func (v *eventsView) head() []string {
	alive := 0
	for i := range v.workers {
		if v.workers[i].Alive(v.now) {
			alive++
		}
	}
	_, remembered := v.state.Len()
	text := fmt.Sprintf("workers %d of %d  tasks %d  %.0f/s  done %d  failed %d  retried %d  %s", alive, len(v.workers), remembered,
		v.rate.perSecond(), v.counts.Succeeded, v.counts.Failed, v.counts.Retried, v.title)
	line := v.paint.bold(v.cut(text))
	switch {
	case v.lost.Load():
		return []string{line, v.paint.red(v.cut("the connection is away: events are missed"))}
	case v.counts.Events == 0:
		return []string{line, v.paint.faint(v.cut("nothing heard yet: workers tell of tasks when started with -E, or by remote control enable_events"))}
	}
	return []string{line, ""}
}

// workerRows bounds the table of workers, so that tasks have room.
func (v *eventsView) workerRows() int { return min(len(v.workers), max(v.height/3, 1)) }

func (v *eventsView) workerLines() []string {
	if len(v.workers) == 0 {
		return nil
	}
	name := max(min(v.width-62, 40), 16)
	lines := []string{v.paint.faint(v.cut(fmt.Sprintf("%-*s  %-7s %6s %9s %17s  %s", name, "worker", "state", "active", "processed", "load", "version")))}
	for i := range v.workers[:v.workerRows()] {
		w := &v.workers[i]
		state := "online"
		if !w.Alive(v.now) {
			state = "offline"
		}
		text := v.cut(fmt.Sprintf("%-*s  %-7s %6d %9d %17s  %s", name, clip(w.Hostname, name), state, w.Active, w.Processed,
			fmt.Sprintf("%.2f %.2f %.2f", w.LoadAvg[0], w.LoadAvg[1], w.LoadAvg[2]), strings.TrimSpace(w.Ident+" "+w.Version)))
		if state == "offline" {
			text = v.paint.faint(text)
		}
		lines = append(lines, text)
	}
	if more := len(v.workers) - v.workerRows(); more > 0 {
		lines[len(lines)-1] = v.paint.faint(v.cut(fmt.Sprintf("and %d more workers", more+1)))
	}
	return append(lines, "")
}

// listRows is how many tasks there is room for.
func (v *eventsView) listRows() int {
	used := 2 + 1 + 1 // head, heading of tasks, foot
	if len(v.workers) > 0 {
		used += v.workerRows() + 2
	}
	return max(v.height-used, 1)
}

func (v *eventsView) taskLines() []string {
	const fixed = 5 + 2 + 9 + 2 + 2 + 9 + 2
	rest := max(v.width-fixed, 20)
	name := max(rest*2/5, 10)
	worker := max(rest/4, 6)
	args := max(rest-name-worker, 4)
	lines := []string{v.paint.faint(v.cut(fmt.Sprintf("%5s  %-9s  %-*s  %9s  %-*s  %s", "ago", "state", name, "task", "runtime", worker, "worker", "arguments")))}
	if len(v.tasks) == 0 {
		return append(lines, v.paint.faint(v.cut("       no tasks"+map[bool]string{true: " that match", false: ""}[v.filter != "" || v.failures])))
	}
	at := v.cursor()
	for i := v.top; i < len(v.tasks) && i < v.top+v.listRows(); i++ {
		t := &v.tasks[i]
		line := v.cut(fmt.Sprintf("%5s  %-9s  %-*s  %9s  %-*s  %s", ago(v.now, t.Timestamp), clip(string(t.State), 9), name, clip(taskName(t), name), runtimeText(t),
			worker, clip(t.Worker, worker), clip(strings.TrimSpace(t.Args+" "+t.Kwargs), args)))
		switch {
		case i == at:
			line = v.paint.wrap("7", line+strings.Repeat(" ", max(v.width-len([]rune(line)), 0)))
		case t.State == protocol.Failure || t.State == protocol.Rejected:
			line = v.paint.red(line)
		case t.State == protocol.Success:
			line = v.paint.green(line)
		}
		lines = append(lines, line)
	}
	return lines
}

func taskName(t *event.Task) string {
	if t.Name == "" {
		return t.UUID // its first event was not heard
	}
	return t.Name
}

func runtimeText(t *event.Task) string {
	if t.Succeeded.IsZero() {
		return ""
	}
	d := time.Duration(t.Runtime * float64(time.Second))
	switch {
	case d < time.Millisecond:
		return d.Round(time.Microsecond).String()
	case d < time.Second:
		return d.Round(100 * time.Microsecond).String()
	}
	return d.Round(10 * time.Millisecond).String()
}

// about is all that is known of a task, as much as fits below scroll.
func (v *eventsView) about(t *event.Task, rows int) []string {
	var lines []string
	add := func(what, text string) {
		for l := range strings.Lines(text) {
			lines = append(lines, v.cut(fmt.Sprintf("%-11s %s", what, strings.TrimRight(l, "\r\n"))))
			what = ""
		}
	}
	clock := func(at time.Time) string {
		if at.IsZero() {
			return ""
		}
		return at.Local().Format("2006-01-02 15:04:05.000")
	}
	add("id", t.UUID)
	add("name", t.Name)
	add("state", string(t.State))
	add("worker", t.Worker)
	add("client", t.Client)
	add("queue", t.Queue)
	add("args", t.Args)
	add("kwargs", t.Kwargs)
	if t.Retries > 0 {
		add("retries", fmt.Sprint(t.Retries))
	}
	add("eta", t.ETA)
	add("expires", t.Expires)
	if t.RootID != t.UUID {
		add("root", t.RootID)
	}
	add("parent", t.ParentID)
	add("sent", clock(t.Sent))
	add("received", clock(t.Received))
	add("started", clock(t.Started))
	add("succeeded", clock(t.Succeeded))
	add("failed", clock(t.Failed))
	add("retried", clock(t.Retried))
	add("revoked", clock(t.Revoked))
	add("rejected", clock(t.RejectedTime))
	add("runtime", runtimeText(t))
	add("result", t.Result)
	add("exception", t.Exception)
	add("traceback", t.Traceback)
	v.scroll = min(v.scroll, max(len(lines)-rows, 0))
	return lines[v.scroll:min(v.scroll+max(rows, 0), len(lines))]
}

func (v *eventsView) foot() string {
	text := "enter details  / filter  f failures  p pause  ? help  q quit"
	switch {
	case v.typing:
		text = "filter: " + v.filter + "▏ enter keeps it, esc drops it"
	case v.detail:
		text = "up down scroll  enter back  q quit"
	}
	if v.filter != "" && !v.typing {
		text = "[" + v.filter + "]  " + text
	}
	if v.failures {
		text = "[failures]  " + text
	}
	if v.paused {
		text = "PAUSED  " + text
	}
	return v.paint.faint(v.cut(text))
}
