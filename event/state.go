package event

import (
	"cmp"
	"container/list"
	"slices"
	"sync"
	"time"

	"github.com/umbel-go/umbel/protocol"
)

// A StateConfig bounds a State.
type StateConfig struct {
	// MaxWorkers and MaxTasks are how many are remembered; those heard of last stay. Default to 5,000 and 10,000, as in
	// Celery (max_workers_in_memory, max_tasks_in_memory).
	MaxWorkers, MaxTasks int

	// MaxText is the longest text of a task (arguments, result, traceback) in bytes; more is cut. Defaults to 4 KiB.
	MaxText int

	// MaxBytes bounds the text of all tasks together. Defaults to 64 MiB.
	MaxBytes int
}

// A State is what a listener knows of a cluster: its workers and their latest tasks, folded from events. Its memory is
// bounded. Its methods may be called from many goroutines. Celery: celery.events.state.State.
type State struct {
	config StateConfig

	mu      sync.Mutex // guards what follows
	workers map[string]*list.Element
	tasks   map[string]*list.Element
	byWork  list.List // of *Worker, the one heard of last in front
	byTask  list.List // of *Task, likewise
	bytes   int       // of text in tasks
	counts  Counts
}

// Counts are what a State has seen.
type Counts struct {
	Events    int64 // of all types
	Received  int64 // task-received
	Succeeded int64
	Failed    int64
	Retried   int64
	Forgotten int64 // tasks no longer remembered
}

// NewState makes an empty state.
func NewState(c StateConfig) *State {
	c.MaxWorkers = cmp.Or(c.MaxWorkers, 5000)
	c.MaxTasks = cmp.Or(c.MaxTasks, 10_000)
	c.MaxText = cmp.Or(c.MaxText, 4<<10)
	c.MaxBytes = cmp.Or(c.MaxBytes, 64<<20)
	return &State{config: c, workers: make(map[string]*list.Element), tasks: make(map[string]*list.Element)}
}

// nameMost is the longest id, host name or type that is taken for one.
const nameMost = 512

// Apply folds one event into the state; received is when it was heard.
func (s *State) Apply(e *protocol.Event, received time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts.Events++
	if len(e.Hostname) > nameMost || len(e.Type()) > nameMost {
		return
	}
	switch body := e.Body.(type) {
	case *protocol.WorkerStatus:
		s.worker(e.Hostname).status(e, body, received)
	default:
		if id := TaskID(body); id != "" && len(id) <= nameMost && protocol.EventGroup(e.Type()) == "task" {
			s.applyTask(id, e, received)
		}
	}
}

func (s *State) applyTask(id string, e *protocol.Event, received time.Time) {
	_, client := e.Body.(*protocol.TaskSent)
	t := s.task(id)
	if client {
		t.Client = e.Hostname
	} else {
		t.Worker = e.Hostname
		w := s.worker(e.Hostname)
		if w.PID == 0 {
			w.PID = e.PID
		}
		w.beat(received)
	}
	switch e.Body.(type) {
	case *protocol.TaskReceived:
		s.counts.Received++
	case *protocol.TaskSucceeded:
		s.counts.Succeeded++
	case *protocol.TaskFailed:
		s.counts.Failed++
	case *protocol.TaskRetried:
		s.counts.Retried++
	}
	before := t.size()
	t.Apply(e, s.config.MaxText)
	t.LastHeard = received
	s.bytes += t.size() - before
	for s.byTask.Len() > s.config.MaxTasks || s.bytes > s.config.MaxBytes && s.byTask.Len() > 1 {
		s.forget()
	}
}

// forget drops the task that was heard of longest ago.
func (s *State) forget() {
	last := s.byTask.Back()
	t := s.byTask.Remove(last).(*Task)
	delete(s.tasks, t.UUID)
	s.bytes -= t.size()
	s.counts.Forgotten++
}

// worker finds or makes a worker, and puts it in front.
func (s *State) worker(hostname string) *Worker {
	if e := s.workers[hostname]; e != nil {
		s.byWork.MoveToFront(e)
		return e.Value.(*Worker)
	}
	w := &Worker{Hostname: hostname, Freq: defaultFreq}
	s.workers[hostname] = s.byWork.PushFront(w)
	if s.byWork.Len() > s.config.MaxWorkers {
		delete(s.workers, s.byWork.Remove(s.byWork.Back()).(*Worker).Hostname)
	}
	return w
}

// task finds or makes a task, and puts it in front.
func (s *State) task(id string) *Task {
	if e := s.tasks[id]; e != nil {
		s.byTask.MoveToFront(e)
		return e.Value.(*Task)
	}
	t := &Task{UUID: id, State: protocol.Pending}
	s.tasks[id] = s.byTask.PushFront(t)
	s.bytes += t.size()
	return t
}

// Workers are copies of the workers by name.
func (s *State) Workers() []Worker {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Worker, 0, s.byWork.Len())
	for e := s.byWork.Front(); e != nil; e = e.Next() {
		out = append(out, *e.Value.(*Worker))
	}
	slices.SortFunc(out, func(a, b Worker) int { return cmp.Compare(a.Hostname, b.Hostname) })
	return out
}

// Tasks are copies of the tasks that were heard of last, the latest first; at most n, all when n is 0. keep, when set, chooses.
func (s *State) Tasks(n int, keep func(*Task) bool) []Task {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Task
	for e := s.byTask.Front(); e != nil && (n == 0 || len(out) < n); e = e.Next() {
		if t := e.Value.(*Task); keep == nil || keep(t) {
			out = append(out, *t)
		}
	}
	return out
}

// Task is a copy of one task; ok is false when nothing is known of it.
func (s *State) Task(id string) (t Task, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.tasks[id]
	if e == nil {
		return Task{}, false
	}
	return *e.Value.(*Task), true
}

// Counts are what the state has seen since it was made.
func (s *State) Counts() Counts {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counts
}

// Len is how many workers and tasks are remembered.
func (s *State) Len() (workers, tasks int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.byWork.Len(), s.byTask.Len()
}
