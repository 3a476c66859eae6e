package doctor

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/umbel-go/umbel/internal/python"
)

// has tells whether a queue's arguments have a key.
func (q queue) has(key string) bool { return q.arguments != nil && q.arguments.Get(key) != nil }

// quorum tells whether a queue is said to be of that type.
func (s *system) quorum(q queue) bool {
	t := q.arguments.Get("x-queue-type")
	if t == nil {
		return s.text("task_default_queue_type") == "quorum"
	}
	return t.Is("quorum")
}

func queuePriority(s *system, report func(Finding)) {
	for _, q := range s.queues() {
		if q.has("x-max-priority") && s.quorum(q) {
			report(Finding{
				Severity: High, Verdict: Wrong, Place: q.at(q.arguments),
				What:    fmt.Sprintf("queue %q is a quorum queue with x-max-priority", q.name),
				Why:     "RabbitMQ refuses to declare it: quorum queues have priorities of their own (two levels on 4.0 to 4.2, 32 from 4.3, none before) and no such argument.",
				Instead: `leave "x-max-priority" away`,
			})
		}
	}
	s.each("task_queue_max_priority", func(a assigned) {
		if !a.celery || a.Kind == python.None || s.classic() {
			return
		}
		report(Finding{
			Severity: Medium, Verdict: Wrong, Place: a.Place,
			What:    "task_queue_max_priority holds for classic queues only",
			Why:     "Amazon MQ makes quorum queues from RabbitMQ 4.2 on: they order by priority in two levels, where 5 and more is high, and the default of 5 makes nearly everything so. A queue that exists without the argument cannot be declared with it (406), and workers do not start.",
			Instead: `say which type you mean: task_default_queue_type = "quorum" without this setting and priorities 0 or 9, or Queue(…, queue_arguments={"x-queue-type": "classic", "x-max-priority": 10})`,
		})
	})
	s.decoration(report)
}

// classic tells whether the settings choose classic queues.
func (s *system) classic() bool {
	if s.text("task_default_queue_type") == "classic" {
		return true
	}
	list := s.queues()
	for _, q := range list {
		if t := q.arguments.Get("x-queue-type"); t == nil || !t.Is("classic") {
			return false
		}
	}
	return len(list) > 0
}

// decoration finds priorities of tasks that have their queues for themselves.
func (s *system) decoration(report func(Finding)) {
	perQueue := make(map[string]map[string]bool)
	var first *python.Node
	var r0 route
	levels := make(map[string]bool)
	for _, r := range s.routes() {
		priority, name := r.options.Get("priority"), r.queue()
		if priority == nil || name == "" || !r.celery {
			continue
		}
		if first == nil {
			first, r0 = priority, r
		}
		if perQueue[name] == nil {
			perQueue[name] = make(map[string]bool)
		}
		perQueue[name][priority.String()] = true
		levels[priority.String()] = true
	}
	if len(perQueue) < 2 || len(levels) < 2 {
		return
	}
	for _, within := range perQueue {
		if len(within) > 1 {
			return // it orders something
		}
	}
	report(Finding{
		Severity: Low, Verdict: Ignored, Place: r0.options.at(first),
		What:    "the priorities in task_routes order nothing: all tasks of one queue have the same",
		Why:     "a message's priority orders it among the messages of its own queue. Between queues, what counts is how many workers take from each.",
		Instead: "leave the priorities away, and give the important queue its own workers",
	})
}

func deadLetterAck(s *system, report func(Finding)) {
	v, said := s.get("task_acks_on_failure_or_timeout")
	if !s.celery || said && v.Kind == python.Bool && !v.Bool {
		return
	}
	for _, q := range s.queues() {
		if q.has("x-dead-letter-exchange") {
			report(Finding{
				Severity: Medium, Verdict: Wrong, Place: q.at(q.arguments),
				What:    fmt.Sprintf("queue %q has dead letters, and tasks that fail never get there", q.name),
				Why:     "Celery acknowledges a task that failed, and the broker dead-letters only what is rejected.",
				Instead: "task_acks_late = True and task_acks_on_failure_or_timeout = False, or raise Reject(requeue=False) in the task",
			})
			return
		}
	}
}

func purgeQueues(s *system, report func(Finding)) {
	for _, c := range s.commands {
		if c.sub() != "purge" || c.program != "celery" || c.flag("-Q", "--queues") || len(s.queues()) > 0 {
			continue
		}
		known := make(map[string]bool)
		var names []string
		for _, r := range s.routes() {
			if name := r.queue(); name != "" && !known[name] {
				known[name] = true
				names = append(names, name)
			}
		}
		if len(names) == 0 {
			continue
		}
		report(Finding{
			Severity: High, Verdict: Wrong, Place: c.Place,
			What:    fmt.Sprintf("celery purge empties queue %q and leaves %s full", cmp.Or(s.defaultQueue(), "task_default_queue"), strings.Join(names, ", ")),
			Why:     "without task_queues it knows the default queue only; queues that routes name are not known to it. What workers have prefetched stays, too.",
			Instead: "celery purge -Q " + strings.Join(names, ",") + ", or: umbel purge --dry-run",
		})
	}
}
