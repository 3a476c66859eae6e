package procpool

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// A frame is one message on a pipe: 4 bytes length of the rest, 1 byte kind, 4 bytes call, payload. Numbers are big-endian.
type frame struct {
	kind    kind
	call    uint32 // what the frame belongs to: a thing to do, or a question of the child's
	payload []byte
}

type kind byte

const (
	// From the parent.
	kindDo     kind = iota + 1 // do this
	kindTell                   // something about what is being done, such as: stop
	kindAnswer                 // to a question, whose number stands for the call
	kindPing

	// From the child.
	kindHello // up; the payload is the protocol's version
	kindTaken // a do has arrived, and is begun
	kindDone  // the answer to a do
	kindAsk   // 4 bytes number of a question, then the question; call 0 is the child's own, outside of any
	kindPong
)

const (
	frameHead = 5 // kind and call

	// MaxPayload bounds what goes through a pipe at once: more than any broker takes as a message. Nothing of that size is
	// allocated before it has come.
	MaxPayload = 512 << 20

	// firstRead is allocated at once, on the word of a frame's length alone.
	firstRead = 64 << 10
)

// ErrTooLarge says that what is to be sent does not fit into a frame.
var ErrTooLarge = errors.New("it is larger than the 512 MiB that go through a pipe")

// appendHead appends all of a frame but its payload.
func appendHead(dst []byte, f frame) []byte {
	dst = binary.BigEndian.AppendUint32(dst, uint32(frameHead+len(f.payload)))
	dst = append(dst, byte(f.kind))
	return binary.BigEndian.AppendUint32(dst, f.call)
}

// writeFrame writes a frame, a small one by a single write.
func writeFrame(w io.Writer, f frame) error {
	if len(f.payload) > MaxPayload {
		return ErrTooLarge
	}
	if len(f.payload) <= firstRead {
		_, err := w.Write(append(appendHead(make([]byte, 0, 4+frameHead+len(f.payload)), f), f.payload...))
		return err
	}
	if _, err := w.Write(appendHead(make([]byte, 0, 4+frameHead), f)); err != nil {
		return err
	}
	_, err := w.Write(f.payload)
	return err
}

// readFrame reads the next frame. io.EOF is the end between two frames; one that is cut is io.ErrUnexpectedEOF.
func readFrame(r *bufio.Reader) (frame, error) {
	var head [4 + frameHead]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return frame{}, err
	}
	n := int64(binary.BigEndian.Uint32(head[:4])) - frameHead
	f := frame{kind: kind(head[4]), call: binary.BigEndian.Uint32(head[5:])}
	if n < 0 || n > MaxPayload {
		return frame{}, fmt.Errorf("a frame says that its payload has %d bytes", n)
	}
	if f.kind < kindDo || f.kind > kindPong {
		return frame{}, fmt.Errorf("a frame is of the unknown kind %d", f.kind)
	}
	f.payload = make([]byte, min(n, firstRead))
	for read := 0; ; {
		m, err := io.ReadFull(r, f.payload[read:])
		if err != nil {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return frame{}, err
		}
		read += m
		if int64(read) == n {
			return f, nil
		}
		f.payload = append(f.payload, make([]byte, min(n-int64(read), int64(read)))...)
	}
}
