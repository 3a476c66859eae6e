package amqp

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	amqp091 "github.com/rabbitmq/amqp091-go"

	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/internal/amqpwire"
)

// A scripted is a connection whose other end answers as RabbitMQ does until a consumer has been started, and then says
// what it was given.
type scripted struct {
	net.Conn
	peer net.Conn
	sent chan []byte // every header frame that the client sends
}

func newScripted(t testing.TB, deliver []byte) *scripted {
	t.Helper()
	ours, theirs := net.Pipe()
	s := &scripted{ours, theirs, make(chan []byte, 1)}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.serve(bufio.NewReader(theirs), deliver)
	}()
	t.Cleanup(func() {
		ours.Close()
		theirs.Close()
		<-ended
	})
	return s
}

// answers by the class and method they answer.
var answers = map[[4]byte]string{
	{0, 10, 0, 11}: "\x00\x0a\x00\x1e" + "\x00\x00" + "\x00\x02\x00\x00" + "\x00\x00", // start-ok: tune
	{0, 10, 0, 40}: "\x00\x0a\x00\x29\x00",                                            // open: open-ok
	{0, 10, 0, 50}: "\x00\x0a\x00\x33",                                                // close: close-ok
	{0, 20, 0, 10}: "\x00\x14\x00\x0b\x00\x00\x00\x00",                                // channel.open: open-ok
	{0, 60, 0, 20}: "\x00\x3c\x00\x15\x01c",                                           // consume: consume-ok
}

func (s *scripted) serve(r *bufio.Reader, deliver []byte) {
	if _, err := io.CopyN(io.Discard, r, int64(len("AMQP\x00\x00\x09\x01"))); err != nil {
		return
	}
	start := "\x00\x0a\x00\x0a" + "\x00\x09" + "\x00\x00\x00\x00" + "\x00\x00\x00\x05PLAIN" + "\x00\x00\x00\x05en_US"
	if _, err := s.peer.Write(wireFrame(1, 0, start)); err != nil {
		return
	}
	for {
		head := make([]byte, 7)
		if _, err := io.ReadFull(r, head); err != nil {
			return
		}
		rest := make([]byte, binary.BigEndian.Uint32(head[3:])+1)
		if _, err := io.ReadFull(r, rest); err != nil {
			return
		}
		if head[0] == 2 {
			s.sent <- rest
		}
		if head[0] != 1 {
			continue
		}
		method := [4]byte(rest)
		answer := answers[method]
		if answer == "" {
			continue
		}
		say := wireFrame(1, binary.BigEndian.Uint16(head[1:]), answer)
		if method == [4]byte{0, 60, 0, 20} {
			say = append(say, deliver...)
		}
		if _, err := s.peer.Write(say); err != nil {
			return
		}
	}
}

func wireFrame(kind byte, channel uint16, content string) []byte {
	b := binary.BigEndian.AppendUint16([]byte{kind}, channel)
	b = binary.BigEndian.AppendUint32(b, uint32(len(content)))
	return append(append(b, content...), 0xCE)
}

// client opens a channel of the library on s, whose bytes pass through read.
func (s *scripted) client(t testing.TB, read io.Reader) (*amqp091.Connection, *amqp091.Channel) {
	t.Helper()
	c, err := amqp091.Open(struct {
		io.Reader
		io.WriteCloser
	}{read, s.Conn}, amqp091.Config{SASL: []amqp091.Authentication{&amqp091.PlainAuth{Username: "u", Password: "p"}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.Close()
		c.Close()
	})
	ch, err := c.Channel()
	if err != nil {
		t.Fatal(err)
	}
	return c, ch
}

// encoded is a table as the library writes it, without its length.
func encoded(t testing.TB, h amqp091.Table) []byte {
	t.Helper()
	s := newScripted(t, nil)
	_, ch := s.client(t, s)
	if err := ch.Publish("", "q", false, false, amqp091.Publishing{Headers: h}); err != nil {
		t.Fatal(err)
	}
	b := (<-s.sent)[14:]
	return b[4 : 4+binary.BigEndian.Uint32(b)]
}

// A consumed is what a program gets of what a broker has sent.
type consumed struct {
	deliveries []*broker.Delivery
	err        string // what ended the connection, if it was not the last of them
}

const lastOne = "the last one"

// consumeWire has the library consume wire, which passes through a Reader if moved is true and comes in pieces of the given size.
func consumeWire(t *testing.T, wire []byte, moved bool, size int) consumed {
	t.Helper()
	wire = append(bytes.Clone(wire), wireMessage("", 0x0400, "\x0c"+lastOne, nil, nil)...)
	s := newScripted(t, wire)
	var read io.Reader = limited{s, size}
	if moved {
		read = amqpwire.NewReader(bufio.NewReader(read))
	}
	c, ch := s.client(t, read)
	closes := c.NotifyClose(make(chan *amqp091.Error, 1))
	in, err := ch.Consume("q", "c", true, false, false, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	var got consumed
	var headers amqpwire.Decoder
	for {
		select {
		case d, ok := <-in:
			if !ok {
				return consumed{err: (<-closes).Error()} // how many came until then depends on who was faster
			}
			if d.CorrelationId == lastOne {
				return got
			}
			got.deliveries = append(got.deliveries, received(&d, &headers, "q", nil))
		case <-time.After(patience):
			t.Fatal("nothing comes, and nothing ends")
		}
	}
}

// A limited is read in pieces.
type limited struct {
	io.Reader
	size int
}

func (l limited) Read(p []byte) (int, error) { return l.Reader.Read(p[:min(len(p), l.size)]) }

// wireMessage is a delivery: before and after are the properties that stand on either side of the headers.
func wireMessage(before string, flags uint16, after string, table, body []byte) []byte {
	b := wireFrame(1, 1, "\x00\x3c\x00\x3c"+"\x01c"+"\x00\x00\x00\x00\x00\x00\x00\x01"+"\x00"+"\x00"+"\x01q")
	header := binary.BigEndian.AppendUint64([]byte{0, 60, 0, 0}, uint64(len(body)))
	header = append(binary.BigEndian.AppendUint16(header, flags), before...)
	if flags&0x2000 != 0 {
		header = append(binary.BigEndian.AppendUint32(header, uint32(len(table))), table...)
	}
	b = append(b, wireFrame(2, 1, string(append(header, after...)))...)
	for len(body) > 0 { // in two frames, if it can be
		n := (len(body) + 1) / 2
		b = append(b, wireFrame(3, 1, string(body[:n]))...)
		body = body[n:]
	}
	return b
}

// everyType holds what the library can write.
func everyType() amqp091.Table {
	return amqp091.Table{
		"bool": true, "int8": int8(-8), "byte": byte(200), "int16": int16(-16), "int32": int32(-32), "int64": int64(-64),
		"uint16": uint16(60000), "uint32": uint32(1) << 31, "float32": float32(0.1), "float64": 0.1, "string": "grüße", "nothing": nil,
		"bytes": []byte{0, 255}, "empty bytes": []byte{}, "time": time.Unix(1_700_000_000, 0), "decimal": amqp091.Decimal{Scale: 2, Value: -314},
		"array": []any{nil, "a", []any{}, amqp091.Table{"k": int32(1)}}, "table": amqp091.Table{"deep": amqp091.Table{"deeper": []any{int64(1)}}},
		"empty table": amqp091.Table{}, "x-death": []any{amqp091.Table{"count": int64(2), "queue": "q", "routing-keys": []any{"q"}}},
	}
}

// What a program gets is the same whether a table was moved or not, whatever stands in it and however it comes.
func FuzzHeaders(f *testing.F) {
	both := amqp091.Table(bareHeaders())
	f.Add(encoded(f, both), []byte(taskBody), true, uint16(5000))
	f.Add(encoded(f, both), []byte(nil), false, uint16(3))
	f.Add(encoded(f, everyType()), []byte("x"), true, uint16(100))
	f.Add(encoded(f, amqp091.Table{"long": string(make([]byte, 5000))}), []byte("x"), true, uint16(1000))
	f.Add([]byte(nil), []byte("x"), true, uint16(100))
	for _, malformed := range []string{"\x01aZ", "\x05abc", "\x01aI\x00", "\x01aA\x00\x00\x00\x01I", "\x01aF\x00\x00\x00\x09\x01aV", "\x01aS\xff\xff\xff\xff",
		"\x01aV\x01aI\x00\x00\x00\x01", "\x01aA\x00\x00\x00\x09V"} {
		f.Add([]byte(malformed), []byte("x"), false, uint16(9))
	}
	f.Fuzz(func(t *testing.T, table, body []byte, full bool, size uint16) {
		if len(table)+len(body) > 60_000 { // frames of 128 KiB at most
			return
		}
		flags, before, after := uint16(0x2000), "", ""
		if full {
			flags, before = 0xffc0, "\x10application/json\x05utf-8"
			after = "\x02\x07\x02id\x05reply\x0560000\x01m" + "\x00\x00\x00\x00\x65\x53\xf1\x00"
		}
		wire := wireMessage(before, flags, after, table, body)
		wire = append(wire, wireMessage("", 0, "", nil, body)...)                           // no headers
		wire = append(wire, wireMessage(before, flags, after, table, append(body, '!'))...) // a Decoder knows the table already
		want := consumeWire(t, wire, false, 1<<16)
		got := consumeWire(t, wire, true, 1+int(size))
		options := cmp.Options{cmp.AllowUnexported(consumed{}), cmpopts.EquateNaNs()}
		if diff := cmp.Diff(want, got, options); diff != "" {
			t.Fatalf("(-by the library alone +with tables moved):\n%s", diff)
		}
	})
}

func TestHeadersAreDecodedAsTheLibraryDoes(t *testing.T) {
	got := consumeWire(t, wireMessage("", 0x2000, "", encoded(t, everyType()), []byte("x")), true, 1<<16)
	if len(got.deliveries) != 1 {
		t.Fatalf("%+v", got)
	}
	if diff := cmp.Diff(decodeTable(everyType()), got.deliveries[0].Headers, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if string(got.deliveries[0].Body) != "x" {
		t.Errorf("body %q", got.deliveries[0].Body)
	}
}
