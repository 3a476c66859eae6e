package amqpwire

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// frame writes a frame on channel 1.
func frame[T string | []byte](kind byte, content T) []byte {
	b := binary.BigEndian.AppendUint32([]byte{kind, 0, 1}, uint32(len(content)))
	return append(append(b, content...), frameEnd)
}

// header writes a header frame: content type, encoding, table if it has one, delivery mode 2 and a correlation id.
func header(bodySize uint64, table []byte) []byte {
	flags := uint16(hasContentType | hasEncoding | 1<<12 | 1<<10)
	if table != nil {
		flags |= hasHeaders
	}
	b := binary.BigEndian.AppendUint64([]byte{0, basic, 0, 0}, bodySize)
	b = binary.BigEndian.AppendUint16(b, flags)
	b = append(b, "\x10application/json\x05utf-8"...)
	if table != nil {
		b = append(binary.BigEndian.AppendUint32(b, uint32(len(table))), table...)
	}
	return frame(headerFrame, append(b, "\x02\x02id"...))
}

// fields are a table with a value of every kind.
func fields() []byte {
	deaths := "\x05countl\x00\x00\x00\x00\x00\x00\x00\x01" + "\x05queueS\x00\x00\x00\x01q" + "\x04timeT\x00\x00\x00\x00\x65\x53\xf1\x00"
	return []byte("\x04langS\x00\x00\x00\x02py" + "\x03etaV" + "\x07retriesI\x00\x00\x00\x01" + "\x09timelimitA\x00\x00\x00\x02VV" +
		"\x07x-deathA\x00\x00\x00" + string([]byte{byte(5 + len(deaths))}) + "F\x00\x00\x00" + string([]byte{byte(len(deaths))}) + deaths +
		"\x06stampsF\x00\x00\x00\x00" + "\x01tt\x01" + "\x01bb\xff" + "\x01BB\xff" + "\x01ss\xff\xff" + "\x01uu\xff\xff" +
		"\x01ii\xff\xff\xff\xff" + "\x01ff\x3f\x80\x00\x00" + "\x01dd\x3f\xf0\x00\x00\x00\x00\x00\x00" + "\x01DD\x02\x00\x00\x00\x7b" +
		"\x01xx\x00\x00\x00\x02\x00\xff" + "\x00S\x00\x00\x00\x00")
}

// through reads what comes out of a Reader that receives wire in pieces of the given sizes, in turn.
func through(wire []byte, sizes []byte) ([]byte, error) {
	src := &pieces{wire, sizes, 0}
	return io.ReadAll(NewReader(bufio.NewReaderSize(src, frameMin)))
}

type pieces struct {
	rest  []byte
	sizes []byte
	turn  int
}

var errCut = errors.New("the wire was cut")

func (s *pieces) Read(p []byte) (int, error) {
	if len(s.rest) == 0 {
		return 0, errCut
	}
	n := len(s.rest)
	if len(s.sizes) > 0 {
		n = min(n, 1+int(s.sizes[s.turn%len(s.sizes)]))
		s.turn++
	}
	n = copy(p, s.rest[:n])
	s.rest = s.rest[n:]
	return n, nil
}

// restore moves the tables of what a Reader has written back to where they were, and counts them.
func restore(t testing.TB, wire []byte) (before []byte, moved int) {
	t.Helper()
	front := len(mark) + frameHead
	for len(wire) >= frameHead {
		size := frameHead + 1 + uint64(binary.BigEndian.Uint32(wire[3:]))
		if size > uint64(len(wire)) {
			break
		}
		f := wire[:size]
		wire = wire[size:]
		if f[0] != headerFrame || len(wire) < front || wire[0] != bodyFrame || !bytes.Equal(wire[frameHead:front], mark) {
			before = append(before, f...)
			continue
		}
		moved++
		n := binary.BigEndian.Uint32(wire[3:])
		body := wire[:frameHead+n+1]
		wire = wire[len(body):]
		if len(f) > frameMin || len(body) > frameMin || !bytes.Equal(f[1:3], body[1:3]) || body[len(body)-1] != frameEnd {
			t.Fatalf("a table in a frame that is wrong: % x after % x", body, f)
		}
		table := body[front : len(body)-1]
		at := propertiesAt
		flags := binary.BigEndian.Uint16(f[flagsAt:])
		for _, text := range [...]uint16{hasContentType, hasEncoding} {
			if flags&text != 0 {
				at += 1 + int(f[at])
			}
		}
		old := append(append(bytes.Clone(f[:at]), table...), f[at:]...)
		binary.BigEndian.PutUint32(old[3:], uint32(len(old)-frameHead-1))
		binary.BigEndian.PutUint64(old[bodySizeAt:], binary.BigEndian.Uint64(old[bodySizeAt:])-uint64(n))
		binary.BigEndian.PutUint16(old[flagsAt:], flags|hasHeaders)
		before = append(before, old...)
	}
	return append(before, wire...), moved
}

func TestATableMovesToTheBody(t *testing.T) {
	body := frame(bodyFrame, "[[], {}, {}]")
	wire := append(header(12, fields()), body...)
	got, err := through(wire, nil)
	if !errors.Is(err, errCut) {
		t.Fatalf("error %v, want that of the wire", err)
	}
	front := binary.BigEndian.AppendUint32(bytes.Clone(mark), uint32(len(fields())))
	front = append(front, fields()...)
	want := append(append(header(12+uint64(len(front)), nil), frame(bodyFrame, front)...), body...)
	if !bytes.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	table, sent, ok := Split(append(front, "body"...))
	if !ok || !bytes.Equal(table, fields()) || string(sent) != "body" {
		t.Errorf("split into %q and %q, %v", table, sent, ok)
	}
}

// What is not a message's header, or not understood, is left as it came.
func TestTheRestPassesUnchanged(t *testing.T) {
	deep := []byte("\x01aV")
	for range depthMost + 1 {
		deep = append(binary.BigEndian.AppendUint32([]byte("\x01aF"), uint32(len(deep))), deep...)
	}
	sound := header(1, fields())
	for name, wire := range map[string][]byte{
		"nothing":                   nil,
		"a protocol header":         []byte("AMQP\x00\x00\x09\x01"),
		"a heartbeat":               {8, 0, 0, 0, 0, 0, 0, frameEnd},
		"a method":                  frame(1, sound),
		"a body":                    frame(bodyFrame, sound),
		"a large body":              frame(bodyFrame, bytes.Repeat(sound, 1000)),
		"no headers":                header(1, nil),
		"an empty table":            header(1, []byte{}),
		"an unknown type":           header(1, []byte("\x01aZ")),
		"a table cut in a name":     header(1, []byte("\x05abc")),
		"a table cut in a value":    header(1, []byte("\x01aI\x00")),
		"a nested table too long":   header(1, []byte("\x01aF\x00\x00\x00\x09\x01aV")),
		"an array cut in a value":   header(1, []byte("\x01aA\x00\x00\x00\x01I")),
		"deeper than anybody":       header(1, deep),
		"a text longer than all":    header(1, []byte("\x01aS\xff\xff\xff\xff")),
		"a table longer than all":   frame(headerFrame, "\x00\x3c\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x20\x00\xff\xff\xff\xff"),
		"a type longer than all":    frame(headerFrame, "\x00\x3c\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\xa0\x00\xff"),
		"another class":             frame(headerFrame, append([]byte{0, 61}, sound[frameHead+2:len(sound)-1]...)),
		"a frame without its end":   append(sound[:len(sound)-1:len(sound)-1], 0),
		"a body of almost 2^64":     header(1<<64-1, fields()),
		"headers of 4 KiB":          header(1, append(fields(), append([]byte("\x01aS\x00\x00\x10\x00"), make([]byte, 4096)...)...)),
		"a frame of almost 4 GiB":   {headerFrame, 0, 1, 0xff, 0xff, 0xff, 0xff, 0, basic},
		"a header frame of nothing": frame(headerFrame, ""),
		"a frame that ends early":   sound[:len(sound)-9],
		"a head that ends early":    sound[:3],
	} {
		got, err := through(wire, nil)
		if !bytes.Equal(got, wire) || !errors.Is(err, errCut) {
			t.Errorf("%s: % x became % x, %v", name, wire, got, err)
		}
	}
}

// A frame made of one that the peer must take is no larger than that.
func TestFramesStayWithinWhatWasAgreed(t *testing.T) {
	room := frameMin - len(header(1, []byte("\x01aS\x00\x00\x00\x00")))
	for n := room - 100; n <= room; n++ {
		table := append(binary.BigEndian.AppendUint32([]byte("\x01aS"), uint32(n)), make([]byte, n)...)
		got, _ := through(header(1, table), nil)
		for rest := got; len(rest) > 0; {
			size := frameHead + 1 + int(binary.BigEndian.Uint32(rest[3:]))
			if size > frameMin {
				t.Fatalf("text of %d bytes: a frame of %d bytes", n, size)
			}
			rest = rest[size:]
		}
		if before, _ := restore(t, got); !bytes.Equal(before, header(1, table)) {
			t.Fatalf("text of %d bytes: something was lost", n)
		}
	}
}

// A Reader must not wait for a second frame while it has the first.
func TestWhatIsThereIsNotHeldBack(t *testing.T) {
	wire := append(frame(bodyFrame, "b"), header(1, fields())...)
	src, other := io.Pipe()
	r := NewReader(bufio.NewReaderSize(src, frameMin))
	written := make(chan error, 1)
	go func() {
		_, err := other.Write(wire)
		written <- err
	}()
	want, _ := through(wire, nil)
	got := make([]byte, len(want))
	if _, err := io.ReadFull(r, got); err != nil || !bytes.Equal(got, want) {
		t.Errorf("got %q, %v; want %q", got, err, want)
	}
	if err := <-written; err != nil {
		t.Error(err)
	}
	other.CloseWithError(errCut)
	if n, err := r.Read(make([]byte, 10)); n != 0 || !errors.Is(err, errCut) {
		t.Errorf("after the end: %d bytes, %v", n, err)
	}
}

func TestABodyWithoutATableIsNotSplit(t *testing.T) {
	for _, body := range []string{"", "[[], {}, {}]", string(mark), string(mark) + "\x00\x00\x00\x01", strings.ToLower(string(mark)) + "\x00\x00\x00\x00"} {
		if _, sent, ok := Split([]byte(body)); ok || string(sent) != body {
			t.Errorf("%q was split: %q", body, sent)
		}
	}
}

// However the wire is cut into pieces the same comes out, and nothing is lost.
func FuzzReader(f *testing.F) {
	message := append(header(3, fields()), frame(bodyFrame, "abc")...)
	f.Add(message, []byte{0})
	f.Add(bytes.Repeat(message, 20), []byte{100, 255, 3})
	f.Add(append(frame(1, "\x00\x3c\x00\x3c"), message...), []byte{7, 30})
	f.Add(append(header(1, []byte("\x01aZ")), message[:40]...), []byte{})
	f.Fuzz(func(t *testing.T, wire, sizes []byte) {
		got, err := through(wire, nil)
		if !errors.Is(err, errCut) {
			t.Fatalf("error %v, want that of the wire", err)
		}
		if before, _ := restore(t, got); !bytes.Equal(before, wire) {
			t.Fatalf("% x\nbecame\n% x", wire, got)
		}
		if split, err := through(wire, sizes); !bytes.Equal(split, got) || !errors.Is(err, errCut) {
			t.Fatalf("in pieces of %v: % x, %v\nat once: % x", sizes, split, err, got)
		}
		small, err := io.ReadAll(iotest.OneByteReader(NewReader(bufio.NewReaderSize(&pieces{wire, sizes, 0}, frameMin))))
		if !bytes.Equal(small, got) || !errors.Is(err, errCut) {
			t.Fatalf("read byte by byte: % x, %v\nat once: % x", small, err, got)
		}
	})
}
