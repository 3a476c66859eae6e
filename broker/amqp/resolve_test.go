package amqp

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/internal/testenv"
)

// A nameserver answers every question for an IPv4 address with the same one.
type nameserver struct {
	conn    net.PacketConn
	address atomic.Pointer[netip.Addr]
	asked   atomic.Int64
}

func newNameserver(t *testing.T) *nameserver {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &nameserver{conn: conn}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.serve()
	}()
	t.Cleanup(func() {
		_ = conn.Close()
		<-ended
	})
	return s
}

func (s *nameserver) point(to string) {
	a := netip.MustParseAddr(to)
	s.address.Store(&a)
}

// serve answers as RFC 1035 has it: header, question, and for type A one record that names the question.
func (s *nameserver) serve() {
	buf := make([]byte, 1500)
	for {
		n, from, err := s.conn.ReadFrom(buf)
		if err != nil {
			return
		}
		end := 12
		for end < n && buf[end] != 0 {
			end += int(buf[end]) + 1
		}
		end += 5 // the root label, type, class
		if end > n {
			continue
		}
		isA := buf[end-4] == 0 && buf[end-3] == 1
		answer := append([]byte{buf[0], buf[1], 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0}, buf[12:end]...)
		if isA {
			s.asked.Add(1)
			answer[7] = 1
			ip := s.address.Load().As4()
			answer = append(append(answer, 0xC0, 12, 0, 1, 0, 1, 0, 0, 0x0E, 0x10, 0, 4), ip[:]...) // to be kept for an hour
		}
		if _, err := s.conn.WriteTo(answer, from); err != nil {
			return
		}
	}
}

func (s *nameserver) resolver() *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "udp", s.conn.LocalAddr().String())
	}}
}

// A broker that moves keeps its name: Amazon MQ fails over like this. The name is looked up at every attempt, however long
// its record may be kept.
func TestTheNameIsResolvedAnewAtEveryAttempt(t *testing.T) {
	t.Parallel()
	r, wire, _ := linked(t)
	names := newNameserver(t)
	names.point("127.0.0.1")
	_, port, err := net.SplitHostPort(wire.Addr())
	if err != nil {
		t.Fatal(err)
	}
	// Open dials before a test can give it a resolver: this does the same by hand.
	b := open(t, r.URLAt("amqp", wire.Addr()))
	moving, err := endpoints([]string{r.URLAt("amqp", "mq.test:"+port)}, broker.Config{ConnectTimeout: b.config.ConnectTimeout, Heartbeat: b.config.Heartbeat})
	if err != nil {
		t.Fatal(err)
	}
	b.endpoints[0].host = moving[0].host
	b.dialer.Resolver = names.resolver()
	hurry(b)

	declareQueue(t, b, "q", nil)
	in := consume(t, b, broker.Subscription{Queue: "q", Prefetch: 1})
	if names.asked.Load() == 0 {
		t.Fatal("the consuming connection did not ask for the name")
	}
	for range 3 {
		names.point("127.0.0.99") // where nobody listens on this port
		wire.Cut()
		in.state(broker.ConsumerLost)
		testenv.Await(t, "attempts at the address of now", func() bool {
			why := b.consuming.why()
			var o *broker.OpenError
			return errors.As(why, &o) && strings.Contains(why.Error(), "127.0.0.99")
		}, nil)
		before := names.asked.Load()
		names.point("127.0.0.1")
		in.state(broker.ConsumerRestored)
		if names.asked.Load() == before {
			t.Error("restored without a look-up")
		}
		publish(t, b, message("q", "x"))
		if err := in.next().Ack(); err != nil {
			t.Error(err)
		}
	}
}
