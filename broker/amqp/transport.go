package amqp

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/umbel-go/umbel/internal/amqpwire"
)

const (
	readBuffer = 64 << 10 // a full prefetch window of ordinary tasks in a few reads

	// highWater is how many unwritten bytes hold back publishers: enough for one large system call, little enough that
	// a broker that stopped reading is felt at once.
	highWater = 1 << 20

	// keepBuffer bounds what an emptied write buffer may keep for the next round.
	keepBuffer = 256 << 10

	// closeGrace bounds the wait for the last bytes (close-ok, acks) when a connection is closed.
	closeGrace = time.Second
)

// A transport carries the bytes of one connection below the client library.
//
// Write never blocks: it appends, and the flusher goroutine writes whatever gathered while its last system call ran.
// So the library's lock is never held across a system call, and 64 senders share calls instead of queueing for their
// own. Memory is bounded because publishers ask room before they write; everything else is a few bytes.
//
// It is deliberately no net.Conn: the library would then reset its read deadline through a second goroutine for every
// frame. Deadlines are kept here, one per system call.
type transport struct {
	conn net.Conn
	r    *amqpwire.Reader // read only by the library's reader goroutine

	silence atomic.Int64          // longest silence of the peer, in ns, before it counts as gone; 0: for ever
	dropped atomic.Pointer[error] // why we gave the connection up; nil: we have not
	first   atomic.Int32          // first byte the peer ever sent, -1 before that; tells a TLS port from an AMQP one

	mu      sync.Mutex
	pending []byte        // appended by Write, taken by the flusher
	written uint64        // bytes handed to the socket so far
	total   uint64        // bytes appended so far
	room    chan struct{} // closed when pending falls below highWater; nil while it is below
	synced  []waiter      // owed a close when written reaches at
	err     error         // first failure of the write side
	closing bool

	wake    chan struct{} // cap 1: something is pending
	flusher chan struct{} // closed when the flusher has ended
}

type waiter struct {
	at   uint64
	done chan struct{}
}

// newTransport takes conn over; Close ends it.
func newTransport(conn net.Conn) *transport {
	t := &transport{
		conn:    conn,
		wake:    make(chan struct{}, 1),
		flusher: make(chan struct{}),
	}
	t.first.Store(-1)
	t.r = amqpwire.NewReader(bufio.NewReaderSize(socketReader{t}, readBuffer))
	go t.flush()
	return t
}

// Read hands header tables on at the front of bodies, which amqpwire.Split takes them from.
func (t *transport) Read(p []byte) (int, error) { return t.r.Read(p) }

// A socketReader moves the read deadline before each system call: the peer's silence counts, not ours.
type socketReader struct{ t *transport }

func (s socketReader) Read(p []byte) (int, error) {
	t := s.t
	if silence := time.Duration(t.silence.Load()); silence > 0 {
		if err := t.conn.SetReadDeadline(time.Now().Add(silence)); err != nil {
			return 0, err
		}
		n, err := t.conn.Read(p)
		if why := t.dropped.Load(); err != nil && why != nil {
			return n, *why
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			err = fmt.Errorf("no byte and no heartbeat for %v: the link is dead", silence)
		}
		return n, err
	}
	n, err := t.conn.Read(p)
	if n > 0 {
		t.first.CompareAndSwap(-1, int32(p[0]))
	}
	return n, err
}

// drop gives the connection up, for a reason that everybody is told who waits for something on it.
func (t *transport) drop(why error) {
	t.dropped.Store(&why)
	_ = t.conn.SetDeadline(time.Unix(1, 0))
}

// Write appends p. When it returns an error nothing of p was taken.
func (t *transport) Write(p []byte) (int, error) {
	t.mu.Lock()
	if t.err != nil || t.closing {
		err := t.err
		t.mu.Unlock()
		if err == nil {
			err = net.ErrClosed
		}
		return 0, err
	}
	idle := len(t.pending) == 0
	t.pending = append(t.pending, p...)
	t.total += uint64(len(p))
	if len(t.pending) >= highWater && t.room == nil {
		t.room = make(chan struct{})
	}
	t.mu.Unlock()
	if idle {
		t.signal()
	}
	return len(p), nil
}

func (t *transport) signal() {
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

// full returns nil while publishers may write, else a channel that is closed when they may again.
func (t *transport) full() <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.err != nil || t.room == nil {
		return nil
	}
	return t.room
}

// sync waits until everything written before it has been handed to the socket.
func (t *transport) sync(ctx context.Context) error {
	t.mu.Lock()
	if t.err != nil || t.written == t.total {
		err := t.err
		t.mu.Unlock()
		return err
	}
	w := waiter{at: t.total, done: make(chan struct{})}
	t.synced = append(t.synced, w)
	t.mu.Unlock()
	select {
	case <-w.done:
		t.mu.Lock()
		defer t.mu.Unlock()
		if t.written >= w.at {
			return nil
		}
		return t.err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// flush is the flusher goroutine. It ends when the transport is closed or a write fails.
func (t *transport) flush() {
	defer close(t.flusher)
	var buf []byte
	for {
		t.mu.Lock()
		buf, t.pending = t.pending, buf[:0]
		if t.room != nil {
			close(t.room)
			t.room = nil
		}
		closing := t.closing
		t.mu.Unlock()
		if len(buf) == 0 {
			if closing {
				return
			}
			<-t.wake
			continue
		}
		_, err := t.conn.Write(buf)
		t.mu.Lock()
		if err != nil {
			t.err = err
		} else {
			t.written += uint64(len(buf))
		}
		t.wakeSyncedLocked()
		t.mu.Unlock()
		if err != nil {
			t.conn.Close() // the reader fails too, and with it the session
			return
		}
		if cap(buf) > keepBuffer {
			buf = nil
		}
	}
}

func (t *transport) wakeSyncedLocked() {
	kept := t.synced[:0]
	for _, w := range t.synced {
		if t.err != nil || t.written >= w.at {
			close(w.done)
		} else {
			kept = append(kept, w)
		}
	}
	t.synced = kept
	if t.err != nil && t.room != nil {
		close(t.room)
		t.room = nil
	}
}

// Close writes what is pending, within closeGrace, and closes the socket. It is idempotent.
func (t *transport) Close() error {
	t.mu.Lock()
	t.closing = true
	t.mu.Unlock()
	// The deadline also ends a write that the peer has been refusing to read.
	_ = t.conn.SetWriteDeadline(time.Now().Add(closeGrace))
	t.signal()
	<-t.flusher
	t.mu.Lock()
	failed := t.err != nil
	if !failed {
		t.err = net.ErrClosed
	}
	t.wakeSyncedLocked()
	t.mu.Unlock()
	if s, ok := t.conn.(interface{ NetConn() net.Conn }); ok && failed {
		return s.NetConn().Close() // TLS would try for seconds to say goodbye on a link that takes nothing
	}
	return t.conn.Close()
}
