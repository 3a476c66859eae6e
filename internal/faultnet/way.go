package faultnet

import (
	"net"
	"time"
)

// A Limit says how much still passes before a fault begins, counted over all connections from the moment it is set.
type Limit struct {
	bytes   bool
	n       int64
	atOnce  bool
	reading int64 // chunks or bytes passed since
}

// After is n more chunks: what one read takes from the socket, roughly a reply each when they come one by one.
func After(n int) Limit { return Limit{n: int64(n)} }

// Bytes is n more bytes, to the byte.
func Bytes(n int64) Limit { return Limit{bytes: true, n: n} }

// Now is nothing more.
func Now() Limit { return Limit{atOnce: true} }

// pass tells how many of the next n bytes, which came in one chunk, still pass.
func (l *Limit) pass(n int) int {
	switch {
	case l.atOnce:
		return 0
	case l.bytes:
		left := l.n - l.reading
		l.reading += int64(n)
		return int(max(0, min(left, int64(n))))
	default:
		l.reading++
		if l.reading > l.n {
			return 0
		}
		return n
	}
}

// reached reports whether everything that may pass has passed.
func (l *Limit) reached() bool { return l.atOnce || l.reading >= l.n }

// A way is one direction of a link and what is wrong with it. Guarded by the link's lock.
type way struct {
	frozen  bool          // nothing is read: the sender's buffers fill up
	delay   time.Duration // of each chunk
	drop    *Limit        // then bytes vanish, and the sender does not notice
	cut     *Limit        // then the connection is reset
	changed chan struct{} // closed and replaced when frozen or delay changes, or the link closes
}

func (w *way) wakeLocked() {
	close(w.changed)
	w.changed = make(chan struct{})
}

// set changes one or both directions.
func (l *Link) set(f func(*way), ways ...*way) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, w := range ways {
		f(w)
		w.wakeLocked()
	}
}

// Freeze stops both directions: connections stay open and silent, buffers fill up. Thaw goes on where it stopped.
func (l *Link) Freeze() { l.set(func(w *way) { w.frozen = true }, &l.requests, &l.replies) }

// Thaw ends Freeze, FreezeRequests and FreezeReplies.
func (l *Link) Thaw() { l.set(func(w *way) { w.frozen = false }, &l.requests, &l.replies) }

// FreezeRequests stops what clients send, FreezeReplies what the server sends: a link cut in half.
func (l *Link) FreezeRequests() { l.set(func(w *way) { w.frozen = true }, &l.requests) }

// FreezeReplies stops what the server sends.
func (l *Link) FreezeReplies() { l.set(func(w *way) { w.frozen = true }, &l.replies) }

// Delay holds every chunk of both directions for d.
func (l *Link) Delay(d time.Duration) { l.set(func(w *way) { w.delay = d }, &l.requests, &l.replies) }

// DropReplies lets what the server sends vanish once the limit has passed. Heal ends it.
func (l *Link) DropReplies(limit Limit) { l.set(func(w *way) { w.drop = &limit }, &l.replies) }

// DropRequests lets what clients send vanish once the limit has passed. Heal ends it.
func (l *Link) DropRequests(limit Limit) { l.set(func(w *way) { w.drop = &limit }, &l.requests) }

// CutAfterReplies resets the connection that passes the limit of what the server sends, once.
func (l *Link) CutAfterReplies(limit Limit) { l.set(func(w *way) { w.cut = &limit }, &l.replies) }

// CutAfterRequests resets the connection that passes the limit of what clients send, once. What was below the limit
// has been handed to the server.
func (l *Link) CutAfterRequests(limit Limit) { l.set(func(w *way) { w.cut = &limit }, &l.requests) }

// Heal ends every fault but lost bytes stay lost: connections that missed some are better cut.
func (l *Link) Heal() {
	l.set(func(w *way) { *w = way{changed: w.changed} }, &l.requests, &l.replies)
	l.Refuse(false)
}

// carry copies one direction of a pair until either side ends it.
func (l *Link) carry(p *pair, w *way, from, to net.Conn) {
	// The end of one direction is the end of both: AMQP, Redis and PostgreSQL know no half-closed connection.
	defer from.Close()
	defer to.Close()
	buf := make([]byte, 32<<10)
	for {
		if !l.flowing(w) {
			return
		}
		n, err := from.Read(buf)
		if n > 0 {
			pass, cut, alive := l.judge(w, n)
			if !alive {
				return
			}
			if pass > 0 {
				if w == &l.requests {
					l.mu.Lock()
					tap := l.tap
					l.mu.Unlock()
					if tap != nil {
						tap(p.number, buf[:pass])
					}
				}
				if _, err := to.Write(buf[:pass]); err != nil {
					return
				}
			}
			if cut {
				p.cutAfterWriting(to)
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// cutAfterWriting resets the sender's side and closes the receiver's in order, so that what has passed arrives.
func (p *pair) cutAfterWriting(to net.Conn) {
	from := p.client
	if to == p.client {
		from = p.server
	}
	to.Close()
	if t, ok := from.(*net.TCPConn); ok {
		_ = t.SetLinger(0)
	}
	from.Close()
}

// flowing waits while the way is frozen; false when the link is closed.
func (l *Link) flowing(w *way) bool {
	for {
		l.mu.Lock()
		frozen, closed, changed := w.frozen, l.closed, w.changed
		l.mu.Unlock()
		if closed {
			return false
		}
		if !frozen {
			return true
		}
		<-changed
	}
}

// judge says how many of n bytes pass, and whether the connection is then cut. It waits out delays and freezes that
// began while the bytes were on their way; alive is false when the link closed meanwhile.
func (l *Link) judge(w *way, n int) (pass int, cut, alive bool) {
	l.mu.Lock()
	delay := w.delay
	l.mu.Unlock()
	if delay > 0 {
		timer := time.NewTimer(delay)
		<-timer.C
	}
	if !l.flowing(w) {
		return 0, false, false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	pass = n
	if w.drop != nil {
		pass = w.drop.pass(pass)
	}
	if w.cut != nil {
		pass = w.cut.pass(pass)
		if w.cut.reached() {
			w.cut, cut = nil, true
		}
	}
	return pass, cut, true
}
