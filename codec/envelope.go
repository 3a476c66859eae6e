package codec

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
)

// kombu's JSON envelopes for values JSON has no form for: an object with exactly these two members.
// Celery: kombu/utils/json.py.
const (
	envelopeType  = "__type__"
	envelopeValue = "__value__"
)

// envelope is an ordered object's type and value when it is an envelope.
func (o object) envelope() (typ, v any, ok bool) {
	if len(o) != 2 {
		return nil, nil, false
	}
	switch {
	case o[0].name == envelopeType && o[1].name == envelopeValue:
		return o[0].value, o[1].value, true
	case o[1].name == envelopeType && o[0].name == envelopeValue:
		return o[1].value, o[0].value, true
	}
	return nil, nil, false
}

// openEnvelope is the value inside an envelope. A type kombu does not know is an error, as it is there.
func openEnvelope(typ, v any) (any, error) {
	name, ok := typ.(string)
	if !ok {
		return nil, errors.New("the __type__ of a typed value is not a string")
	}
	if name == "uuid" {
		return openUUID(v)
	}
	if name == "decimal" {
		return openDecimal(v)
	}
	text, isText := v.(string)
	var open func(string) (any, error)
	switch name {
	case "datetime":
		open = func(s string) (any, error) { return parseDateTime(s) }
	case "date":
		open = func(s string) (any, error) { return parseDate(s) }
	case "time":
		open = func(s string) (any, error) { return parseTimeOfDay(s) }
	case "bytes":
		return []byte(text), wantText(name, isText)
	case "base64":
		open = func(s string) (any, error) { return base64.StdEncoding.DecodeString(s) }
	default:
		return nil, fmt.Errorf("unsupported __type__ %q", clip(name))
	}
	if err := wantText(name, isText); err != nil {
		return nil, err
	}
	out, err := open(text)
	if err != nil {
		return nil, fmt.Errorf("typed value %q: %w", name, err)
	}
	return out, nil
}

func wantText(name string, ok bool) error {
	if !ok {
		return fmt.Errorf("typed value %q: its __value__ is not a string", name)
	}
	return nil
}

// openUUID reads {"hex": "…"}, the keyword arguments of Python's uuid.UUID, or the text alone.
func openUUID(v any) (any, error) {
	switch o := v.(type) {
	case map[string]any:
		if len(o) == 1 {
			v = o["hex"]
		}
	case object:
		if len(o) == 1 && o[0].name == "hex" {
			v = o[0].value
		}
	}
	text, ok := v.(string)
	if !ok {
		return nil, errors.New(`typed value "uuid": its __value__ is not {"hex": "…"}`)
	}
	id, err := uuid.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("typed value \"uuid\": %q is no UUID", clip(text))
	}
	return id, nil
}

func openDecimal(v any) (any, error) {
	text, ok := v.(string)
	if !ok {
		return nil, wantText("decimal", false)
	}
	if d := Decimal(text); d.valid() {
		return d, nil
	}
	return nil, fmt.Errorf("typed value \"decimal\": %q is no number", clip(text))
}

func appendEnvelope(dst []byte, typ string) []byte {
	dst = append(dst, `{"`+envelopeType+`": "`...)
	dst = append(dst, typ...)
	return append(dst, `", "`+envelopeValue+`": `...)
}

func appendTimeValue(dst []byte, t time.Time) ([]byte, error) {
	start := len(dst)
	dst = append(appendEnvelope(dst, "datetime"), '"')
	dst, err := appendDateTime(dst, t, 'T')
	if err != nil {
		return dst[:start], err
	}
	return append(dst, '"', '}'), nil
}

// appendDateValue writes null for a Date that was never set, so that a struct need not set all it has.
func appendDateValue(dst []byte, d Date) ([]byte, error) {
	if d == (Date{}) {
		return append(dst, "null"...), nil
	}
	if err := d.check(); err != nil {
		return dst, err
	}
	dst = append(appendEnvelope(dst, "date"), '"')
	return append(appendDate(dst, d), '"', '}'), nil
}

func appendTimeOfDayValue(dst []byte, t TimeOfDay) ([]byte, error) {
	if err := t.check(); err != nil {
		return dst, err
	}
	dst = append(appendEnvelope(dst, "time"), '"')
	return append(appendTimeOfDay(dst, t), '"', '}'), nil
}

// appendDecimalValue writes null for a Decimal that was never set.
func appendDecimalValue(dst []byte, d Decimal) ([]byte, error) {
	if d == "" {
		return append(dst, "null"...), nil
	}
	if !d.valid() {
		return dst, fmt.Errorf("decimal %q is no number", clip(string(d)))
	}
	dst = append(appendEnvelope(dst, "decimal"), '"')
	dst = append(dst, d...)
	return append(dst, '"', '}'), nil
}

func appendUUIDValue(dst []byte, id uuid.UUID) []byte {
	dst = append(appendEnvelope(dst, "uuid"), `{"hex": "`...)
	dst = hex.AppendEncode(dst, id[:])
	return append(dst, `"}}`...)
}

func appendBytesValue(dst, b []byte) []byte {
	if utf8.Valid(b) {
		dst = appendString(appendEnvelope(dst, "bytes"), b)
	} else {
		dst = append(appendEnvelope(dst, "base64"), '"')
		dst = base64.StdEncoding.AppendEncode(dst, b)
		dst = append(dst, '"')
	}
	return append(dst, '}')
}
