package amqp

import (
	"fmt"
	"math"
	"time"

	amqp091 "github.com/rabbitmq/amqp091-go"

	"github.com/umbel-go/umbel/protocol"
)

// tableDepth bounds nesting: x-death is 2 deep, stamps and chords are text.
const tableDepth = 32

// encodeTable converts a protocol.Table to the library's, and returns how many bytes it takes on the wire. An ordinary
// table is handed on as it is; one that holds values the library does not know is copied.
func encodeTable(t protocol.Table) (amqp091.Table, int, error) {
	size, same, err := measure(t, 0)
	if err != nil {
		return nil, 0, err
	}
	if same {
		return amqp091.Table(t), size, nil
	}
	return copyTable(t), size, nil
}

// measure returns the encoded size of a table and whether the library can write it unchanged.
func measure(t protocol.Table, depth int) (size int, same bool, err error) {
	if depth > tableDepth {
		return 0, false, fmt.Errorf("table is nested more than %d deep", tableDepth)
	}
	size, same = 4, true
	for name, v := range t {
		if len(name) > shortString {
			return 0, false, fmt.Errorf("header name %.32q… is %d bytes long: AMQP takes at most %d", name, len(name), shortString)
		}
		n, ok, err := measureField(v, depth)
		if err != nil {
			return 0, false, fmt.Errorf("header %q: %w", name, err)
		}
		size += 1 + len(name) + n
		same = same && ok
	}
	return size, same, nil
}

func measureField(v any, depth int) (size int, same bool, err error) {
	switch v := v.(type) {
	case nil:
		return 1, true, nil
	case bool, int8, uint8:
		return 2, true, nil
	case int16, uint16:
		return 3, true, nil
	case int32, uint32:
		return 5, true, nil
	case float32:
		return 5, true, finite(float64(v))
	case float64:
		return 9, true, finite(v)
	case int64, time.Time:
		return 9, true, nil
	case string:
		return 5 + len(v), true, nil
	case []byte:
		return 5 + len(v), true, nil
	case int:
		return 9, false, nil // the library would cut it to 32 bits
	case uint:
		return 9, false, fits(uint64(v))
	case uint64:
		return 9, false, fits(v)
	case []any:
		if depth > tableDepth {
			return 0, false, fmt.Errorf("array is nested more than %d deep", tableDepth)
		}
		size, same = 5, true
		for _, x := range v {
			n, ok, err := measureField(x, depth+1)
			if err != nil {
				return 0, false, err
			}
			size += n
			same = same && ok
		}
		return size, same, nil
	case []string:
		size = 5
		for _, x := range v {
			size += 5 + len(x)
		}
		return size, false, nil
	case map[string]any:
		n, _, err := measure(v, depth+1)
		return n + 1, false, err
	case amqp091.Table:
		n, ok, err := measure(protocol.Table(v), depth+1)
		return n + 1, ok, err
	default:
		return 0, false, fmt.Errorf("AMQP has no field type for %T", v)
	}
}

func fits(v uint64) error {
	if v > math.MaxInt64 {
		return fmt.Errorf("%d does not fit into 64 bits with a sign", v)
	}
	return nil
}

// finite refuses what crashes RabbitMQ's parser, and with it the connection: Erlang's floats know no infinity.
func finite(v float64) error {
	if math.IsInf(v, 0) || math.IsNaN(v) {
		return fmt.Errorf("RabbitMQ takes no number %v", v)
	}
	return nil
}

// copyTable converts what measure has found good.
func copyTable(t protocol.Table) amqp091.Table {
	if t == nil {
		return nil
	}
	out := make(amqp091.Table, len(t))
	for name, v := range t {
		out[name] = copyField(v)
	}
	return out
}

func copyField(v any) any {
	switch v := v.(type) {
	case int:
		return integer(int64(v))
	case uint:
		return integer(int64(v))
	case uint64:
		return integer(int64(v))
	case []any:
		out := make([]any, len(v))
		for i, x := range v {
			out[i] = copyField(x)
		}
		return out
	case []string:
		out := make([]any, len(v))
		for i, x := range v {
			out[i] = x
		}
		return out
	case map[string]any:
		return copyTable(v)
	case amqp091.Table:
		return copyTable(protocol.Table(v))
	default:
		return v
	}
}

// integer takes the narrowest width that Python's client would: 32 bits where they do.
func integer(v int64) any {
	if v >= math.MinInt32 && v <= math.MaxInt32 {
		return int32(v)
	}
	return v
}

// decodeTable converts the library's table in place: it is freshly decoded and nobody else's.
func decodeTable(t amqp091.Table) protocol.Table {
	for name, v := range t {
		switch v.(type) {
		case nil, string, bool, int32, int64, float64: // nearly all there is
		default:
			t[name] = decodeField(v)
		}
	}
	return protocol.Table(t)
}

func decodeField(v any) any {
	switch v := v.(type) {
	case amqp091.Table:
		return decodeTable(v)
	case []any:
		for i, x := range v {
			v[i] = decodeField(x)
		}
		return v
	case int8:
		return int32(v)
	case uint8:
		return int32(v)
	case int16:
		return int32(v)
	case uint16:
		return int32(v)
	case uint32:
		return int64(v)
	case int:
		return int64(v)
	case float32:
		return float64(v)
	case amqp091.Decimal:
		return float64(v.Value) / math.Pow10(int(v.Scale))
	default:
		return v
	}
}
