package codec

import (
	"errors"
	"fmt"
	"strings"
)

// A TypeError says that a value does not fit the Go type that should take it, as a mistyped argument is a TypeError in
// Celery. Decoding the same bytes again gives the same error.
type TypeError struct {
	Path string // where, from the outermost value: "items[2].total". Empty for the value itself
	Want string // what the type takes: "number", "integer from -128 to 127"
	Got  string // what was there: "string", "300"
}

func (e *TypeError) Error() string {
	if e.Path == "" {
		return "want " + e.Want + ", got " + e.Got
	}
	return fmt.Sprintf("field %q: want %s, got %s", e.Path, e.Want, e.Got)
}

// A SyntaxError says that bytes are not the format they claim to be.
type SyntaxError struct {
	Format string // "JSON", "msgpack", "YAML"
	Offset int    // bytes from the start; -1 where the format's reader does not tell
	Reason string
}

func (e *SyntaxError) Error() string {
	if e.Offset < 0 {
		return fmt.Sprintf("invalid %s: %s", e.Format, e.Reason)
	}
	return fmt.Sprintf("invalid %s at byte %d: %s", e.Format, e.Offset, e.Reason)
}

// A pathError is any other error of one field: what a type's own UnmarshalText or MarshalJSON said.
type pathError struct {
	path string
	err  error
}

func (e *pathError) Error() string { return fmt.Sprintf("field %q: %v", e.path, e.err) }
func (e *pathError) Unwrap() error { return e.err }

// under prefixes an error's path with one more step, on the way out of a nested value. The errors it changes were made
// by the same call and are seen by nobody else yet.
func under(err error, step string) error {
	var te *TypeError
	if errors.As(err, &te) {
		te.Path = joinPath(step, te.Path)
		return err
	}
	if pe, ok := err.(*pathError); ok {
		pe.path = joinPath(step, pe.path)
		return err
	}
	return &pathError{path: step, err: err}
}

func joinPath(step, rest string) string {
	if rest == "" || strings.HasPrefix(rest, "[") {
		return step + rest
	}
	return step + "." + rest
}
