package protocol

import (
	"errors"
	"strconv"

	"github.com/umbel-go/umbel/codec"
)

// Types of the events that tell of workers.
const (
	TypeWorkerOnline    = "worker-online"
	TypeWorkerHeartbeat = "worker-heartbeat"
	TypeWorkerOffline   = "worker-offline"
)

// WorkerStatus is worker-online, worker-heartbeat and worker-offline.
type WorkerStatus struct {
	Kind string  // TypeWorkerOnline, TypeWorkerHeartbeat or TypeWorkerOffline
	Freq float64 // seconds between heartbeats: a worker silent for twice as long is dead

	// Brief has none of the next three: the answer to the remote control command heartbeat.
	Brief     bool
	Active    int        // tasks that run now
	Processed int        // tasks begun since the start
	LoadAvg   [3]float64 // of the host, over 1, 5 and 15 minutes

	Ident   string // "py-celery"
	Version string
	System  string // "Linux"
}

// Type implements EventBody.
func (w *WorkerStatus) Type() string { return w.Kind }

func (w *WorkerStatus) append(dst []byte) ([]byte, error) {
	dst = append(dst, `, "freq": `...)
	if w.Brief && w.Freq == float64(int64(w.Freq)) {
		dst = appendInt(dst, int64(w.Freq)) // as Celery's command writes it
	} else {
		dst = appendNumber(dst, w.Freq)
	}
	if !w.Brief {
		dst = appendInt(append(dst, `, "active": `...), int64(w.Active))
		dst = appendInt(append(dst, `, "processed": `...), int64(w.Processed))
		dst = append(dst, `, "loadavg": [`...)
		for i, load := range w.LoadAvg {
			if i > 0 {
				dst = append(dst, ", "...)
			}
			dst = appendNumber(dst, load)
		}
		dst = append(dst, ']')
	}
	dst = appendString(append(dst, `, "sw_ident": `...), w.Ident)
	dst = appendString(append(dst, `, "sw_ver": `...), w.Version)
	return appendString(append(dst, `, "sw_sys": `...), w.System), nil
}

func (w *WorkerStatus) read(f codec.NamedValue) (known bool, err error) {
	if f.Name != "loadavg" {
		return readMember(f, member{"freq", &w.Freq}, member{"active", &w.Active}, member{"processed", &w.Processed},
			member{"sw_ident", &w.Ident}, member{"sw_ver", &w.Version}, member{"sw_sys", &w.System})
	}
	items, err := elements(f.Value)
	if err != nil {
		return true, err
	}
	for i, item := range items {
		if i == len(w.LoadAvg) {
			return true, errors.New("want three numbers")
		}
		if w.LoadAvg[i], err = wantNumber(item); err != nil {
			return true, err
		}
	}
	return true, nil
}

// complete says of a status that has been read whether it was a brief one.
func (w *WorkerStatus) complete(fields []codec.NamedValue) {
	_, active := field(fields, "active")
	_, processed := field(fields, "processed")
	_, load := field(fields, "loadavg")
	w.Brief = !active && !processed && !load
}

// CustomEvent is an event of a type that Celery does not know: a task's own (Task.send_event in Python), worker-elect,
// task-cancelled. All it says is in the event's Extra, but for UUID.
type CustomEvent struct {
	Name string // the type, such as "task-progress"
	UUID string // of the task, if it tells of one
}

// Type implements EventBody.
func (c *CustomEvent) Type() string { return c.Name }

func (c *CustomEvent) append(dst []byte) ([]byte, error) {
	if c.UUID == "" {
		return dst, nil
	}
	return appendUUID(dst, c.UUID), nil
}

func (c *CustomEvent) read(f codec.NamedValue) (known bool, err error) {
	return readMember(f, member{"uuid", &c.UUID})
}

// A member is a field by its name on the wire.
type member struct {
	name string
	into any // *string, *int, *float64 or *bool
}

// readMember takes a member that one of the fields is named for.
func readMember(f codec.NamedValue, fields ...member) (known bool, err error) {
	for _, m := range fields {
		if m.name != f.Name {
			continue
		}
		switch into := m.into.(type) {
		case *string:
			*into, err = wantText(f.Value)
		case *int:
			*into, err = wantInt(f.Value, 0, MaxClock)
		case *float64:
			*into, err = wantNumber(f.Value)
		case *bool:
			*into, err = wantFlag(f.Value)
		}
		return true, err
	}
	return false, nil
}

func appendMembers(dst []byte, fields []codec.NamedValue) ([]byte, error) {
	for _, f := range fields {
		var err error
		if dst, err = f.Value.AppendJSON(append(appendString(append(dst, ", "...), f.Name), ": "...)); err != nil {
			return nil, err
		}
	}
	return dst, nil
}

func appendInt(dst []byte, n int64) []byte { return strconv.AppendInt(dst, n, 10) }

func appendFlag(dst []byte, b bool) []byte { return strconv.AppendBool(dst, b) }

// appendNumber writes a float as Python does: 2.0, not 2.
func appendNumber(dst []byte, f float64) []byte {
	out, err := codec.AppendJSON(dst, f)
	if err != nil { // AppendJSON takes every float
		return append(dst, '0')
	}
	return out
}
