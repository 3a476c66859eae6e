package protocol

import (
	"fmt"
	"strings"
	"time"
)

// Headers of protocol 2: where each field of a Task stands in the table. Protocol 1 has the same names in its body.
// Celery: celery/app/amqp.py, as_task_v2.

// known are the headers that a Task has fields for; everything else in a received table is somebody's own.
var known = map[string]bool{
	"lang": true, "task": true, "id": true, "shadow": true, "eta": true, "expires": true, "group": true,
	"group_index": true, "retries": true, "timelimit": true, "root_id": true, "parent_id": true, "argsrepr": true,
	"kwargsrepr": true, "origin": true, "ignore_result": true, "replaced_task_nesting": true, "stamped_headers": true,
	"stamps": true,
}

// ofDelivery reports whether a header tells of one delivery rather than of the task: it must not go out again with a
// retry or replay. RabbitMQ drops a message as a cycle when x-death comes back to it, and a delivery count that was not
// counted for this message would condemn it early.
func ofDelivery(name string) bool {
	switch name {
	case "compression", "x-death", "x-delivery-count", "x-acquired-count":
		return true
	}
	return strings.HasPrefix(name, "x-first-death-") || strings.HasPrefix(name, "x-last-death-")
}

// readHeaders fills the task's fields from h. It reads as liberally as is harmless: fields that are only displayed never
// fail, and a missing field is as good as null.
func (t *Task) readHeaders(h Table) error {
	var ok bool
	if t.Name, ok = text(h["task"]); !ok || t.Name == "" {
		t.ID, _ = text(h["id"])
		return t.invalid("task is %s, want the task's name", shown(h["task"]))
	}
	if t.ID, ok = text(h["id"]); !ok || t.ID == "" {
		if _, has := h["id"]; !has {
			return t.invalid("id is missing")
		}
		return t.invalid("id is %s, want the task's id", shown(h["id"]))
	}
	t.Lang, _ = text(h["lang"])
	t.Shadow, _ = text(h["shadow"])
	t.ArgsRepr, _ = text(h["argsrepr"])
	t.KwargsRepr, _ = text(h["kwargsrepr"])
	t.Origin, _ = text(h["origin"])

	if t.RootID, ok = text(h["root_id"]); !ok {
		return t.invalid("root_id is %s, want a task's id", shown(h["root_id"]))
	}
	if t.ParentID, ok = text(h["parent_id"]); !ok {
		return t.invalid("parent_id is %s, want a task's id", shown(h["parent_id"]))
	}
	if t.Group, ok = text(h["group"]); !ok {
		return t.invalid("group is %s, want a group's id", shown(h["group"]))
	}
	if v := h["group_index"]; v != nil {
		if t.GroupIndex, ok = integer(v); !ok {
			return t.invalid("group_index is %s, want a number", shown(v))
		}
		t.HasGroupIndex = true
	}
	if t.Retries, ok = count(h["retries"]); !ok {
		return t.invalid("retries is %s, want a number of retries", shown(h["retries"]))
	}
	if t.ReplacedTaskNesting, ok = count(h["replaced_task_nesting"]); !ok {
		return t.invalid("replaced_task_nesting is %s, want a number", shown(h["replaced_task_nesting"]))
	}
	if v := h["timelimit"]; v != nil {
		if !t.readTimeLimit(v) {
			return t.invalid("timelimit is %s, want [hard, soft] in seconds", shown(v))
		}
	}
	var err error
	if v := h["eta"]; v != nil {
		if t.ETA, err = moment(v); err != nil {
			return t.invalid("invalid ETA value %s: %v", shown(v), err)
		}
	}
	if v := h["expires"]; v != nil {
		if t.Expires, err = moment(v); err != nil {
			return t.invalid("invalid expires value %s: %v", shown(v), err)
		}
	}
	if v, ok := flag(h["ignore_result"]); ok {
		t.ignore = v
		t.IgnoreResult = &t.ignore
	}
	t.StampedHeaders, _ = texts(h["stamped_headers"])
	t.Stamps, _ = h["stamps"].(Table)
	return nil
}

func (t *Task) readTimeLimit(v any) bool {
	limits, ok := list(v)
	if !ok {
		return false
	}
	for i, into := range []*time.Duration{&t.TimeLimit, &t.SoftTimeLimit} {
		if i == len(limits) {
			break
		}
		if *into, ok = seconds(limits[i]); !ok {
			return false
		}
	}
	return true
}

// headers is the table of protocol 2: every header is there, null where it does not apply.
func (t *Task) headers() Table {
	h := make(Table, len(known)+len(t.Headers))
	t.ownHeaders(h)
	h["lang"] = orText(t.Lang, "go")
	h["task"] = t.Name
	h["id"] = t.ID
	h["shadow"] = orNull(t.Shadow)
	h["eta"] = timeOrNull(t.ETA)
	h["expires"] = timeOrNull(t.Expires)
	h["group"] = orNull(t.Group)
	h["group_index"] = nil
	if t.HasGroupIndex {
		h["group_index"] = narrow(int64(t.GroupIndex))
	}
	h["retries"] = narrow(int64(t.Retries))
	h["timelimit"] = []any{number(t.TimeLimit), number(t.SoftTimeLimit)}
	h["root_id"] = orText(t.RootID, t.ID)
	h["parent_id"] = orNull(t.ParentID)
	h["argsrepr"] = orNull(t.ArgsRepr)
	h["kwargsrepr"] = orNull(t.KwargsRepr)
	h["origin"] = orNull(t.Origin)
	h["ignore_result"] = nil
	if t.IgnoreResult != nil {
		h["ignore_result"] = *t.IgnoreResult
	}
	h["replaced_task_nesting"] = narrow(int64(t.ReplacedTaskNesting))
	h["stamped_headers"] = nil
	if t.StampedHeaders != nil {
		names := make([]any, len(t.StampedHeaders))
		for i, s := range t.StampedHeaders {
			names[i] = s
		}
		h["stamped_headers"] = names
	}
	h["stamps"] = t.Stamps
	if t.Stamps == nil {
		h["stamps"] = Table{}
	}
	return h
}

// ownHeaders copies what the sender added to the headers of its own.
func (t *Task) ownHeaders(into Table) {
	for name, v := range t.Headers {
		if !known[name] && !ofDelivery(name) {
			into[name] = v
		}
	}
}

func (t *Task) invalid(format string, args ...any) *InvalidTaskError {
	return &InvalidTaskError{ID: t.ID, Name: t.Name, Reason: fmt.Sprintf(format, args...)}
}

// shown is a received value in an error: short, and in Python's quotes where Celery has them.
func shown(v any) string {
	const most = 80
	switch x := v.(type) {
	case nil:
		return "null"
	case string:
		if len(x) > most {
			x = strings.ToValidUTF8(x[:most], "") + "…"
		}
		return string(appendReprString(nil, x))
	case bool, int, int8, int16, int32, int64, uint8, uint16, uint32, uint64, float32, float64:
		return fmt.Sprint(x)
	case []any:
		return fmt.Sprintf("a list of %d", len(x))
	case Table:
		return "a table"
	}
	return fmt.Sprintf("a %T", v)
}

func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func orText(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

func timeOrNull(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return FormatTime(t)
}
