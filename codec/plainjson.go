package codec

import (
	"bytes"
	"encoding/base64"
	"time"

	"github.com/google/uuid"
)

// Plain JSON: typed values as kombu before 5.3 writes them, which is as text. Celery before 5.3 does not open the envelopes
// of later versions; its tasks would be given {"__type__": …}. A Date becomes midnight, bytes become base64.
// kombu 5.2: kombu/utils/json.py, JSONEncoder.

// SerializerPlainJSON is the serializer "json-plain": JSON whose typed values are text. It reads and is read as JSON.
const SerializerPlainJSON = "json-plain"

// AppendPlainJSON appends JSON text with every typed value in it as text. Envelopes of unknown types stay as they are.
func AppendPlainJSON(dst, raw []byte) ([]byte, error) {
	if !mayHoldEnvelope(raw) {
		return append(dst, raw...), nil
	}
	return appendPlain(dst, JSON(raw))
}

func appendPlain(dst []byte, v Value) ([]byte, error) {
	raw := bytes.TrimSpace(v.raw)
	if !mayHoldEnvelope(raw) || len(raw) == 0 || raw[0] != '{' && raw[0] != '[' {
		return append(dst, raw...), nil
	}
	if raw[0] == '[' {
		items, err := SplitArray(raw)
		if err != nil {
			return dst, err
		}
		dst = append(dst, '[')
		for i, item := range items {
			if i > 0 {
				dst = append(dst, ", "...)
			}
			if dst, err = appendPlain(dst, item); err != nil {
				return dst, err
			}
		}
		return append(dst, ']'), nil
	}
	members, err := SplitObject(raw)
	if err != nil {
		return dst, err
	}
	if text, ok := plainText(members, raw); ok {
		return appendString(dst, text), nil
	}
	dst = append(dst, '{')
	for i, m := range members {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		dst = append(appendString(dst, m.Name), ": "...)
		if dst, err = appendPlain(dst, m.Value); err != nil {
			return dst, err
		}
	}
	return append(dst, '}'), nil
}

// plainText is the text of an envelope; ok is false for any other object.
func plainText(members []NamedValue, raw []byte) (text string, ok bool) {
	if len(members) != 2 || members[0].Name != envelopeType && members[1].Name != envelopeType {
		return "", false
	}
	x, err := readJSON(raw, false)
	if err != nil {
		return "", false
	}
	switch x := x.(type) {
	case time.Time:
		b, err := appendDateTime(nil, x, 'T')
		if err != nil {
			return "", false
		}
		if zeroOffset, cut := bytes.CutSuffix(b, []byte("+00:00")); cut {
			b = append(zeroOffset, 'Z')
		}
		return string(b), true
	case Date:
		return x.String() + "T00:00:00", true
	case TimeOfDay:
		return x.String(), true
	case Decimal:
		return string(x), true
	case uuid.UUID:
		return x.String(), true
	case []byte:
		return base64.StdEncoding.EncodeToString(x), true
	}
	return "", false
}

func marshalPlainJSON(v any) (string, []byte, error) {
	raw, err := AppendJSON(nil, v)
	if err == nil {
		raw, err = AppendPlainJSON(nil, raw)
	}
	return encodingUTF8, raw, err
}
