package migration

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/umbel-go/umbel/doctor"
)

// A queue is one that moves, with its tasks.
type queue struct {
	name  string
	tasks []*Task
	hand  int // items
	beat  int // tasks that beat sends

}

// unsure stands in place of a queue's name that only Python knows.
const unsure = "that only Python knows"

// queues are those of the tasks, those that carry the least risk first: nothing to write by hand, few tasks, not the default one.
func (m *Migration) queues(fallback string) []*queue {
	byName := make(map[string]*queue)
	var out []*queue
	for i := range m.Tasks {
		t := &m.Tasks[i]
		q := byName[t.Queue]
		if q == nil {
			q = &queue{name: t.Queue}
			byName[t.Queue] = q
			out = append(out, q)
		}
		q.tasks = append(q.tasks, t)
		q.hand += len(t.hand)
		if t.Beat {
			q.beat++
		}
	}
	slices.SortFunc(out, func(a, b *queue) int {
		last := func(q *queue) int {
			if q.name == fallback {
				return 1
			}
			return 0
		}
		return cmp.Or(cmp.Compare(last(a), last(b)), cmp.Compare(a.hand, b.hand), cmp.Compare(len(a.tasks), len(b.tasks)), cmp.Compare(a.name, b.name))
	})
	return out
}

// plan is the page that says how to move.
func (m *Migration) plan(r *doctor.Report, c Config) []byte {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	queues := m.queues(r.QueueOf(""))
	line("# From Celery to Umbel, one queue at a time\n")
	line("%d tasks in %d %s. Written by `umbel migrate celery`: run it again into another folder when the Python side has changed.\n", len(m.Tasks), len(queues), plural(len(queues), "queue"))
	line("Both sides speak one wire: Python sends to Go and Go to Python, on the same queues, with the same results. So a queue moves when a worker")
	line("of Go takes from it and that of Python no longer does, and it goes back the same way. Nothing else changes at that moment.\n")
	line("## Before the first queue\n")
	line("1. `umbel doctor` on the sources: %s.", faults(r))
	line("2. Settings: read umbel.yaml, and do what its comments ask for. `umbel config` shows what is in force.")
	line("3. `umbel doctor connect` from where the workers will run, then `umbel topology diff`: whatever differs is settled before a worker starts.")
	line("4. Users with the permissions of their roles: `umbel topology plan --python`.")
	line("5. `umbel events` and `umbel status` see the Python workers, and `umbel monitor` keeps a record of them: the figures to compare with.")
	line("6. `go mod init %s && go mod tidy && go build ./...`; each task that is not written yet fails with `NotWritten`.\n", path.Dir(c.Package))
	line("## The order of the queues\n")
	line("| | queue | tasks | by hand | beat sends |")
	line("|---|---|---|---|---|")
	for i, q := range queues {
		line("| %d | %s | %d | %d | %d |", i+1, cmp.Or(code(q.name), unsure), len(q.tasks), q.hand, q.beat)
	}
	line("\nWhat has the least to be written by hand comes first, what has the fewest tasks before others, and the default queue last: whatever has no")
	line("route goes there, and what nobody has thought of.\n")
	for i, q := range queues {
		m.section(line, i+1, q)
	}
	line("## Last: beat\n")
	line("Two schedulers send everything twice. Stop Celery's beat, start `umbel beat`, and look at `umbel schedule list`; to go back, the other way")
	line("round. With `django_celery_beat` the schedule is in the database, and none of it in umbel.yaml: write it into `beat_schedule` first.\n")
	line("## What needs a hand\n")
	m.byHand(line)
	line("\n## About the settings\n")
	for _, n := range m.Notes {
		line("- %s", n)
	}
	if len(m.Notes) == 0 {
		line("Nothing: all of them are in umbel.yaml.")
	}
	return []byte(b.String())
}

func (m *Migration) section(line func(string, ...any), n int, q *queue) {
	line("## %d. Queue %s\n", n, cmp.Or(code(q.name), unsure))
	for _, t := range q.tasks {
		notes := []string{"`tasks." + t.goName + "`"}
		if t.Beat {
			notes = append(notes, "beat sends it")
		}
		if len(t.hand) > 0 {
			notes = append(notes, fmt.Sprintf("%d by hand", len(t.hand)))
		}
		line("- [ ] %s: %s", code(t.Name), strings.Join(notes, ", "))
	}
	name := cmp.Or(q.name, "QUEUE")
	line("\nCheck before: every task of the list is written and tested; a message runs twice without harm, as at least once is what the broker")
	line("promises; `umbel queues -Q %s` shows the backlog and the consumers that there are.\n", name)
	line("Move: start one Go worker beside Python's, `app worker -Q %s -n go-%s@%%h`. It takes its share. Watch for an hour that failures", name, strings.ReplaceAll(name, ".", "-"))
	line("(`umbel events`, the monitor's page of tasks) and run times are as before, and that no task is unregistered. Then let Python's go:")
	line("`umbel control cancel_consumer %s -d celery@HOST`, or stop them; add Go workers.\n", name)
	line("Back: `umbel control add_consumer %s -d celery@HOST`, or start Python's workers, and stop Go's with SIGTERM: what they have begun they end, the rest", name)
	line("goes back to the queue at once. Messages, results and retries are the same on both sides.\n")
}

func (m *Migration) byHand(line func(string, ...any)) {
	items := m.Items()
	if len(items) == 0 {
		line("Nothing.")
		return
	}
	for _, i := range items {
		head := code(i.Task)
		if i.Task == "" {
			head = "program"
		}
		if i.Place != "" {
			head += " (" + i.Place + ")"
		}
		line("- [ ] %s: %s: %s", head, i.What, i.Do)
	}
}

// Items are all that needs a hand, the tasks' own last.
func (m *Migration) Items() []Item {
	items := slices.Clone(m.Hand)
	for _, t := range m.Tasks {
		items = append(items, t.hand...)
	}
	return items
}

func faults(r *doctor.Report) string {
	if len(r.Findings) == 0 {
		return "it found nothing"
	}
	return fmt.Sprintf("it found %d %s, the worst %s. Mend them on the Python side first, so that the move changes one thing at a time", len(r.Findings), plural(len(r.Findings), "fault"), r.Worst())
}

func code(s string) string {
	if s == "" {
		return ""
	}
	return "`" + s + "`"
}

func plural(n int, word string) string {
	if n == 1 {
		return word
	}
	return word + "s"
}
