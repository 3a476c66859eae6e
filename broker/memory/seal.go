package memory

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/protocol"
)

// maxDepth bounds how deep tables nest: a table that holds itself must not end the process.
const maxDepth = 64

// A parcel is a message as it lies on queues: nobody changes it, so several queues may share it. Its headers are a list,
// which is cheaper to make than a map; a receiver gets a map of its own.
type parcel struct {
	broker.Message // Headers is nil
	headers        []header
}

type header struct {
	name  string
	value any
}

// seal copies a message, so that neither sender nor receiver can change what is on the queue, into the form that a wire
// would give it: whole seconds, and the types of protocol.Table. It refuses what no wire could carry.
func seal(ctx context.Context, m *broker.Message) (*parcel, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if e := m.Properties.Expiration; e != "" {
		if _, err := strconv.ParseUint(e, 10, 32); err != nil {
			return nil, fmt.Errorf("expiration %q is no number of milliseconds below 2^32", e)
		}
	}
	out := &parcel{Message: *m}
	out.Headers = nil
	out.Properties.Timestamp = seconds(m.Properties.Timestamp)
	out.Body = bytes.Clone(m.Body)
	if len(m.Headers) > 0 {
		out.headers = make([]header, 0, len(m.Headers))
	}
	for name, v := range m.Headers {
		v, err := sealValue(v, 0)
		if err != nil {
			return nil, fmt.Errorf("header %q: %w", name, err)
		}
		out.headers = append(out.headers, header{name, v})
	}
	return out, nil
}

// table makes the headers that a receiver, or a dead letter, may change.
func (p *parcel) table() protocol.Table {
	out := make(protocol.Table, len(p.headers))
	for _, h := range p.headers {
		out[h.name] = copyValue(h.value)
	}
	return out
}

// header finds one header; nil when it is not there.
func (p *parcel) header(name string) any {
	for _, h := range p.headers {
		if h.name == name {
			return h.value
		}
	}
	return nil
}

func seconds(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return time.Unix(t.Unix(), 0).UTC()
}

func sealTable(t protocol.Table, depth int) (protocol.Table, error) {
	out := make(protocol.Table, len(t))
	for k, v := range t {
		v, err := sealValue(v, depth)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", k, err)
		}
		out[k] = v
	}
	return out, nil
}

func sealValue(v any, depth int) (any, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("tables nest deeper than %d", maxDepth)
	}
	switch v := v.(type) {
	case nil, bool, int32, int64, float64, string:
		return v, nil
	case int:
		if v >= math.MinInt32 && v <= math.MaxInt32 {
			return int32(v), nil
		}
		return int64(v), nil
	case int8:
		return int32(v), nil
	case int16:
		return int32(v), nil
	case uint8:
		return int32(v), nil
	case uint16:
		return int32(v), nil
	case uint32:
		return int64(v), nil
	case float32:
		return float64(v), nil
	case []byte:
		return slices.Clone(v), nil
	case time.Time:
		return seconds(v), nil
	case protocol.Table:
		return sealTable(v, depth+1)
	case []any:
		out := make([]any, len(v))
		for i := range v {
			var err error
			if out[i], err = sealValue(v[i], depth+1); err != nil {
				return nil, fmt.Errorf("[%d]: %w", i, err)
			}
		}
		return out, nil
	default:
		return nil, fmt.Errorf("a %T is no value of a table", v)
	}
}

func copyTable(t protocol.Table) protocol.Table {
	out := make(protocol.Table, len(t))
	for k, v := range t {
		out[k] = copyValue(v)
	}
	return out
}

func copyValue(v any) any {
	switch v := v.(type) {
	case []byte:
		return slices.Clone(v)
	case protocol.Table:
		return copyTable(v)
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = copyValue(v[i])
		}
		return out
	default:
		return v
	}
}
