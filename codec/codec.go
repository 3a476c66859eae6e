// Package codec turns values into bytes and back: Celery's serializers (json with kombu's typed values, msgpack, yaml) and
// compressions, with the set of accepted content types and a guard against decompression bombs.
//
// It does no I/O, starts no goroutine and reads no clock. pickle is refused always: reading it runs code of the sender.
package codec

import "errors"

// Limits on what is decoded.
const (
	// DefaultLimit is how large a decompressed body may be when nothing else is said: 128 MiB, RabbitMQ's own largest message.
	DefaultLimit int64 = 128 << 20

	// MaxDepth is how deep arrays and objects may nest.
	MaxDepth = 200
)

// ErrPickle: the content is a pickle, which is never read, whatever accept_content says.
var ErrPickle = errors.New("pickle is refused always: reading it would run code chosen by its sender; set task_serializer = \"json\" on the Python side")

// A DisallowedError says that a content type is not in accept_content. Its text is kombu's ContentDisallowed. It is
// ErrPickle when the content is a pickle.
type DisallowedError struct {
	Name        string // the serializer's alias, else the content type
	ContentType string
}

func (e *DisallowedError) Error() string {
	return "Refusing to deserialize untrusted content of type " + e.Name + " (" + e.ContentType + ")"
}

// Unwrap is ErrPickle for pickles, which no accept_content can allow.
func (e *DisallowedError) Unwrap() error {
	if isPickle(e.ContentType) {
		return ErrPickle
	}
	return nil
}

// An Encoded body and the two properties that describe it.
type Encoded struct {
	ContentType     string
	ContentEncoding string
	Body            []byte
}
