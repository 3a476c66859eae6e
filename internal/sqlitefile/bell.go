// The bell: how a process that waits learns, without polling, that another one has committed something for it.
//
// The lock file holds 64 slots of 8 bytes. Whoever commits writes a number nobody wrote before into the slots of the
// topics it rings. Others are woken by the kernel (inotify, on Linux) or look at the 512 bytes every pollEvery
// (elsewhere), compare with what they saw last, and call the listeners of the slots that changed. Topics that share a
// slot cost a needless look, never a missed one.

package sqlitefile

import (
	"encoding/binary"
	"hash/fnv"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"
)

const (
	bellAt    = 64 // offset in the lock file; what is before it is only ever locked
	bellSlots = 64
	bellSize  = bellSlots * 8

	// pollEvery is how late a process may hear of another one where the kernel does not tell.
	pollEvery = 50 * time.Millisecond
)

// Departures is the topic rung when some process has closed the file or died, as far as the system tells at once (Linux).
const Departures = "\x00departures"

type bell struct {
	file *os.File
	log  *slog.Logger

	mu        sync.Mutex // guards the fields below; not held while listeners are called
	seen      [bellSlots]uint64
	next      uint64 // the number to write next: a random start, so that no two processes write the same
	listeners map[string][]*listener
	ear       *ear // started by the first Listen
	closed    bool
}

type listener struct{ heard func() }

func newBell(file *os.File, log *slog.Logger) *bell {
	return &bell{file: file, log: log, next: randomID(), listeners: make(map[string][]*listener)}
}

// Listen calls heard whenever a transaction that rang topic has been committed, in this process or another. Many rings
// may be heard as one. heard runs on a goroutine of the file and must not block; it may be called once more while stop
// is running. Listeners are told of what is committed after Listen returned.
func (f *File) Listen(topic string, heard func()) (stop func()) {
	l := &listener{heard: heard}
	b := f.bell
	b.mu.Lock()
	defer b.mu.Unlock()
	b.listeners[topic] = append(b.listeners[topic], l)
	if b.ear == nil && !b.closed {
		b.ear = startEar(b)
		b.look(nil) // after the ear is there: what is struck from now on is heard
	}
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		rest := slices.DeleteFunc(slices.Clone(b.listeners[topic]), func(o *listener) bool { return o == l })
		if len(rest) == 0 {
			delete(b.listeners, topic)
		} else {
			b.listeners[topic] = rest
		}
	}
}

func slotOf(topic string) int {
	h := fnv.New32a()
	h.Write([]byte(topic))
	return int(h.Sum32() % bellSlots)
}

// strike writes the slots of topics. The caller holds the turn. It returns the topics of this process whose ring by
// another one it has written over before the ear could see it.
func (b *bell) strike(topics []string) (missed []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, t := range topics {
		slot := slotOf(t)
		at := bellAt + int64(slot)*8
		var buf [8]byte
		if b.ear != nil {
			if _, err := b.file.ReadAt(buf[:], at); err == nil && binary.LittleEndian.Uint64(buf[:]) != b.seen[slot] {
				for other := range b.listeners {
					if slotOf(other) == slot && other != t {
						missed = append(missed, other)
					}
				}
			}
		}
		b.next++
		b.seen[slot] = b.next // our own ring is no news to us
		binary.LittleEndian.PutUint64(buf[:], b.next)
		if _, err := b.file.WriteAt(buf[:], at); err != nil {
			b.log.Warn("cannot wake other processes: they will see new messages late", "file", b.file.Name(), "error", err)
			return missed
		}
	}
	return missed
}

// callLocal calls this process's own listeners.
func (b *bell) callLocal(topics []string) {
	for _, t := range topics {
		b.mu.Lock()
		list := b.listeners[t] // replaced, never changed, by stop
		b.mu.Unlock()
		for _, l := range list {
			l.heard()
		}
	}
}

// hear calls the listeners of every slot that another process has struck.
func (b *bell) hear() {
	var changed [bellSlots]bool
	b.mu.Lock()
	any := b.look(&changed)
	var list []*listener
	if any {
		for t, l := range b.listeners {
			if changed[slotOf(t)] {
				list = append(list, l...)
			}
		}
	}
	b.mu.Unlock()
	for _, l := range list {
		l.heard()
	}
}

// look reads the slots and reports which changed. b.mu is held.
func (b *bell) look(changed *[bellSlots]bool) (any bool) {
	var buf [bellSize]byte
	if _, err := b.file.ReadAt(buf[:], bellAt); err != nil {
		b.log.Warn("cannot read the bell of other processes", "file", b.file.Name(), "error", err)
		return false
	}
	for i := range b.seen {
		v := binary.LittleEndian.Uint64(buf[i*8:])
		if v == b.seen[i] {
			continue
		}
		b.seen[i] = v
		if changed != nil {
			changed[i], any = true, true
		}
	}
	return any
}

// departed calls the listeners of Departures.
func (b *bell) departed() { b.callLocal([]string{Departures}) }

// everything calls all listeners: the system lost count of its events.
func (b *bell) everything() {
	b.mu.Lock()
	topics := make([]string, 0, len(b.listeners))
	for t := range b.listeners {
		topics = append(topics, t)
	}
	b.mu.Unlock()
	b.callLocal(topics)
}

func (b *bell) close() error {
	b.mu.Lock()
	b.closed = true
	e := b.ear
	b.mu.Unlock()
	if e == nil {
		return nil
	}
	return e.close()
}
