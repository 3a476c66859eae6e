package scaling

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Trace is the load of a queue, minute by minute: how many tasks came, and how long they ran. "umbel scale record" writes one from a
// monitor's history.
//
// As a file it has a line for each minute: tasks,seconds,spread. Lines that begin with # are comments; two of them are read:
//
//	# queue: orders
//	# begin: 2026-11-26T03:50:00Z
//	112,0.084,0.31
//	0,0
//	97,0.09
type Trace struct {
	Queue   string    // or queues; "" is not known
	Begin   time.Time // of the first minute; zero is not known
	Minutes []Minute
}

// A Minute is what came in one minute.
type Minute struct {
	Tasks   int
	Seconds float64 // that one ran, in the mean

	// Spread is the standard deviation of the natural logarithm of those times: 0 if all took as long as each other, about 0.5 if most
	// took between half and twice the mean. A line that does not say has UsualSpread.
	Spread float64
}

// UsualSpread is the Spread of a line that has none.
const UsualSpread = 0.5

// Bounds of a trace.
const (
	traceMinutes = 400 * 24 * 60
	traceTasks   = 20_000_000
	traceSpread  = 4
	traceSeconds = 30 * 24 * 3600
	traceFaults  = 5 // are told at once
)

// ReadTrace reads a trace and checks it. What is wrong is told with its line.
func ReadTrace(r io.Reader) (*Trace, error) {
	t := &Trace{}
	var faults []error
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" {
			continue
		}
		var err error
		if comment, is := strings.CutPrefix(line, "#"); is {
			err = t.fact(comment)
		} else {
			var m Minute
			m, err = readMinute(line)
			t.Minutes = append(t.Minutes, m)
		}
		if err != nil {
			faults = append(faults, fmt.Errorf("line %d: %w", n, err))
		}
		if len(faults) == traceFaults || len(t.Minutes) > traceMinutes {
			break
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read load: %w", err)
	}
	if len(faults) > 0 {
		return nil, fmt.Errorf("load: %w", errors.Join(faults...))
	}
	return t, t.Check()
}

// fact takes up a comment that says something.
func (t *Trace) fact(comment string) (err error) {
	name, value, _ := strings.Cut(strings.TrimSpace(comment), ":")
	switch value = strings.TrimSpace(value); name {
	case "queue":
		t.Queue = value
	case "begin":
		if t.Begin, err = time.Parse(time.RFC3339, value); err != nil {
			return fmt.Errorf("begin %q: want a time such as 2026-11-26T03:50:00Z", value)
		}
	}
	return nil
}

func readMinute(line string) (m Minute, err error) {
	cells := strings.Split(line, ",")
	if len(cells) != 2 && len(cells) != 3 {
		return m, fmt.Errorf("%q: want tasks,seconds or tasks,seconds,spread", line)
	}
	m.Spread = UsualSpread
	m.Tasks, err = strconv.Atoi(strings.TrimSpace(cells[0]))
	for i, to := range []*float64{&m.Seconds, &m.Spread}[:len(cells)-1] {
		var bad error
		*to, bad = strconv.ParseFloat(strings.TrimSpace(cells[i+1]), 64)
		err = errors.Join(err, bad)
	}
	if err != nil {
		return m, fmt.Errorf("%q: want numbers: tasks,seconds,spread", line)
	}
	return m, m.check()
}

func (m *Minute) check() error {
	switch {
	case m.Tasks < 0 || m.Tasks > traceTasks:
		return fmt.Errorf("%d tasks in a minute: want 0 to %d", m.Tasks, traceTasks)
	case !(m.Seconds >= 0 && m.Seconds <= traceSeconds) || m.Tasks > 0 && m.Seconds == 0:
		return fmt.Errorf("%d tasks of %v s: want seconds above 0, and thirty days at most", m.Tasks, m.Seconds)
	case !(m.Spread >= 0 && m.Spread <= traceSpread):
		return fmt.Errorf("a spread of %v: want 0 to %d", m.Spread, traceSpread)
	}
	return nil
}

// Check says what makes no sense.
func (t *Trace) Check() error {
	if len(t.Minutes) == 0 {
		return errors.New("load: no minute in it")
	}
	if len(t.Minutes) > traceMinutes {
		return fmt.Errorf("load: more than the %d minutes of 400 days", traceMinutes)
	}
	for i := range t.Minutes {
		if err := t.Minutes[i].check(); err != nil {
			return fmt.Errorf("load: minute %d: %w", i+1, err)
		}
	}
	if n := t.Tasks(); n == 0 || n > traceTasks {
		return fmt.Errorf("load: %d tasks: want 1 to %d", n, traceTasks)
	}
	return nil
}

// Write writes the trace as a file.
func (t *Trace) Write(w io.Writer) error {
	b := bufio.NewWriter(w)
	fmt.Fprintln(b, "# Load of a queue, for \"umbel scale simulate\". Each line is a minute: tasks that came, seconds that one ran in the mean, and the")
	fmt.Fprintln(b, "# standard deviation of the logarithm of those.")
	if t.Queue != "" {
		fmt.Fprintln(b, "# queue:", strings.Join(strings.Fields(t.Queue), " "))
	}
	if !t.Begin.IsZero() {
		fmt.Fprintln(b, "# begin:", t.Begin.UTC().Format(time.RFC3339))
	}
	for _, m := range t.Minutes {
		if m.Tasks == 0 {
			fmt.Fprintln(b, "0,0")
			continue
		}
		fmt.Fprintf(b, "%d,%s,%s\n", m.Tasks, digits(max(m.Seconds, 1e-6)), digits(m.Spread))
	}
	return b.Flush()
}

// digits writes a number with four digits that matter, and nothing below a millionth.
func digits(v float64) string {
	v, _ = strconv.ParseFloat(strconv.FormatFloat(v, 'g', 4, 64), 64)
	return strconv.FormatFloat(math.Round(v*1e6)/1e6, 'f', -1, 64)
}

// Tasks is how many came.
func (t *Trace) Tasks() (n int) {
	for _, m := range t.Minutes {
		n += m.Tasks
	}
	return n
}

// Mean is how long a task ran, in the mean.
func (t *Trace) Mean() time.Duration {
	var sum float64
	for _, m := range t.Minutes {
		sum += float64(m.Tasks) * m.Seconds
	}
	return span(sum / float64(max(t.Tasks(), 1)))
}

// Span is the time from the first minute to the end of the last.
func (t *Trace) Span() time.Duration { return time.Duration(len(t.Minutes)) * time.Minute }

// Busiest is how many slots the busiest stretch of so many minutes kept busy, in the mean.
func (t *Trace) Busiest(minutes int) (slots float64) {
	minutes = min(max(minutes, 1), len(t.Minutes))
	var sum float64
	for i, m := range t.Minutes {
		sum += float64(m.Tasks) * m.Seconds
		if i >= minutes {
			sum -= float64(t.Minutes[i-minutes].Tasks) * t.Minutes[i-minutes].Seconds
		}
		slots = max(slots, sum/60/float64(minutes))
	}
	return slots
}

// tasks are those of the trace in order, the same each time. Within a minute they come at random, and how long they take spreads
// around the mean as a lognormal distribution does.
func (t *Trace) tasks() source {
	r := rand.New(rand.NewPCG(7, 11))
	var minute int
	var some []simTask
	return func() (simTask, bool) {
		for len(some) == 0 {
			if minute == len(t.Minutes) {
				return simTask{}, false
			}
			m := t.Minutes[minute]
			some = make([]simTask, m.Tasks)
			for i := range some {
				some[i] = simTask{60*float64(minute) + 60*r.Float64(), m.Seconds * math.Exp(m.Spread*r.NormFloat64()-m.Spread*m.Spread/2)}
			}
			slices.SortFunc(some, func(a, b simTask) int {
				if a.at < b.at {
					return -1
				}
				return 1
			})
			minute++
		}
		task := some[0]
		some = some[1:]
		return task, true
	}
}
