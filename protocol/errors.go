package protocol

import "errors"

// ErrUnknownMessage says that a message has no task header and that its body is no task either. Celery rejects it with
// the warning "Received and deleted unknown message. Wrong destination?!?".
var ErrUnknownMessage = errors.New("received an unknown message: it has no task header and its body is no task: wrong destination?")

// An InvalidTaskError says that a message is a task but cannot be run as it is, however often it is tried. Celery rejects
// such a message: "Received invalid task message". A refused content type unwraps to *codec.DisallowedError or
// codec.ErrPickle.
type InvalidTaskError struct {
	ID, Name string // when known
	Reason   string
	Err      error // what the reason comes from; may be nil
}

func (e *InvalidTaskError) Error() string { return "invalid task message: " + e.Reason }
func (e *InvalidTaskError) Unwrap() error { return e.Err }

// A DecodeError says that a body could not be decompressed or decoded. Celery acknowledges such a message: "Can't decode
// message body".
type DecodeError struct {
	ID, Name string // when known
	Err      error
}

func (e *DecodeError) Error() string { return "can't decode message body: " + e.Err.Error() }
func (e *DecodeError) Unwrap() error { return e.Err }
