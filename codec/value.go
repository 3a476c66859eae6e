package codec

// A Value is one argument, result or option: still encoded JSON where the wire was JSON, so that it is decoded once and
// straight into the type that wants it, or a decoded value where the wire was msgpack or YAML.
type Value struct {
	raw     []byte // JSON text; nil when decoded holds the value
	decoded any
}

// A NamedValue is one keyword argument, option or object member, in the order of the message.
type NamedValue struct {
	Name  string
	Value Value
}

// JSON wraps encoded JSON text. The text is not copied and not checked.
func JSON(raw []byte) Value { return Value{raw: raw} }

// Of wraps a Go value, to be encoded when it is written.
func Of(v any) Value { return Value{decoded: v} }
