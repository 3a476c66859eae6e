package umbel

import (
	"maps"
	"time"

	"github.com/umbel-go/umbel/codec"
	"github.com/umbel-go/umbel/protocol"
)

// An Attempt is one earlier run of a task that ended in a retry.
type Attempt struct {
	At     time.Time `json:"at"`     // when it ended
	Worker string    `json:"worker"` // node name
	Error  string    `json:"error"`
}

// HeaderAttempts carries the attempts from one to the next. Python workers pass it on as they do any header: Celery 5.2 not at
// all.
const HeaderAttempts = "umbel_attempts"

// A message keeps the first attempt, which tells how it began, and the last ones; errors are cut. So it does not grow with
// every retry.
const (
	attemptsKept    = 20
	attemptErrorMax = 500
)

// Attempts are the task's earlier runs, oldest first; at most the first and the 19 last.
func (r *Request) Attempts() []Attempt {
	if r.task == nil {
		return nil
	}
	list, _ := r.task.Headers[HeaderAttempts].([]any)
	var out []Attempt
	for _, v := range list {
		m, ok := v.(map[string]any)
		if !ok {
			continue
		}
		var a Attempt
		a.Worker, _ = m["worker"].(string)
		a.Error, _ = m["error"].(string)
		if at, ok := m["at"].(string); ok {
			a.At, _ = protocol.ParseTime(at)
		}
		out = append(out, a)
	}
	return out
}

// AddAttempt notes on the message of the next attempt how this one ended. Workers call it.
func (r *Request) AddAttempt(t *protocol.Task, err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	if len(text) > attemptErrorMax {
		text = text[:attemptErrorMax] + "…"
	}
	old, _ := t.Headers[HeaderAttempts].([]any)
	list := append(make([]any, 0, len(old)+1), old...)
	list = append(list, protocol.Table{"at": protocol.FormatTime(time.Now().UTC()), "worker": r.Hostname, "error": text})
	if len(list) > attemptsKept {
		list = append(list[:1], list[len(list)-attemptsKept+1:]...)
	}
	headers := make(protocol.Table, len(t.Headers)+1)
	maps.Copy(headers, t.Headers)
	headers[HeaderAttempts] = list
	t.Headers = headers
}

// attempts is the field of a result document that tells of earlier attempts; Python ignores it.
func (r *Request) attempts() []codec.NamedValue {
	list := r.Attempts()
	if len(list) == 0 {
		return nil
	}
	values := make([]any, len(list))
	for i, a := range list {
		values[i] = codec.Of([]codec.NamedValue{
			{Name: "at", Value: codec.Of(protocol.FormatTime(a.At))},
			{Name: "worker", Value: codec.Of(a.Worker)},
			{Name: "error", Value: codec.Of(a.Error)},
		})
	}
	return []codec.NamedValue{{Name: "attempts", Value: codec.Of(values)}}
}
