package testenv

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
)

// A Rabbit4 is a relay before a RabbitMQ 3.10 that behaves as RabbitMQ 4 does where the two differ on the wire. What it
// cannot do is what queues do inside: priorities of quorum queues, delayed retry.
//
//	basic.qos with global       540, the connection is closed
//	queue.declare, transient    541, unless the queue is exclusive (4.3)
//	queue.declare, x-queue-mode 541 (4.3)
//	queue.declare, no type      a quorum queue, where that is possible (the default type of Amazon MQ from 4.2 on)
//	queue.declare, quorum       given up after 20 deliveries, unless it says otherwise
type Rabbit4 struct {
	listener net.Listener
	target   string
	all      sync.WaitGroup

	mu      sync.Mutex // guards what follows
	open    map[net.Conn]bool
	closed  bool
	refused []string
}

// RabbitMQ4 starts a relay before the plain listener at target. It ends with the test.
func RabbitMQ4(t testing.TB, target string) *Rabbit4 {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &Rabbit4{listener: l, target: target, open: make(map[net.Conn]bool)}
	r.all.Go(r.serve)
	t.Cleanup(func() {
		l.Close()
		r.mu.Lock()
		r.closed = true
		for c := range r.open {
			c.Close()
		}
		r.mu.Unlock()
		r.all.Wait()
	})
	return r
}

// Addr is where clients connect, host:port.
func (r *Rabbit4) Addr() string { return r.listener.Addr().String() }

// Refused tells what was refused so far.
func (r *Rabbit4) Refused() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.refused...)
}

func (r *Rabbit4) serve() {
	for {
		client, err := r.listener.Accept()
		if err != nil {
			return
		}
		r.all.Go(func() { r.join(client) })
	}
}

// keep notes a connection, to be closed with the relay; it reports whether there is still time for one.
func (r *Rabbit4) keep(c net.Conn) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.closed {
		r.open[c] = true
	}
	return !r.closed
}

func (r *Rabbit4) drop(c net.Conn) {
	r.mu.Lock()
	delete(r.open, c)
	r.mu.Unlock()
	c.Close()
}

func (r *Rabbit4) join(client net.Conn) {
	defer r.drop(client)
	server, err := net.Dial("tcp", r.target)
	if err != nil || !r.keep(client) || !r.keep(server) {
		return
	}
	defer r.drop(server)
	j := &joint{relay: r, client: client, server: server}
	var both sync.WaitGroup
	both.Go(func() {
		j.replies()
		client.Close()
	})
	j.requests()
	server.Close()
	both.Wait()
}

// A joint is one client's connection and its continuation.
type joint struct {
	relay          *Rabbit4
	client, server net.Conn

	mu sync.Mutex // one whole frame at a time goes to the client
}

// frameEnd closes every frame; frameMost is more than any client here sends.
const (
	frameEnd  = 0xCE
	frameMost = 1 << 20
)

// readFrame reads one frame, its head of 7 bytes and its end included.
func readFrame(in *bufio.Reader) ([]byte, error) {
	head := make([]byte, 7)
	if _, err := io.ReadFull(in, head); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(head[3:])
	if n > frameMost {
		return nil, fmt.Errorf("a frame of %d bytes", n)
	}
	frame := make([]byte, 7+n+1)
	copy(frame, head)
	if _, err := io.ReadFull(in, frame[7:]); err != nil {
		return nil, err
	}
	if frame[len(frame)-1] != frameEnd {
		return nil, errors.New("a frame without its end")
	}
	return frame, nil
}

func (j *joint) replies() {
	in := bufio.NewReader(j.server)
	for {
		frame, err := readFrame(in)
		if err != nil {
			return
		}
		j.mu.Lock()
		_, err = j.client.Write(frame)
		j.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (j *joint) requests() {
	in := bufio.NewReader(j.client)
	greeting := make([]byte, 8)
	if _, err := io.ReadFull(in, greeting); err != nil {
		return
	}
	if _, err := j.server.Write(greeting); err != nil {
		return
	}
	for {
		frame, err := readFrame(in)
		if err != nil {
			return
		}
		frame, code, why := judge(frame)
		if why != "" {
			j.relay.mu.Lock()
			j.relay.refused = append(j.relay.refused, why)
			j.relay.mu.Unlock()
			j.refuse(in, code, why, frame)
			return
		}
		if _, err := j.server.Write(frame); err != nil {
			return
		}
	}
}

// refuse closes the connection as RabbitMQ does, and waits for the client to agree.
func (j *joint) refuse(in *bufio.Reader, code uint16, why string, frame []byte) {
	payload := binary.BigEndian.AppendUint16([]byte{0, 10, 0, 50}, code)
	payload = append(append(payload, byte(len(why))), why...)
	payload = append(payload, frame[7:11]...)
	j.mu.Lock()
	_, err := j.client.Write(methodFrame([2]byte{}, payload))
	j.mu.Unlock()
	for err == nil {
		var answer []byte
		if answer, err = readFrame(in); err == nil && answer[0] == 1 && binary.BigEndian.Uint32(answer[7:]) == 10<<16|51 { // close-ok
			return
		}
	}
}

func methodFrame(channel [2]byte, payload []byte) []byte {
	frame := binary.BigEndian.AppendUint32([]byte{1, channel[0], channel[1]}, uint32(len(payload)))
	return append(append(frame, payload...), frameEnd)
}

// judge returns a frame as it goes on to the server, or the code and text with which RabbitMQ 4 refuses it.
func judge(frame []byte) (on []byte, code uint16, why string) {
	payload := frame[7 : len(frame)-1]
	if frame[0] != 1 || len(payload) < 4 {
		return frame, 0, ""
	}
	args := payload[4:]
	switch binary.BigEndian.Uint32(payload) {
	case 60<<16 | 10: // basic.qos: size, count, global
		if len(args) == 7 && args[6]&1 != 0 {
			return frame, 540, "NOT_IMPLEMENTED - quorum queues do not support global qos"
		}
	case 50<<16 | 10: // queue.declare
		return judgeDeclare(frame, args)
	}
	return frame, 0, ""
}

// judgeDeclare: a reserved number, the name, passive durable exclusive auto-delete no-wait, the arguments.
func judgeDeclare(frame, args []byte) (on []byte, code uint16, why string) {
	const passive, durable, exclusive, autoDelete = 1, 2, 4, 8
	at := 2 + 1 + int(args[2])
	name, bits := string(args[3:at]), args[at]
	table := args[at+5:]
	has, err := tableOf(table)
	switch {
	case bits&passive != 0:
		return frame, 0, ""
	case err != nil:
		return frame, 541, fmt.Sprintf("INTERNAL_ERROR - arguments of queue '%.40s': %v", name, err)
	case bits&(durable|exclusive) == 0:
		return frame, 541, fmt.Sprintf("INTERNAL_ERROR - Feature `transient_nonexcl_queues` is deprecated: queue '%.40s'", name)
	case has["x-queue-mode"] != "":
		return frame, 541, fmt.Sprintf("INTERNAL_ERROR - invalid arg 'x-queue-mode' for queue '%.40s'", name)
	}
	kind, more := has["x-queue-type"], []byte(nil)
	if kind == "" && bits&(exclusive|autoDelete) == 0 {
		kind, more = "quorum", append(longText(more, "x-queue-type"), "S\x00\x00\x00\x06quorum"...)
	}
	if kind == "quorum" && has["x-delivery-limit"] == "" {
		more = append(longText(more, "x-delivery-limit"), "I\x00\x00\x00\x14"...)
	}
	if more == nil {
		return frame, 0, ""
	}
	payload := append([]byte{0, 50, 0, 10}, args[:at+1]...)
	payload = binary.BigEndian.AppendUint32(payload, uint32(len(table)+len(more)))
	payload = append(append(payload, table...), more...)
	return methodFrame([2]byte(frame[1:3]), payload), 0, ""
}

// longText appends the name of a table's field.
func longText(b []byte, name string) []byte { return append(append(b, byte(len(name))), name...) }

// tableOf are the names in a table, with their values as far as they are text, else "?".
func tableOf(b []byte) (map[string]string, error) {
	out := make(map[string]string)
	cut := func(n int) (part []byte, ok bool) {
		if n < 0 || n > len(b) {
			return nil, false
		}
		part, b = b[:n], b[n:]
		return part, true
	}
	for len(b) > 0 {
		n, _ := cut(1)
		name, ok := cut(int(n[0]))
		kind, is := cut(1)
		if !ok || !is {
			return nil, errors.New("a table that is cut short")
		}
		size, sized := map[byte]int{'t': 1, 'b': 1, 'B': 1, 's': 2, 'u': 2, 'I': 4, 'i': 4, 'f': 4, 'D': 5, 'l': 8, 'L': 8, 'd': 8, 'T': 8, 'V': 0}[kind[0]]
		if !sized { // S, F, A, x: a length comes first
			length, ok := cut(4)
			if !ok {
				return nil, errors.New("a table that is cut short")
			}
			size = int(binary.BigEndian.Uint32(length))
		}
		value, ok := cut(size)
		if !ok {
			return nil, errors.New("a table that is cut short")
		}
		out[string(name)] = "?"
		if kind[0] == 'S' {
			out[string(name)] = string(value)
		}
	}
	return out, nil
}
