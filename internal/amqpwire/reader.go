package amqpwire

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"math"
)

const (
	// frameMin is the frame size, in bytes with its ends, that every peer takes: AMQP's frame-min-size. The library refuses
	// frames larger than was negotiated, which is never less: a Reader makes none that is larger.
	frameMin = 4096

	frameHead = 7 // type, channel, size
	frameEnd  = 0xCE

	headerFrame = 2
	bodyFrame   = 3
	basic       = 60 // the class of messages

	// A header frame's content: class, weight, size of the body, flags; then the properties whose flags are set.
	bodySizeAt     = frameHead + 4
	flagsAt        = bodySizeAt + 8
	propertiesAt   = flagsAt + 2
	hasContentType = 1 << 15
	hasEncoding    = 1 << 14
	hasHeaders     = 1 << 13
	hasMoreFlags   = 1 << 0
)

// mark stands in front of a table in a body. It is this process's own: no sender can write what looks like it.
var mark = []byte(rand.Text())

// A Reader reads AMQP frames and hands them on, header tables moved. One goroutine may use it at a time.
type Reader struct {
	src   *bufio.Reader
	plain uint64 // bytes at the front of src that go on as they are
	ready []byte // what has not been read yet of a message's first two frames
	space []byte // their memory, used again
	err   error  // of src, met while bytes in front of it had not been handed on
}

// NewReader returns a Reader of what src receives from a connection's beginning on. src must have room for 4096 bytes.
func NewReader(src *bufio.Reader) *Reader {
	return &Reader{src: src, space: make([]byte, 0, 2*frameMin)}
}

// Read implements io.Reader. It waits for bytes only when it has none to return, or a header frame is incomplete.
func (r *Reader) Read(p []byte) (int, error) {
	n := 0
	for n < len(p) {
		switch {
		case len(r.ready) > 0:
			k := copy(p[n:], r.ready)
			r.ready = r.ready[k:]
			n += k
		case n > 0 && r.src.Buffered() < frameMin: // the next frame may be incomplete
			return n, nil
		case r.plain > 0:
			k, err := r.src.Read(p[n:][:min(uint64(len(p)-n), r.plain)])
			r.plain -= uint64(k)
			n += k
			if err != nil {
				return n, err
			}
		case r.err != nil:
			return n, r.err
		default:
			r.next()
		}
	}
	return n, nil
}

// next looks at the frame that begins at the front of src.
func (r *Reader) next() {
	head, err := r.src.Peek(frameHead)
	if err != nil {
		r.plain, r.err = uint64(len(head)), err
		return
	}
	size := frameHead + uint64(binary.BigEndian.Uint32(head[3:])) + 1
	r.plain = size
	if head[0] != headerFrame || size > frameMin {
		return
	}
	frame, err := r.src.Peek(int(size))
	if err != nil {
		r.plain, r.err = uint64(len(frame)), err
		return
	}
	if moved, ok := move(r.space[:0], frame); ok {
		_, _ = r.src.Discard(len(frame)) // it has been peeked at
		r.plain, r.ready = 0, moved
	}
}

// move appends a header frame without its table to dst, and a body frame with the table; false: it has none, or none
// that we understand.
func move(dst, frame []byte) ([]byte, bool) {
	end := len(frame) - 1
	if end < propertiesAt || frame[end] != frameEnd || binary.BigEndian.Uint16(frame[frameHead:]) != basic {
		return nil, false
	}
	flags := binary.BigEndian.Uint16(frame[flagsAt:])
	if flags&hasHeaders == 0 || flags&hasMoreFlags != 0 {
		return nil, false
	}
	at := propertiesAt
	for _, text := range [...]uint16{hasContentType, hasEncoding} {
		if flags&text != 0 {
			at += 1 + int(frame[at])
			if at >= end {
				return nil, false
			}
		}
	}
	s := scanner{rest: frame[at:end]}
	table := s.long()
	if s.bad || len(table) == 0 || !valid(table) {
		return nil, false
	}
	size := binary.BigEndian.Uint64(frame[bodySizeAt:])
	front := len(mark) + 4 + len(table)
	if frameHead+front+1 > frameMin || size > math.MaxInt64 {
		return nil, false
	}
	dst = append(dst, frame[:at]...)
	dst = append(dst, s.rest...) // the other properties
	dst = append(dst, frameEnd)
	binary.BigEndian.PutUint32(dst[3:], uint32(len(dst)-frameHead-1))
	binary.BigEndian.PutUint64(dst[bodySizeAt:], size+uint64(front))
	binary.BigEndian.PutUint16(dst[flagsAt:], flags&^hasHeaders)

	dst = append(dst, bodyFrame)
	dst = append(dst, frame[1:3]...) // its channel
	dst = binary.BigEndian.AppendUint32(dst, uint32(front))
	dst = append(dst, mark...)
	dst = append(dst, frame[at:at+4+len(table)]...)
	return append(dst, frameEnd), true
}

// Split takes the body of a message that has come through a Reader apart: into the header table, for a Decoder, and the
// body that was sent. false: its headers are where the library puts them. Both slices are parts of body.
func Split(body []byte) (table, sent []byte, ok bool) {
	if !bytes.HasPrefix(body, mark) {
		return nil, body, false
	}
	s := scanner{rest: body[len(mark):]}
	table = s.long()
	if s.bad {
		return nil, body, false
	}
	return table, s.rest, true
}
