package protocol

import (
	"errors"
	"time"

	"github.com/umbel-go/umbel/codec"
)

// DecodeOptions bound and guard decoding.
type DecodeOptions struct {
	Limit  int64        // decompressed size. Defaults to codec.DefaultLimit
	Accept codec.Accept // the zero value accepts JSON only
}

// EncodeOptions say how a task message is written.
type EncodeOptions struct {
	Serializer  string    // defaults to "json"
	Compression string    // "" is none
	Protocol    int       // 2 (default) or 1
	Extra       Table     // the caller's own headers, merged on top
	Now         time.Time // for the expiration property; required when the task expires
}

// ErrUnknownMessage: neither a task header nor a body that is a task. Celery: "Received and deleted unknown message. Wrong destination?!?"
var ErrUnknownMessage = errors.New("received an unknown message: it has no task header and its body is no task: wrong destination?")

// An InvalidTaskError says that a message is a task but cannot be run as it is. Celery rejects it: "Received invalid task message".
type InvalidTaskError struct {
	ID, Name string // when known
	Reason   string
}

func (e *InvalidTaskError) Error() string { return "invalid task message: " + e.Reason }

// A DecodeError says that a body could not be decompressed or decoded. Celery: "Can't decode message body".
type DecodeError struct {
	ID, Name string // when known
	Err      error
}

func (e *DecodeError) Error() string { return "can't decode message body: " + e.Err.Error() }
func (e *DecodeError) Unwrap() error { return e.Err }

func DecodeTask(env *Envelope, o DecodeOptions) (*Task, error)                { panic("not built") }
func (t *Task) DecodeBody(o DecodeOptions) (*Body, error)                     { panic("not built") }
func EncodeTask(t *Task, b *Body, o EncodeOptions) (*Envelope, error)         { panic("not built") }
func FormatTime(t time.Time) string                                           { panic("not built") }
func ParseTime(s string) (time.Time, error)                                   { panic("not built") }
func (s *Signature) AppendJSON(dst []byte) ([]byte, error)                    { panic("not built") }
func DecodeSignature(v codec.Value) (*Signature, error)                       { panic("not built") }
func AppendResult(dst []byte, r *Result) ([]byte, error)                      { panic("not built") }
func EncodeResult(r *Result, serializer string) (codec.Encoded, error)        { panic("not built") }
func DecodeResult(contentType, encoding string, body []byte) (*Result, error) { panic("not built") }
func (e *Exception) Value() codec.Value                                       { panic("not built") }
func DecodeException(v codec.Value) (*Exception, error)                       { panic("not built") }
func (e *Exception) Repr() string                                             { panic("not built") }
func (e *Exception) Error() string                                            { panic("not built") }
func (t ResultTuple) AppendJSON(dst []byte) ([]byte, error)                   { panic("not built") }
func DecodeResultTuple(v codec.Value) (ResultTuple, error)                    { panic("not built") }
