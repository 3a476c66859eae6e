package codec

import (
	"time"
)

func (v Value) Decode(dst any) error                  { panic("not built") }
func (v Value) Any() (any, error)                     { panic("not built") }
func (v Value) AppendJSON(dst []byte) ([]byte, error) { panic("not built") }
func (v Value) IsNull() bool                          { panic("not built") }
func (v Value) Raw() []byte                           { return v.raw }

func Assign(dst any, src any) error { panic("not built") }

type TypeError struct{ Path, Want, Got string }

func (e *TypeError) Error() string { return e.Path + e.Want + e.Got }

var Naive = time.FixedZone("", 0)

type Date struct {
	Year  int
	Month time.Month
	Day   int
}
type TimeOfDay struct{ Hour, Minute, Second, Nanosecond int }
type Decimal string

func AppendJSON(dst []byte, v any) ([]byte, error)                            { panic("not built") }
func SplitArray(raw []byte) ([]Value, error)                                  { panic("not built") }
func SplitObject(raw []byte) ([]NamedValue, error)                            { panic("not built") }
func Marshal(serializer string, v any) (Encoded, error)                       { panic("not built") }
func Unmarshal(contentType, contentEncoding string, body []byte) (any, error) { panic("not built") }
func UnmarshalValue(contentType, contentEncoding string, body []byte) (Value, error) {
	panic("not built")
}

type Accept struct{ types map[string]bool }

func NewAccept(names ...string) (Accept, error)                              { panic("not built") }
func (a Accept) Check(contentType string) error                              { panic("not built") }
func Compress(name string, body []byte) (mime string, out []byte, err error) { panic("not built") }
func Decompress(mime string, body []byte, limit int64) ([]byte, error)       { panic("not built") }
func ReprArgs(args []Value) string                                           { panic("not built") }
func ReprKwargs(kw []NamedValue) string                                      { panic("not built") }
func Repr(v any) string                                                      { panic("not built") }
