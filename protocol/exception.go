package protocol

import (
	"errors"
	"strings"

	"github.com/umbel-go/umbel/codec"
)

// An Exception is an error as result documents hold it: {"exc_type", "exc_message", "exc_module"}. Readers in Python
// import Module and call Type with the arguments, so a Go worker names classes they have whenever it can.
// Celery: celery/backends/base.py, prepare_exception.
type Exception struct {
	Type    string        // class name; nested classes with dots
	Module  string        // "builtins", "celery.exceptions", …; "" is null
	Message []codec.Value // the exception's arguments
}

// Value is the exception as a result. An argument that cannot be encoded is replaced by its repr, as in Celery.
func (e *Exception) Value() codec.Value {
	dst := appendString(append(make([]byte, 0, 128), `{"exc_type": `...), e.Type)
	dst = append(dst, `, "exc_message": [`...)
	for i, arg := range e.Message {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		start := len(dst)
		var err error
		if dst, err = arg.AppendJSON(dst); err != nil {
			dst = appendString(dst[:start], reprOf(arg))
		}
	}
	dst = appendOrNull(append(dst, `], "exc_module": `...), e.Module)
	return codec.JSON(append(dst, '}'))
}

// DecodeException reads the result of a document whose state says that it is an exception. Missing keys are empty, an
// exc_message that is no list is the only argument, and a result that is no object at all, which other programs write,
// is an Exception with that argument. Null, as RETRY without an exception has it, is an error.
func DecodeException(v codec.Value) (*Exception, error) {
	switch kindOf(v) {
	case nullKind:
		return nil, errors.New("exception: the result is null")
	case objectKind:
	default:
		return &Exception{Type: "Exception", Module: "builtins", Message: []codec.Value{v}}, nil
	}
	fields, err := members(v)
	if err != nil {
		return nil, err
	}
	e := new(Exception)
	var ok bool
	for _, f := range fields {
		switch f.Name {
		case "exc_type":
			if e.Type, ok = textOf(f.Value); !ok {
				return nil, errors.New("exception: exc_type is " + string(kindOf(f.Value)) + ", want a class name")
			}
		case "exc_module":
			if e.Module, ok = textOf(f.Value); !ok {
				return nil, errors.New("exception: exc_module is " + string(kindOf(f.Value)) + ", want a module name")
			}
		case "exc_message":
			switch kindOf(f.Value) {
			case nullKind:
			case arrayKind:
				if e.Message, err = elements(f.Value); err != nil {
					return nil, err
				}
			default:
				e.Message = []codec.Value{f.Value}
			}
		}
	}
	if e.Type == "" {
		return nil, errors.New("exception: the result is an object without exc_type")
	}
	return e, nil
}

// celeryExceptions is the module of Celery's own classes.
const celeryExceptions = "celery.exceptions"

// class is the last part of the type's name, which is what Python's repr and str show.
func (e *Exception) class() string { return e.Type[strings.LastIndexByte(e.Type, '.')+1:] }

// Repr is the exception as Python's repr shows it: ValueError('boom', 42). The two of Celery's own classes that print
// themselves differently are known.
func (e *Exception) Repr() string {
	if e.Module == celeryExceptions {
		switch {
		case e.Type == "NotRegistered" && len(e.Message) == 1:
			return "Task of kind " + reprOf(e.Message[0]) + " never registered, please make sure it's imported."
		case e.Type == "Reject" && len(e.Message) == 2:
			return "reject requeue=" + reprOf(e.Message[1]) + ": " + strOf(e.Message[0])
		}
	}
	var s strings.Builder
	s.WriteString(e.class())
	s.WriteByte('(')
	for i, arg := range e.Message {
		if i > 0 {
			s.WriteString(", ")
		}
		s.WriteString(reprOf(arg))
	}
	s.WriteByte(')')
	return s.String()
}

// Error is the exception as the last line of a Python traceback shows it: "ValueError: boom", or
// "celery.exceptions.ChordError: Dependency … raised …".
func (e *Exception) Error() string {
	s := e.Type
	if e.Module != "" && e.Module != "builtins" {
		s = e.Module + "." + s
	}
	switch len(e.Message) {
	case 0:
		return s
	case 1:
		if e.Type == "KeyError" || e.Type == "NotRegistered" && e.Module == celeryExceptions {
			return s + ": " + reprOf(e.Message[0]) // a KeyError's str is its key's repr
		}
		if text := strOf(e.Message[0]); text != "" {
			return s + ": " + text
		}
		return s
	}
	return s + ": " + strings.TrimPrefix(e.Repr(), e.class())
}

// strOf is a value as Python's str shows it: a text as it is, all else as its repr.
func strOf(v codec.Value) string {
	if x, err := v.Any(); err == nil {
		if s, ok := x.(string); ok {
			return s
		}
	}
	return reprOf(v)
}
