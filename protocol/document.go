package protocol

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/umbel-go/umbel/codec"
)

// Result documents as bytes. Key order is Celery's: status, result, traceback, children, date_done, [group_id],
// [parent_id], [name, args, kwargs, worker, retries, queue], [stamped_headers, each stamp], task_id.
// Release 5.6.2 sends shorter ones through rpc://, with task_id first and without date_done; they are read as well.

// AppendResult writes the document as JSON. The error names the value that cannot be encoded.
func AppendResult(dst []byte, r *Result) ([]byte, error) {
	dst, err := appendResult(dst, r)
	if err != nil {
		return nil, fmt.Errorf("encode result of task %s: %w", r.TaskID, err)
	}
	return dst, nil
}

func appendResult(dst []byte, r *Result) ([]byte, error) {
	dst = appendString(append(dst, `{"status": `...), string(r.Status))
	dst, err := r.Result.AppendJSON(append(dst, `, "result": `...))
	if err != nil {
		return nil, fmt.Errorf("result: %w", err)
	}
	dst = append(dst, `, "traceback": `...)
	if r.HasTraceback {
		dst = appendString(dst, r.Traceback)
	} else {
		dst = append(dst, "null"...)
	}
	dst = append(dst, `, "children": `...)
	if !r.HasChildren {
		dst = append(dst, "null"...)
	} else if dst, err = appendTuples(dst, r.Children, 2); err != nil {
		return nil, fmt.Errorf("children: %w", err)
	}
	dst = appendTimeOrNull(append(dst, `, "date_done": `...), r.DateDone)
	if r.GroupID != "" {
		dst = appendString(append(dst, `, "group_id": `...), r.GroupID)
	}
	if r.ParentID != "" {
		dst = appendString(append(dst, `, "parent_id": `...), r.ParentID)
	}
	if r.Extended != nil {
		if dst, err = r.Extended.append(dst); err != nil {
			return nil, err
		}
	}
	if r.StampedHeaders != nil {
		dst = append(dst, `, "stamped_headers": [`...)
		for i, name := range r.StampedHeaders {
			if i > 0 {
				dst = append(dst, ", "...)
			}
			dst = appendString(dst, name)
		}
		dst = append(dst, ']')
	}
	for _, fields := range [2][]codec.NamedValue{r.Stamps, r.Extra} {
		for _, f := range fields {
			dst = append(appendString(append(dst, ", "...), f.Name), ": "...)
			if dst, err = f.Value.AppendJSON(dst); err != nil {
				return nil, fmt.Errorf("%q: %w", f.Name, err)
			}
		}
	}
	dst = appendString(append(dst, `, "task_id": `...), r.TaskID)
	return append(dst, '}'), nil
}

func (x *Extended) append(dst []byte) ([]byte, error) {
	dst = appendOrNull(append(dst, `, "name": `...), x.Name)
	dst, err := x.Args.AppendJSON(append(dst, `, "args": `...))
	if err != nil {
		return nil, fmt.Errorf("args: %w", err)
	}
	if dst, err = x.Kwargs.AppendJSON(append(dst, `, "kwargs": `...)); err != nil {
		return nil, fmt.Errorf("kwargs: %w", err)
	}
	dst = appendOrNull(append(dst, `, "worker": `...), x.Worker)
	dst = strconv.AppendInt(append(dst, `, "retries": `...), int64(x.Retries), 10)
	return appendOrNull(append(dst, `, "queue": `...), x.Queue), nil
}

// EncodeResult writes the document with a serializer, by alias or content type. Celery: result_serializer.
func EncodeResult(r *Result, serializer string) (codec.Encoded, error) {
	body, err := AppendResult(make([]byte, 0, 256), r)
	if err != nil {
		return codec.Encoded{}, err
	}
	enc, err := serialize(body, serializer)
	if err != nil {
		return codec.Encoded{}, fmt.Errorf("encode result of task %s: %w", r.TaskID, err)
	}
	return enc, nil
}

// DecodeResult reads a document of any serializer but pickle. Every key but status may be missing or null, and unknown
// keys are kept. Errors are *DecodeError.
func DecodeResult(contentType, encoding string, body []byte) (*Result, error) {
	if len(body) == 0 {
		return nil, &DecodeError{Err: errors.New("the result document is empty")}
	}
	v, err := codec.UnmarshalValue(contentType, encoding, body)
	if err != nil {
		return nil, &DecodeError{Err: err}
	}
	return resultOf(v)
}

// DecodeResultJSON reads a document that is JSON.
func DecodeResultJSON(body []byte) (*Result, error) { return resultOf(codec.JSON(body)) }

func resultOf(v codec.Value) (*Result, error) {
	if kind := kindOf(v); kind != objectKind {
		return nil, &DecodeError{Err: fmt.Errorf("the result document is %s, want an object", kind)}
	}
	fields, err := members(v)
	if err != nil {
		return nil, &DecodeError{Err: err}
	}
	r := new(Result)
	rest := fields[:0:0]
	for _, f := range fields {
		known, err := r.read(f)
		if err != nil {
			id, _ := field(fields, "task_id")
			r.TaskID, _ = textOf(id)
			return nil, &DecodeError{ID: r.TaskID, Err: fmt.Errorf("result document: %s: %w", f.Name, err)}
		}
		if !known {
			rest = append(rest, f)
		}
	}
	if r.Status == "" {
		return nil, &DecodeError{ID: r.TaskID, Err: errors.New("the result document has no status")}
	}
	for _, f := range rest {
		if slices.Contains(r.StampedHeaders, f.Name) {
			r.Stamps = append(r.Stamps, f)
		} else {
			r.Extra = append(r.Extra, f)
		}
	}
	return r, nil
}

// read takes one member of a document and reports whether it is one that a Result knows.
func (r *Result) read(f codec.NamedValue) (known bool, err error) {
	switch f.Name {
	case "status":
		var s string
		s, err = wantText(f.Value)
		r.Status = State(s)
	case "result":
		r.Result = f.Value
	case "traceback":
		r.HasTraceback = !f.Value.IsNull()
		r.Traceback, err = wantText(f.Value)
	case "children":
		if r.HasChildren = !f.Value.IsNull(); r.HasChildren {
			r.Children, err = readTuples(f.Value)
		}
	case "date_done":
		r.DateDone, err = readTime(f.Value)
	case "group_id":
		r.GroupID, err = wantText(f.Value)
	case "parent_id":
		r.ParentID, err = wantText(f.Value)
	case "task_id":
		r.TaskID, err = wantText(f.Value)
	case "stamped_headers":
		var x any
		if x, err = f.Value.Any(); err == nil {
			var ok bool
			if r.StampedHeaders, ok = texts(x); !ok {
				err = errors.New("want a list of names")
			}
		}
	case "name", "args", "kwargs", "worker", "retries", "queue":
		if r.Extended == nil {
			r.Extended = new(Extended)
		}
		err = r.Extended.read(f)
	default:
		return false, nil
	}
	return true, err
}

func (x *Extended) read(f codec.NamedValue) error {
	var err error
	switch f.Name {
	case "name":
		x.Name, err = wantText(f.Value)
	case "args":
		x.Args = f.Value
	case "kwargs":
		x.Kwargs = f.Value
	case "worker":
		x.Worker, err = wantText(f.Value)
	case "queue":
		x.Queue, err = wantText(f.Value)
	case "retries":
		var v any
		if v, err = f.Value.Any(); err == nil {
			var ok bool
			if x.Retries, ok = count(v); !ok {
				err = fmt.Errorf("want a number, got %s", shown(v))
			}
		}
	}
	return err
}

func wantText(v codec.Value) (string, error) {
	s, ok := textOf(v)
	if !ok {
		return "", fmt.Errorf("want a text, got %s", kindOf(v))
	}
	return s, nil
}

func readTime(v codec.Value) (time.Time, error) {
	if kindOf(v) == textKind {
		s, err := wantText(v)
		if err != nil || s == "" {
			return time.Time{}, err
		}
		return ParseTime(s)
	}
	x, err := v.Any()
	if err != nil {
		return time.Time{}, err
	}
	return moment(x)
}

func readTuples(v codec.Value) ([]ResultTuple, error) {
	if string(v.Raw()) == "[]" { // as nearly always
		return []ResultTuple{}, nil
	}
	x, err := v.Any()
	if err != nil {
		return nil, err
	}
	items, ok := list(x)
	if !ok {
		return nil, fmt.Errorf("want a list, got %s", kindOf(v))
	}
	return tuplesOf(items, 2)
}
