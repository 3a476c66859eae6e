package history

import (
	"cmp"
	"encoding/json"
	"hash/fnv"
	"slices"
	"strings"
	"time"

	"github.com/umbel-go/umbel/event"
	"github.com/umbel-go/umbel/protocol"
)

// A Task is what is known of one task.
type Task struct {
	Seq int64 // its place: Unix microseconds of when it was first heard of
	event.Task
	Trail []Step // what happened to it, in order

	parts int // of its texts that are in the index
}

// Heard is when the task was first heard of.
func (t *Task) Heard() time.Time { return time.UnixMicro(t.Seq) }

// A Step is one event of a task.
type Step struct {
	Kind   string  `json:"kind"` // "received", "started", "retried" …
	At     float64 `json:"at"`   // Unix seconds, by the sender's clock
	Worker string  `json:"worker,omitempty"`
	Note   string  `json:"note,omitempty"` // of a retry or failure: the error
}

const (
	// maxText bounds each text of a task, in bytes. Celery's workers cut arguments and results at 1 KiB.
	maxText = 8 << 10

	// maxTrail bounds the steps of a task that is tried again and again: the first and the latest stay.
	maxTrail = 64

	maxNote = 240
)

// apply folds one event in.
func (t *Task) apply(e *protocol.Event) {
	t.Task.Apply(e, maxText)
	if _, client := e.Body.(*protocol.TaskSent); client {
		t.Client = e.Hostname
	} else {
		t.Worker = e.Hostname
	}
	step := Step{Kind: strings.TrimPrefix(e.Type(), "task-"), At: e.Timestamp}
	if step.Kind != "sent" {
		step.Worker = e.Hostname
	}
	switch b := e.Body.(type) {
	case *protocol.TaskRetried:
		step.Note = cut(b.Exception, maxNote)
	case *protocol.TaskFailed:
		step.Note = cut(b.Exception, maxNote)
	}
	if slices.Contains(t.Trail, step) {
		return // told twice
	}
	t.Trail = append(t.Trail, step)
	slices.SortStableFunc(t.Trail, func(a, b Step) int { return cmp.Compare(a.At, b.At) })
	if len(t.Trail) > maxTrail {
		t.Trail = slices.Delete(t.Trail, maxTrail/2, maxTrail/2+1)
	}
}

func cut(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

// size is the memory that a task takes, near enough.
func (t *Task) size() int {
	n := 1024 + len(t.Args) + len(t.Kwargs) + len(t.Result) + len(t.Exception) + len(t.Traceback)
	for i := range t.Trail {
		n += 64 + len(t.Trail[i].Note)
	}
	return n
}

// more are the fields that nobody searches by, as they are stored.
type more struct {
	Client     string `json:"client,omitempty"`
	Retries    int    `json:"retries,omitempty"`
	ETA        string `json:"eta,omitempty"`
	Expires    string `json:"expires,omitempty"`
	Exchange   string `json:"exchange,omitempty"`
	RoutingKey string `json:"routing_key,omitempty"`
	Clock      int64  `json:"clock,omitempty"`
	Terminated bool   `json:"terminated,omitempty"`
	Expired    bool   `json:"expired,omitempty"`
	Signum     string `json:"signum,omitempty"`
	Requeue    bool   `json:"requeue,omitempty"`
	Sent       int64  `json:"sent,omitempty"` // Unix microseconds, as the next seven
	Received   int64  `json:"received,omitempty"`
	Started    int64  `json:"started,omitempty"`
	Succeeded  int64  `json:"succeeded,omitempty"`
	Failed     int64  `json:"failed,omitempty"`
	Retried    int64  `json:"retried,omitempty"`
	Revoked    int64  `json:"revoked,omitempty"`
	RejectedAt int64  `json:"rejected,omitempty"`
	Trail      []Step `json:"trail,omitempty"`
	Parts      int    `json:"parts,omitempty"`
}

func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func fromMicros(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.UnixMicro(n)
}

const columns = `seq, hash, id, name, state, worker, queue, root, parent, args, kwargs, result, exception, traceback, runtime, updated, more`

const put = `INSERT INTO tasks (` + columns + `) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (seq) DO UPDATE SET name = excluded.name, state = excluded.state, worker = excluded.worker, queue = excluded.queue,
	root = excluded.root, parent = excluded.parent, args = excluded.args, kwargs = excluded.kwargs, result = excluded.result,
	exception = excluded.exception, traceback = excluded.traceback, runtime = excluded.runtime, updated = excluded.updated,
	more = excluded.more`

// row is the task as it is stored.
func (t *Task) row() []any {
	doc, _ := json.Marshal(&more{Client: t.Client, Retries: t.Retries, ETA: t.ETA, Expires: t.Expires, Exchange: t.Exchange,
		RoutingKey: t.RoutingKey, Clock: t.Clock, Terminated: t.Terminated, Expired: t.Expired, Signum: t.Signum, Requeue: t.Requeue,
		Sent: micros(t.Sent), Received: micros(t.Received), Started: micros(t.Started), Succeeded: micros(t.Succeeded),
		Failed: micros(t.Failed), Retried: micros(t.Retried), Revoked: micros(t.Revoked), RejectedAt: micros(t.RejectedTime),
		Trail: t.Trail, Parts: t.parts}) // numbers are finite, so that it cannot fail
	return []any{t.Seq, hash(t.UUID), clean(t.UUID), clean(t.Name), clean(string(t.State)), clean(t.Worker), clean(t.Queue),
		clean(t.RootID), clean(t.ParentID), clean(t.Args), clean(t.Kwargs), clean(t.Result), clean(t.Exception), clean(t.Traceback),
		t.Runtime, micros(t.Timestamp), clean(string(doc))}
}

// clean takes out what PostgreSQL does not store in a text.
func clean(s string) string {
	if strings.IndexByte(s, 0) >= 0 {
		s = strings.ReplaceAll(s, "\x00", "")
	}
	return strings.ToValidUTF8(s, "�")
}

func hash(id string) int64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(id))
	return int64(h.Sum64())
}

// tasks reads rows of columns.
func tasks(t tx, query string, args []any, f func(*Task) error) error {
	var seq, sum, updated int64
	var id, name, state, worker, queue, root, parent, argsText, kwargs, result, exception, traceback, doc string
	var runtime float64
	dest := []any{&seq, &sum, &id, &name, &state, &worker, &queue, &root, &parent, &argsText, &kwargs, &result, &exception, &traceback,
		&runtime, &updated, &doc}
	return t.each(query, args, dest, func() error {
		var m more
		_ = json.Unmarshal([]byte(doc), &m) // ours: what cannot be read is left empty
		return f(&Task{Seq: seq, Trail: m.Trail, parts: m.Parts, Task: event.Task{
			UUID: id, Name: name, State: protocol.State(state), Worker: worker, Client: m.Client, RootID: root, ParentID: parent,
			Args: argsText, Kwargs: kwargs, Retries: m.Retries, ETA: m.ETA, Expires: m.Expires, Queue: queue, Exchange: m.Exchange,
			RoutingKey: m.RoutingKey, Result: result, Exception: exception, Traceback: traceback, Runtime: runtime, Clock: m.Clock,
			Timestamp: fromMicros(updated), Terminated: m.Terminated, Expired: m.Expired, Signum: m.Signum, Requeue: m.Requeue,
			Sent: fromMicros(m.Sent), Received: fromMicros(m.Received), Started: fromMicros(m.Started), Succeeded: fromMicros(m.Succeeded),
			Failed: fromMicros(m.Failed), Retried: fromMicros(m.Retried), Revoked: fromMicros(m.Revoked), RejectedTime: fromMicros(m.RejectedAt)}})
	})
}
