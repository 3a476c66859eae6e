package umbel

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/umbel-go/umbel/codec"
	"github.com/umbel-go/umbel/protocol"
)

// Exceptions: a Go error as Celery's result documents hold one, {"exc_type", "exc_message", "exc_module"}.
//
// Where Python has a class for what happened, its name is used, so that a Python caller can catch it: TypeError for
// arguments that do not fit, celery.exceptions.MaxRetriesExceededError, billiard.exceptions.SoftTimeLimitExceeded. An error
// of a type of your own bears that type's name; Python makes a class of that name on the fly.

// An ExceptionNamer is an error that says which Python class it is: module "builtins", name "ValueError".
type ExceptionNamer interface {
	error
	PythonException() (module, name string)
}

// An ExceptionArguer is an ExceptionNamer whose Python class is made with other arguments than the error's text.
type ExceptionArguer interface {
	ExceptionNamer
	PythonArgs() []any
}

// NewException describes err. Workers call it. It never panics, whatever the methods of err do.
func NewException(err error) (exc *protocol.Exception) {
	defer func() {
		if p := recover(); p != nil {
			exc = exception("builtins", "RuntimeError", fmt.Sprintf("%T panicked when asked for its text: %v", err, p))
		}
	}()
	var (
		arg   *ArgumentError
		max   *MaxRetriesError
		rej   *RejectError
		named ExceptionNamer
		pan   *PanicError
		reg   *NotRegisteredError
		task  *TaskError
		typ   *codec.TypeError
	)
	switch {
	case errors.As(err, &named):
		module, name := named.PythonException()
		if a, ok := named.(ExceptionArguer); ok {
			exc := &protocol.Exception{Type: name, Module: module}
			for _, arg := range a.PythonArgs() {
				exc.Message = append(exc.Message, codec.Of(arg))
			}
			return exc
		}
		return exception(module, name, err.Error())
	case errors.As(err, &pan):
		return exception("builtins", "RuntimeError", err.Error())
	case errors.Is(err, ErrSoftTimeLimit):
		return &protocol.Exception{Type: "SoftTimeLimitExceeded", Module: "billiard.exceptions"}
	case errors.As(err, &arg):
		return exception("builtins", "TypeError", err.Error())
	case errors.As(err, &max):
		return exception("celery.exceptions", "MaxRetriesExceededError", err.Error())
	case errors.As(err, &rej):
		return &protocol.Exception{Type: "Reject", Module: "celery.exceptions",
			Message: []codec.Value{codec.Of(rej.Reason), codec.Of(rej.Requeue)}}
	case errors.As(err, &reg):
		return exception("celery.exceptions", "NotRegistered", reg.Name)
	case errors.As(err, &task):
		return exception(task.Module, task.Type, task.Message)
	case errors.As(err, &typ):
		return exception("kombu.exceptions", "EncodeError", err.Error())
	case errors.Is(err, context.DeadlineExceeded):
		return exception("builtins", "TimeoutError", err.Error())
	}
	module, name := errorType(err)
	return exception(module, name, err.Error())
}

func exception(module, name, message string) *protocol.Exception {
	return &protocol.Exception{Type: name, Module: module, Message: []codec.Value{codec.Of(message)}}
}

// errorType is the first type in err's chain that says more than "an error".
func errorType(err error) (module, name string) {
	for e := err; e != nil; e = errors.Unwrap(e) {
		t := reflect.TypeOf(e)
		if t.Kind() == reflect.Pointer {
			t = t.Elem()
		}
		pkg := t.PkgPath()
		switch pkg {
		case "", "errors", "fmt", "github.com/umbel-go/umbel":
			continue
		}
		if r := t.Name(); r != "" && r[0] >= 'A' && r[0] <= 'Z' {
			return strings.ReplaceAll(pkg, "/", "."), r
		}
	}
	return "builtins", "Exception"
}

// traceback is what result documents and logs hold in place of Python's: the error's chain, one line for each error that
// wraps another, and the stack of a panic. Its last line is the exception as Python shows it.
func traceback(task string, err error) (text string) {
	defer func() {
		if p := recover(); p != nil {
			text = fmt.Sprintf("Task %s\n%T panicked when asked for its text: %v\n", task, err, p)
		}
	}()
	var b strings.Builder
	fmt.Fprintf(&b, "Traceback (most recent call last):\n  Task %s\n", task)
	var p *PanicError
	if errors.As(err, &p) {
		for line := range strings.Lines(string(p.Stack)) {
			b.WriteString("  ")
			b.WriteString(line)
		}
		if !strings.HasSuffix(b.String(), "\n") {
			b.WriteByte('\n')
		}
	}
	for e, depth := errors.Unwrap(err), 0; e != nil && depth < 20; e, depth = errors.Unwrap(e), depth+1 {
		if e.Error() != err.Error() {
			fmt.Fprintf(&b, "  caused by %T: %v\n", e, e)
		}
	}
	module, name, msg := "", "", err.Error()
	var retry *RetryError
	if errors.As(err, &retry) {
		module, name, msg = "celery.exceptions", "Retry", retry.wait()
		if retry.Err != nil {
			msg += ": " + NewException(retry.Err).Repr()
		}
	} else {
		exc := NewException(err)
		module, name = exc.Module, exc.Type
	}
	if module != "" && module != "builtins" {
		b.WriteString(module + ".")
	}
	b.WriteString(name)
	if msg != "" {
		b.WriteString(": " + msg)
	}
	b.WriteByte('\n')
	return b.String()
}
