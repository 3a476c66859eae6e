package doctor

import (
	"fmt"
	"slices"
	"strings"

	"github.com/umbel-go/umbel/internal/python"
	"github.com/umbel-go/umbel/internal/setting"
)

func workerLost(s *system, report func(Finding)) {
	if !s.celery || !s.truth("task_reject_on_worker_lost") {
		return
	}
	list := s.queues()
	uncapped := slices.ContainsFunc(list, func(q queue) bool {
		return !(q.has("x-delivery-limit") && q.has("x-dead-letter-exchange")) && !s.deadEnd(q)
	})
	if len(list) > 0 && !uncapped {
		return
	}
	s.each("task_reject_on_worker_lost", func(a assigned) {
		if a.Kind != python.Bool || !a.Bool {
			return
		}
		report(Finding{
			Severity: High, Verdict: Dangerous, Place: a.Place,
			What:    "a task that kills its worker comes back and kills the next one",
			Why:     "it is requeued without a limit: on classic queues for ever. On quorum queues of RabbitMQ 4 the broker drops it after 20 deliveries, without a trace unless the queue has dead letters.",
			Instead: `quorum queues with queue_arguments={"x-queue-type": "quorum", "x-delivery-limit": 3, "x-dead-letter-exchange": "…"}. Umbel's workers count by themselves (task_delivery_limit, 3).`,
		})
	})
}

// deadEnd tells whether a queue is where others send their dead letters.
func (s *system) deadEnd(q queue) bool {
	return slices.ContainsFunc(s.queues(), func(other queue) bool {
		if !other.has("x-dead-letter-exchange") {
			return false
		}
		exchange, key := other.arguments.Get("x-dead-letter-exchange"), other.arguments.Get("x-dead-letter-routing-key")
		return exchange.Text != "" && exchange.Is(q.exchange) || key != nil && (key.Is(q.name) || q.key != "" && key.Is(q.key))
	})
}

func ackTimeout(s *system, report func(Finding)) {
	if !s.celery || !s.truth("task_acks_late") {
		return
	}
	late := func(n int64, at Place) {
		many := fmt.Sprintf("%d tasks per process", n)
		if n == 0 {
			many = "any number of tasks"
		}
		report(Finding{
			Severity: High, Verdict: Dangerous, Place: at,
			What:    "tasks are acknowledged late and " + many + " are taken at once",
			Why:     "those behind a slow one wait unacknowledged. After 30 minutes (consumer_timeout) RabbitMQ closes the channel and gives all of them to others: they run twice, and the channel's other tasks with them.",
			Instead: "worker_prefetch_multiplier = 1, at least for workers of slow tasks. Umbel's workers hand waiting messages back in time.",
		})
	}
	if _, ok := s.get("worker_prefetch_multiplier"); !ok {
		v, _ := s.get("task_acks_late")
		late(4, v.Place)
		return
	}
	s.each("worker_prefetch_multiplier", func(a assigned) {
		if a.Kind == python.Int && a.Int != 1 {
			late(a.Int, a.Place)
		}
	})
}

func timeLimit(s *system, report func(Finding)) {
	workers := s.workers()
	if !s.celery || len(workers) == 0 {
		return
	}
	if _, ok := s.get("task_time_limit"); ok {
		return
	}
	for _, c := range workers {
		if c.program == "celery" && !c.flag("--time-limit") && !s.limited() {
			report(Finding{
				Severity: Medium, Verdict: Dangerous, Place: c.Place,
				What:    "nothing ends a task that hangs",
				Why:     "without a time limit one call to a service that never answers takes a process for good; a few of them, and the worker is idle and looks healthy.",
				Instead: "task_soft_time_limit = 300 and task_time_limit = 360, or per task",
			})
			return
		}
	}
}

// limited tells whether every task that was read has a limit of its own.
func (s *system) limited() bool {
	for _, t := range s.tasks {
		if t.options.Node == nil || t.options.Get("time_limit") == nil {
			return false
		}
	}
	return len(s.tasks) > 0
}

func retryCountdown(s *system, report func(Finding)) {
	for _, t := range s.tasks {
		if t.options.Node == nil {
			continue
		}
		backoff, kwargs := t.options.Get("retry_backoff"), t.options.Get("retry_kwargs")
		countdown := kwargs.Get("countdown")
		if on, ok := backoff.Number(); ok && on > 0 && countdown != nil {
			report(Finding{
				Severity: Medium, Verdict: Ignored, Place: t.options.at(kwargs),
				What:    fmt.Sprintf("%s: countdown %s is overwritten by retry_backoff", t.name, countdown),
				Why:     "with retry_backoff=True the waits are 1, 2, 4 … seconds, and with jitter any whole number of seconds below that, zero included: all retries can be over in a moment.",
				Instead: fmt.Sprintf("retry_backoff=%s, whose waits are %s, twice and four times that; with retry_jitter from nothing up to it", countdown, countdown),
			})
		}
		if auto := t.options.Get("autoretry_for"); auto != nil && catchesAll(auto) {
			report(Finding{
				Severity: Low, Verdict: Dangerous, Place: t.options.at(auto),
				What:    t.name + ": every exception is retried",
				Why:     "a TypeError is as wrong the third time. Mistakes take the time of all retries before anybody hears of them.",
				Instead: "autoretry_for with the errors that pass: (ConnectionError, TimeoutError)",
			})
		}
	}
}

func catchesAll(n *python.Node) bool {
	for _, item := range n.Items {
		if item.Is("Exception") || item.Is("BaseException") {
			return true
		}
	}
	return n.Is("Exception")
}

func rateLimit(s *system, report func(Finding)) {
	workers := s.workers()
	for _, t := range s.tasks {
		if t.options.Node == nil {
			continue
		}
		if limit := t.options.Get("rate_limit"); limit != nil && limit.Kind == python.String {
			many := "with four workers it is four times that"
			if len(workers) > 1 {
				many = fmt.Sprintf("the %d workers here together may run %d times that", len(workers), len(workers))
			}
			report(Finding{
				Severity: Low, Verdict: Wrong, Place: t.options.at(limit),
				What:    fmt.Sprintf("%s: %s holds for each worker by itself", t.name, limit.Text),
				Why:     many + ", and each new instance adds to it.",
				Instead: "divide it by the number of workers, or give the task a queue and one worker of its own. Umbel's workers keep one limit together: umbel.RateLimit(…, umbel.Cluster)",
			})
		}
	}
	s.each("task_default_rate_limit", func(a assigned) {
		if a.Kind == python.String && a.celery {
			report(Finding{
				Severity: Medium, Verdict: Wrong, Place: a.Place,
				What:    a.spelt + " limits each kind of task on each worker, not a queue",
				Why:     "ten kinds of tasks on four workers may run forty times that. Celery has no limit of a queue.",
				Instead: "rate_limit of the tasks that need one, or a worker of its own for the queue, whose concurrency is the limit. Umbel has rate_limit in task_queues",
			})
		}
	})
}

func unknownSetting(s *system, report func(Finding)) {
	for _, a := range s.assigned {
		if !a.celery || !strings.HasPrefix(a.spelt, "CELERY_") {
			continue
		}
		if _, ok := setting.Lookup(a.spelt); ok {
			continue
		}
		var names []string
		for _, known := range setting.Table() {
			if !known.Own {
				names = append(names, known.Name)
			}
		}
		if near := setting.Nearest(a.name, names); near != "" {
			report(Finding{
				Severity: Medium, Verdict: Ignored, Place: a.Place,
				What:    "Celery has no setting " + a.spelt,
				Why:     "what it does not know it passes over in silence.",
				Instead: "CELERY_" + strings.ToUpper(near),
			})
		}
	}
}

func setTwice(s *system, report func(Finding)) {
	first := make(map[string]assigned)
	for _, a := range s.assigned {
		before, ok := first[a.name]
		if !ok || a.celery != before.celery {
			first[a.name] = a
			continue
		}
		if before.Node.String() == a.Node.String() || before.Place.File == a.Place.File {
			continue
		}
		report(Finding{
			Severity: Low, Verdict: Wrong, Place: a.Place,
			What:    fmt.Sprintf("%s has another value in %s", a.spelt, before.Place),
			Why:     "one of the two counts, and which depends on the order in which they are read: what an app sets by itself comes after its settings module, and replaces it whole.",
			Instead: "one of them",
		})
	}
}

func settingsFile(s *system, report func(Finding)) {
	for _, f := range s.problems {
		report(f)
	}
}
