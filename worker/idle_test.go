package worker_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/internal/faultnet"
	"github.com/umbel-go/umbel/internal/testenv"
	"github.com/umbel-go/umbel/worker"
)

// An idle worker sends AMQP heartbeats and nothing else: counted on the wire, frame by frame.
func TestAnIdleWorkerSendsHeartbeatsAndNothingElse(t *testing.T) {
	rabbit := testenv.RabbitMQ(t)
	link := faultnet.To(t, rabbit.Addr())
	wire := &frameCounter{heartbeats: make(map[int]int), rest: make(map[int][]byte)}
	link.Tap(wire.sent)
	app := rabbitApp(t, rabbit.URLAt("amqp", link.Addr()), umbel.Config{
		BrokerHeartbeat: 2 * time.Second, // one is sent each second
		// What an idle worker asks at growing intervals, at the default first after 15 s, is not to fall into this on a slow
		// machine. What it costs: TestTheGuardAsksLessAndLess in broker/amqp.
		BrokerConsumerCheck: time.Hour,
		TaskQueues:          []umbel.QueueConfig{{Name: "celery"}, {Name: "other"}},
	})
	task := umbel.Register(app, "t", func(_ context.Context, n int) (int, error) { return n, nil }, umbel.AcksLate())
	start(t, app, worker.Config{Concurrency: 4})
	run := func(options ...umbel.SendOption) {
		t.Helper()
		r, err := task.Send(deadline(t), 1, options...)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Get(deadline(t)); err != nil {
			t.Fatal(err)
		}
	}
	run()
	run(umbel.Countdown(10 * time.Millisecond))
	run(umbel.Queue("other"))

	// Idle from here on; what the last task leaves to be sent, its ack, has a heartbeat's time.
	wire.await(t, 1)
	_, before := wire.count()
	wire.await(t, 5)
	if beats, after := wire.count(); after != before {
		t.Errorf("an idle worker sent %d frames that are no heartbeats (of %v heartbeats): %s", after-before, beats, wire.last())
	}
	run()
	if _, after := wire.count(); after == before {
		t.Error("a task left no trace on the wire: nothing was counted here")
	}
}

// A frameCounter reads what clients send: a protocol header, then frames of type, channel, length, payload and an end.
type frameCounter struct {
	mu         sync.Mutex // guards what follows
	rest       map[int][]byte
	heartbeats map[int]int // by connection
	others     int
	recent     []string
}

func (c *frameCounter) sent(conn int, p []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	b := append(c.rest[conn], p...)
	if header := []byte("AMQP\x00\x00\x09\x01"); bytes.HasPrefix(b, header) {
		b = b[len(header):]
	}
	for len(b) >= 8 && b[0] != 'A' {
		size := int(binary.BigEndian.Uint32(b[3:7]))
		if len(b) < size+8 {
			break
		}
		if b[0] == 8 {
			c.heartbeats[conn]++
		} else {
			c.others++
			c.recent = append(c.recent, fmt.Sprintf("connection %d, frame type %d: %q", conn, b[0], b[7:7+min(size, 60)]))
			c.recent = c.recent[max(0, len(c.recent)-10):]
		}
		b = b[size+8:]
	}
	c.rest[conn] = bytes.Clone(b)
}

func (c *frameCounter) count() (heartbeats map[int]int, others int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	heartbeats = make(map[int]int)
	for conn, n := range c.heartbeats {
		heartbeats[conn] = n
	}
	return heartbeats, c.others
}

func (c *frameCounter) last() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return strings.Join(c.recent, "\n")
}

// await waits for n more heartbeats on each of the worker's two connections.
func (c *frameCounter) await(t *testing.T, n int) {
	t.Helper()
	begin, _ := c.count()
	testenv.Await(t, fmt.Sprintf("%d heartbeats of each of two connections", n), func() bool {
		now, _ := c.count()
		enough := 0
		for conn, beats := range now {
			if beats >= begin[conn]+n {
				enough++
			}
		}
		return enough >= 2
	}, nil)
}
