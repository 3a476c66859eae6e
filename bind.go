package umbel

import (
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"

	"github.com/umbel-go/umbel/codec"
	"github.com/umbel-go/umbel/protocol"
)

// Binding: how Celery's args and kwargs meet one typed Go value.
//
//	struct, *struct  keyword arguments by json name, positional arguments by field order
//	scalar, slice,   one positional argument
//	map, any
//	Args             everything, raw
//	struct{}         nothing
//
// A field is optional when its tag says omitempty or omitzero or when it is a pointer; all others must be given.

// An ArgumentError says that a task was called with arguments that do not fit its input. The task fails with it, as a
// Python task fails with TypeError.
type ArgumentError struct {
	Task   string
	Field  string // the argument, "" when it concerns all
	Reason string
}

func (e *ArgumentError) Error() string {
	if e.Field == "" {
		return fmt.Sprintf("%s() %s", e.Task, e.Reason)
	}
	return fmt.Sprintf("%s() argument %q: %s", e.Task, e.Field, e.Reason)
}

type bindKind int

const (
	bindNothing bindKind = iota
	bindStruct
	bindSingle
	bindArgs
)

// A shape is what binding knows of an input type. Built once per type.
type shape struct {
	kind   bindKind
	typ    reflect.Type
	to     reflect.Type // of an input that is a pointer to a struct: the struct
	fields []field
	byName map[string]int // index into fields
}

type field struct {
	name     string
	index    []int
	optional bool
	omitZero bool // left out of what is sent when zero
}

var shapes sync.Map // reflect.Type → *shape

var (
	argsType          = reflect.TypeFor[Args]()
	jsonUnmarshaler   = reflect.TypeFor[json.Unmarshaler]()
	textUnmarshaler   = reflect.TypeFor[encoding.TextUnmarshaler]()
	singleStructTypes = map[reflect.Type]bool{
		reflect.TypeFor[codec.Date]():      true,
		reflect.TypeFor[codec.TimeOfDay](): true,
		reflect.TypeFor[codec.Value]():     true,
	}
)

func shapeOf(t reflect.Type) *shape {
	if s, ok := shapes.Load(t); ok {
		return s.(*shape)
	}
	s := newShape(t)
	actual, _ := shapes.LoadOrStore(t, s)
	return actual.(*shape)
}

func newShape(t reflect.Type) *shape {
	if t.Kind() == reflect.Pointer && t.Elem().Kind() == reflect.Struct {
		if s := newShape(t.Elem()); s.kind != bindSingle {
			s.typ, s.to = t, t.Elem()
			return s
		}
	}
	s := &shape{typ: t, kind: bindSingle}
	switch {
	case t == argsType:
		s.kind = bindArgs
	case t.Kind() != reflect.Struct, singleStructTypes[t],
		reflect.PointerTo(t).Implements(jsonUnmarshaler), reflect.PointerTo(t).Implements(textUnmarshaler):
		// One positional argument. time.Time and uuid.UUID are values here, not structs.
	default:
		s.kind = bindStruct
		s.byName = make(map[string]int)
		s.addFields(t, nil)
		if len(s.fields) == 0 {
			s.kind = bindNothing
		}
	}
	return s
}

func (s *shape) addFields(t reflect.Type, prefix []int) {
	for i := range t.NumField() {
		f := t.Field(i)
		tag := f.Tag.Get("json")
		if tag == "-" {
			continue
		}
		name, opts, _ := strings.Cut(tag, ",")
		index := append(slices.Clone(prefix), i)
		if f.Anonymous && name == "" && f.Type.Kind() == reflect.Struct {
			s.addFields(f.Type, index)
			continue
		}
		if !f.IsExported() {
			continue
		}
		if name == "" {
			name = f.Name
		}
		if _, taken := s.byName[name]; taken {
			continue // the outer field wins, as in encoding/json
		}
		omit := false
		for o := range strings.SplitSeq(opts, ",") {
			omit = omit || o == "omitempty" || o == "omitzero"
		}
		s.byName[name] = len(s.fields)
		s.fields = append(s.fields, field{name: name, index: index, omitZero: omit,
			optional: omit || f.Type.Kind() == reflect.Pointer})
	}
}

// bind decodes a body's arguments into dst, a pointer to the input type.
func bind(task string, s *shape, body *protocol.Body, dst reflect.Value) error {
	if s.to != nil {
		in := reflect.New(s.to)
		dst.Elem().Set(in)
		dst = in
	}
	switch s.kind {
	case bindNothing:
		return bindCount(task, body, 0)
	case bindSingle:
		return bindOne(task, body, dst)
	case bindArgs:
		return bindRaw(task, body, dst)
	default:
		return bindFields(task, s, body, dst.Elem())
	}
}

func bindCount(task string, body *protocol.Body, want int) error {
	if len(body.Kwargs) > 0 {
		return &ArgumentError{Task: task, Field: body.Kwargs[0].Name, Reason: "got an unexpected keyword argument"}
	}
	if got := len(body.Args); got != want {
		return &ArgumentError{Task: task, Reason: fmt.Sprintf("takes %d positional %s but %d %s given",
			want, plural(want, "argument"), got, plural2(got, "was", "were"))}
	}
	return nil
}

func bindOne(task string, body *protocol.Body, dst reflect.Value) error {
	if err := bindCount(task, body, 1); err != nil {
		return err
	}
	return bindValue(task, "1", body.Args[0], dst.Interface())
}

func bindRaw(task string, body *protocol.Body, dst reflect.Value) error {
	args := make(Args, 0, len(body.Args)+1)
	for i, v := range body.Args {
		x, err := v.Any()
		if err != nil {
			return &ArgumentError{Task: task, Field: fmt.Sprint(i + 1), Reason: err.Error()}
		}
		args = append(args, x)
	}
	if len(body.Kwargs) > 0 {
		kwargs := make(Kwargs, len(body.Kwargs))
		for _, kw := range body.Kwargs {
			x, err := kw.Value.Any()
			if err != nil {
				return &ArgumentError{Task: task, Field: kw.Name, Reason: err.Error()}
			}
			kwargs[kw.Name] = x
		}
		args = append(args, kwargs)
	}
	dst.Elem().Set(reflect.ValueOf(args))
	return nil
}

func bindFields(task string, s *shape, body *protocol.Body, dst reflect.Value) error {
	if len(body.Args) > len(s.fields) {
		return &ArgumentError{Task: task, Reason: fmt.Sprintf("takes %d positional %s but %d were given",
			len(s.fields), plural(len(s.fields), "argument"), len(body.Args))}
	}
	var seenBuf [16]bool
	seen := seenBuf[:]
	if len(s.fields) > len(seen) {
		seen = make([]bool, len(s.fields))
	}
	for i, v := range body.Args {
		if err := bindValue(task, s.fields[i].name, v, dst.FieldByIndex(s.fields[i].index).Addr().Interface()); err != nil {
			return err
		}
		seen[i] = true
	}
	for _, kw := range body.Kwargs {
		i, ok := s.byName[kw.Name]
		if !ok {
			return &ArgumentError{Task: task, Field: kw.Name, Reason: "got an unexpected keyword argument; known are " + s.names()}
		}
		if seen[i] {
			return &ArgumentError{Task: task, Field: kw.Name, Reason: "got multiple values"}
		}
		seen[i] = true
		if err := bindValue(task, kw.Name, kw.Value, dst.FieldByIndex(s.fields[i].index).Addr().Interface()); err != nil {
			return err
		}
	}
	var missing []string
	for i, f := range s.fields {
		if !seen[i] && !f.optional {
			missing = append(missing, f.name)
		}
	}
	if len(missing) > 0 {
		return &ArgumentError{Task: task, Field: missing[0], Reason: fmt.Sprintf("missing %d required %s: %s",
			len(missing), plural(len(missing), "argument"), strings.Join(missing, ", "))}
	}
	return nil
}

func bindValue(task, name string, v codec.Value, dst any) error {
	err := v.Decode(dst)
	if err == nil {
		return nil
	}
	reason := err.Error()
	var te *codec.TypeError
	if errors.As(err, &te) {
		reason = "want " + te.Want + ", got " + te.Got
		if te.Path != "" {
			name += "." + te.Path
		}
	}
	return &ArgumentError{Task: task, Field: name, Reason: reason}
}

func (s *shape) names() string {
	names := make([]string, len(s.fields))
	for i, f := range s.fields {
		names[i] = f.name
	}
	return strings.Join(names, ", ")
}

// unbind turns an input value into the arguments of a message: the other direction of bind.
func unbind(in any) *protocol.Body {
	body := &protocol.Body{}
	switch in := in.(type) {
	case nil:
		return body
	case Args:
		body.Args, body.Kwargs = splitArgs(in)
		return body
	case Kwargs:
		body.Kwargs = in.values()
		return body
	case *protocol.Body:
		return in
	}
	v := reflect.ValueOf(in)
	for v.Kind() == reflect.Pointer && !v.IsNil() && v.Elem().Kind() == reflect.Struct {
		v = v.Elem()
	}
	s := shapeOf(v.Type())
	if s.to != nil { // a nil pointer, since others were followed
		return body
	}
	switch s.kind {
	case bindNothing:
	case bindStruct:
		body.Kwargs = make([]codec.NamedValue, 0, len(s.fields))
		for _, f := range s.fields {
			fv := v.FieldByIndex(f.index)
			if f.omitZero && fv.IsZero() {
				continue
			}
			body.Kwargs = append(body.Kwargs, codec.NamedValue{Name: f.name, Value: codec.Of(fv.Interface())})
		}
	default:
		body.Args = []codec.Value{codec.Of(in)}
	}
	return body
}

func splitArgs(in Args) (args []codec.Value, kwargs []codec.NamedValue) {
	if n := len(in); n > 0 {
		if kw, ok := in[n-1].(Kwargs); ok {
			kwargs, in = kw.values(), in[:n-1]
		}
	}
	args = make([]codec.Value, len(in))
	for i, x := range in {
		args[i] = codec.Of(x)
	}
	return args, kwargs
}

func (kw Kwargs) values() []codec.NamedValue {
	names := make([]string, 0, len(kw))
	for n := range kw {
		names = append(names, n)
	}
	slices.Sort(names)
	out := make([]codec.NamedValue, len(names))
	for i, n := range names {
		out[i] = codec.NamedValue{Name: n, Value: codec.Of(kw[n])}
	}
	return out
}

func plural(n int, word string) string {
	if n == 1 {
		return word
	}
	return word + "s"
}

func plural2(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}
