package codec

import (
	"fmt"
	"mime"
	"strings"
	"unicode/utf8"
)

// Content types, section 1.6 of Celery's message protocol as kombu registers it.
const (
	typeJSON    = "application/json"
	typeMsgpack = "application/x-msgpack"
	typeYAML    = "application/x-yaml"
	typeData    = "application/data"
	typeText    = "application/text"
)

// Content encodings.
const (
	encodingUTF8   = "utf-8"
	encodingBinary = "binary"
)

// A serializer is one way to write a value.
type serializer struct {
	name        string // the alias settings use
	contentType string
	marshal     func(v any) (encoding string, body []byte, err error)
	unmarshal   func(encoding string, body []byte) (any, error)
}

func serializers() []serializer {
	return []serializer{
		{"json", typeJSON, marshalJSON, func(_ string, body []byte) (any, error) { return readJSON(body, false) }},
		{SerializerPlainJSON, typeJSON, marshalPlainJSON, func(_ string, body []byte) (any, error) { return readJSON(body, false) }},
		{"msgpack", typeMsgpack, marshalMsgpack, func(_ string, body []byte) (any, error) { return readMsgpack(body) }},
		{"yaml", typeYAML, marshalYAML, func(_ string, body []byte) (any, error) { return readYAML(body) }},
		{"raw", typeData, marshalRaw, unmarshalRaw},
		{"text", typeText, marshalRaw, unmarshalRaw},
	}
}

// serializerNamed finds a serializer by alias or content type, nil when there is none.
func serializerNamed(name string) *serializer {
	name = mediaType(name)
	for _, s := range serializers() {
		if s.name == name || s.contentType == name {
			return &s
		}
	}
	return nil
}

func serializerNames() string {
	var names []string
	for _, s := range serializers() {
		names = append(names, s.name)
	}
	return strings.Join(names, ", ")
}

// mediaType is a content type in lower case without parameters: "application/json; charset=utf-8" is application/json.
func mediaType(contentType string) string {
	if !strings.ContainsAny(contentType, "; ") && strings.ToLower(contentType) == contentType {
		return contentType
	}
	if mt, _, err := mime.ParseMediaType(contentType); err == nil {
		return mt
	}
	mt, _, _ := strings.Cut(contentType, ";")
	return strings.ToLower(strings.TrimSpace(mt))
}

// Marshal encodes v with a serializer, named by alias (json, json-plain, msgpack, yaml, raw, text) or content type. raw and text take
// a string or []byte and write it as it is. pickle is ErrPickle.
func Marshal(serializer string, v any) (Encoded, error) {
	if isPickle(serializer) {
		return Encoded{}, fmt.Errorf("serializer %q: %w", serializer, ErrPickle)
	}
	s := serializerNamed(serializer)
	if s == nil {
		return Encoded{}, fmt.Errorf("serializer %q is not known; known are %s", serializer, serializerNames())
	}
	encoding, body, err := s.marshal(v)
	if err != nil {
		return Encoded{}, err
	}
	return Encoded{ContentType: s.contentType, ContentEncoding: encoding, Body: body}, nil
}

// Unmarshal decodes a body into its generic value (see Value.Any). Accept.Check comes first: here every known type is
// decoded. An empty body is nil, as kombu does not decode it; an empty content type is application/data, whose body is a
// string, or []byte when its encoding is binary. pickle is ErrPickle, an unknown content type is an error that names it.
func Unmarshal(contentType, contentEncoding string, body []byte) (any, error) {
	if isPickle(contentType) {
		return nil, fmt.Errorf("decode %s: %w", contentType, ErrPickle)
	}
	if len(body) == 0 {
		return nil, nil
	}
	if contentType == "" {
		contentType = typeData
	}
	s := serializerNamed(contentType)
	if s == nil || !strings.Contains(contentType, "/") {
		return nil, fmt.Errorf("decode content type %q: not known; known are %s", clip(contentType),
			strings.Join([]string{typeJSON, typeMsgpack, typeYAML, typeData, typeText}, ", "))
	}
	v, err := s.unmarshal(contentEncoding, body)
	if err != nil {
		return nil, fmt.Errorf("decode %s: %w", s.contentType, err)
	}
	return v, nil
}

// UnmarshalValue is Unmarshal that leaves JSON raw: its syntax is checked, its values are decoded when they are wanted.
// The value shares body's memory.
func UnmarshalValue(contentType, contentEncoding string, body []byte) (Value, error) {
	if mediaType(contentType) == typeJSON && len(body) > 0 {
		if err := checkJSON(body); err != nil {
			return Value{}, fmt.Errorf("decode %s: %w", typeJSON, err)
		}
		return JSON(body), nil
	}
	v, err := Unmarshal(contentType, contentEncoding, body)
	return Of(v), err
}

func marshalJSON(v any) (string, []byte, error) {
	body, err := AppendJSON(nil, v)
	return encodingUTF8, body, err
}

func marshalRaw(v any) (string, []byte, error) {
	if value, ok := v.(Value); ok {
		x, err := value.Any()
		if err != nil {
			return "", nil, err
		}
		v = x
	}
	switch v := v.(type) {
	case string:
		return encodingUTF8, []byte(v), nil
	case []byte:
		return encodingBinary, v, nil
	}
	return "", nil, fmt.Errorf("serializer raw takes a string or []byte, not %T", v)
}

// unmarshalRaw gives text where the encoding says text, as kombu does for what nobody decodes.
func unmarshalRaw(encoding string, body []byte) (any, error) {
	switch strings.ToLower(encoding) {
	case "binary", "ascii-8bit":
		return body, nil
	case "", "utf-8", "utf8":
		if err := checkUTF8("text", body); err != nil {
			return nil, err
		}
		return string(body), nil
	case "ascii", "us-ascii":
		for i, c := range body {
			if c >= utf8.RuneSelf {
				return nil, &SyntaxError{Format: "text", Offset: i, Reason: "not ASCII"}
			}
		}
		return string(body), nil
	case "latin-1", "latin1", "iso-8859-1":
		out := make([]byte, 0, len(body))
		for _, c := range body {
			out = utf8.AppendRune(out, rune(c))
		}
		return string(out), nil
	}
	return nil, fmt.Errorf("content encoding %q is not known; known are utf-8, us-ascii, latin-1 and binary", clip(encoding))
}
