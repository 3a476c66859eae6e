package protocol

import (
	"errors"
	"fmt"

	"github.com/umbel-go/umbel/codec"
)

// A ResultTuple names a task or group and where it stands in its workflow: [[id, parent], null] or
// [[group id, parent], [members]]. Celery: AsyncResult.as_tuple, celery.result.result_from_tuple.
type ResultTuple struct {
	ID      string // "" is null
	Parent  *ResultTuple
	IsGroup bool
	Members []ResultTuple
}

// AppendJSON writes the tuple as Celery does. Nesting beyond codec.MaxDepth, which no reader would take, is an error.
func (t ResultTuple) AppendJSON(dst []byte) ([]byte, error) { return t.append(dst, 0) }

var errDeepTuple = errors.New("result tuple: it is nested too deep")

// append's depth counts brackets: every tuple adds two before its parent and its members.
func (t *ResultTuple) append(dst []byte, depth int) ([]byte, error) {
	if depth+2 > codec.MaxDepth {
		return nil, errDeepTuple
	}
	dst = append(appendOrNull(append(dst, "[["...), t.ID), ", "...)
	var err error
	if t.Parent == nil {
		dst = append(dst, "null"...)
	} else if dst, err = t.Parent.append(dst, depth+2); err != nil {
		return nil, err
	}
	dst = append(dst, "], "...)
	if !t.IsGroup {
		return append(dst, "null]"...), nil
	}
	if dst, err = appendTuples(dst, t.Members, depth+1); err != nil {
		return nil, err
	}
	return append(dst, ']'), nil
}

func appendTuples(dst []byte, list []ResultTuple, depth int) ([]byte, error) {
	dst = append(dst, '[')
	var err error
	for i := range list {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		if dst, err = list[i].append(dst, depth+1); err != nil {
			return nil, err
		}
	}
	return append(dst, ']'), nil
}

// DecodeResultTuple reads a tuple. An id without a parent may stand alone: "id" and ["id", null] are read as well.
func DecodeResultTuple(v codec.Value) (ResultTuple, error) {
	x, err := v.Any() // at once: splitting level by level would scan the text as often as it is deep
	if err != nil {
		return ResultTuple{}, fmt.Errorf("result tuple: %w", err)
	}
	return tupleOf(x, 0)
}

func tupleOf(x any, depth int) (ResultTuple, error) {
	var t ResultTuple
	if depth+2 > codec.MaxDepth {
		return t, errDeepTuple
	}
	outer, ok := list(x)
	if !ok {
		if t.ID, ok = text(x); !ok || t.ID == "" {
			return t, fmt.Errorf("result tuple: want [[id, parent], members], got %s", shown(x))
		}
		return t, nil
	}
	if len(outer) != 2 {
		return t, fmt.Errorf("result tuple: want [[id, parent], members], got %s", shown(x))
	}
	head := outer[0]
	if inner, ok := list(head); ok {
		if len(inner) == 0 || len(inner) > 2 {
			return t, fmt.Errorf("result tuple: want [id, parent], got %s", shown(head))
		}
		head = inner[0]
		if len(inner) == 2 && inner[1] != nil {
			parent, err := tupleOf(inner[1], depth+2)
			if err != nil {
				return t, err
			}
			t.Parent = &parent
		}
	}
	if t.ID, ok = text(head); !ok {
		return t, fmt.Errorf("result tuple: the id is %s, want a text", shown(head))
	}
	if outer[1] == nil {
		return t, nil
	}
	members, ok := list(outer[1])
	if !ok {
		return t, fmt.Errorf("result tuple: the members are %s, want a list", shown(outer[1]))
	}
	var err error
	t.IsGroup = true
	t.Members, err = tuplesOf(members, depth+1)
	return t, err
}

func tuplesOf(items []any, depth int) ([]ResultTuple, error) {
	out := make([]ResultTuple, len(items))
	var err error
	for i, item := range items {
		if out[i], err = tupleOf(item, depth+1); err != nil {
			return nil, err
		}
	}
	return out, nil
}
