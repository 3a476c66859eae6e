package redis

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/redis/rueidis"
)

const (
	// subscribeKeys is how many channels one command subscribes.
	subscribeKeys = 500

	// rereadEvery is how often everything that is waited for is read although nothing was heard: a subscription may be
	// dead without our knowing.
	rereadEvery = time.Minute

	// linger is how long the connection stays when nobody watches any more.
	linger = 30 * time.Second

	// The pause after a loss doubles from the first to the second, so that a server that comes back is not overrun.
	firstPause   = 50 * time.Millisecond
	longestPause = 2 * time.Second
)

// errIdle ends a session that nobody needs.
var errIdle = errors.New("nobody watches")

// A refusal is Redis's no to a subscription.
type refusal struct{ err error }

func (r *refusal) Error() string { return r.err.Error() }
func (r *refusal) Unwrap() error { return r.err }

// subscribe is the subscriber: one goroutine, from the first Watch until close.
func (h *watches) subscribe() {
	defer close(h.done)
	pause := firstPause
	var lost time.Time // zero: nothing is amiss
	for {
		for h.idle() {
			select {
			case <-h.wake:
			case <-h.b.closing:
				return
			}
		}
		s := &session{h: h, on: make(map[string]struct{}), stood: func() {
			if !lost.IsZero() {
				h.b.log.Info("the subscription to results was restored", "backend", h.b.settings.endpoint.String(), "after", time.Since(lost))
			}
			pause, lost = firstPause, time.Time{}
		}}
		err := s.run()
		if h.b.isClosed() {
			return
		}
		if errors.Is(err, errIdle) {
			continue
		}
		if lost.IsZero() { // told once, however often restoring fails
			lost = time.Now()
			h.b.log.Warn("the subscription to results was lost and will be restored", "backend", h.b.settings.endpoint.String(),
				"watched", h.watched(), "error", h.b.settings.explain(err))
		}
		h.giveUp(err)
		timer := time.NewTimer(pause/2 + rand.N(pause/2))
		select {
		case <-timer.C:
		case <-h.b.closing:
			timer.Stop()
			return
		}
		pause = min(2*pause, longestPause)
	}
}

// giveUp releases those who wait for a subscription: they must not wait for the server to come back.
func (h *watches) giveUp(err error) {
	p := h.take()
	var no *refusal
	if errors.As(err, &no) {
		p.refused = h.b.settings.explain(no.err)
	}
	close(p.settled)
}

// A session is the life of one connection for subscriptions. All of it belongs to the subscriber's goroutine, but for
// hear, which the client calls while it reads.
type session struct {
	h     *watches
	conn  rueidis.DedicatedClient
	on    map[string]struct{} // ids that Redis has subscribed
	stood func()              // called once all subscriptions are made and what is stored has been read
}

// run subscribes and reads until the connection is lost, nobody watches, or the backend is closed.
func (s *session) run() error {
	b := s.h.b
	conn, release := b.client.Dedicate()
	defer release()
	defer conn.Close()
	s.conn = conn
	prefix := b.settings.prefix + taskKey
	lost := conn.SetPubSubHooks(rueidis.PubSubHooks{OnMessage: func(m rueidis.PubSubMessage) {
		if id, ours := strings.CutPrefix(m.Channel, prefix); ours {
			s.h.hear(id, m.Message)
		}
	}})
	// A new connection knows nothing: all topics are news to it.
	p := s.h.take()
	if err := s.apply(p, s.h.all()); err != nil {
		return err
	}
	s.stood()
	reread := time.NewTicker(rereadEvery)
	defer reread.Stop()
	idle := time.NewTimer(linger)
	defer idle.Stop()
	for {
		select {
		case err := <-lost:
			return lossOf(err)
		case <-b.closing:
			return errClosed
		case <-s.h.wake:
			p := s.h.take()
			ids := make([]string, 0, len(p.ids))
			for id := range p.ids {
				ids = append(ids, id)
			}
			if err := s.apply(p, ids); err != nil {
				return err
			}
			idle.Reset(linger)
		case <-reread.C:
			if err := s.read(s.h.all()); err != nil {
				return err
			}
		case <-idle.C:
			if s.h.watched() == 0 {
				return errIdle
			}
		}
	}
}

func lossOf(err error) error {
	if err == nil {
		err = errors.New("the connection ended")
	}
	return err
}

func (h *watches) all() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	ids := make([]string, 0, len(h.topics))
	for id := range h.topics {
		ids = append(ids, id)
	}
	return ids
}

// apply makes Redis's subscriptions what watchers want for these ids, releases those who wait for the pass, and reads
// what is there already.
func (s *session) apply(p *pass, ids []string) error {
	var begin, end, read []string
	s.h.mu.Lock()
	for _, id := range ids {
		_, on := s.on[id]
		switch wanted := s.h.topics[id] != nil; {
		case wanted:
			read = append(read, id)
			if !on {
				begin = append(begin, id)
			}
		case on:
			end = append(end, id)
		}
	}
	s.h.mu.Unlock()
	err := s.change(begin, end)
	var no *refusal
	if errors.As(err, &no) {
		p.refused = s.h.b.settings.explain(no.err)
	}
	close(p.settled)
	if err != nil {
		return err
	}
	return s.read(read)
}

func (s *session) change(begin, end []string) error {
	b := s.h.b
	for ids := range slices.Chunk(begin, subscribeKeys) {
		if err := s.do(b.client.B().Subscribe().Channel(b.keys(ids)...).Build()).Error(); err != nil {
			if _, ok := rueidis.IsRedisErr(err); ok && !b.settings.transient(err) {
				return &refusal{fmt.Errorf("subscribe: %w", err)}
			}
			return fmt.Errorf("subscribe: %w", err)
		}
		for _, id := range ids {
			s.on[id] = struct{}{}
		}
	}
	for ids := range slices.Chunk(end, subscribeKeys) {
		if err := s.do(b.client.B().Unsubscribe().Channel(b.keys(ids)...).Build()).Error(); err != nil {
			return fmt.Errorf("unsubscribe: %w", err)
		}
		for _, id := range ids {
			delete(s.on, id)
		}
	}
	return nil
}

// read tells watchers of the documents that are stored now.
func (s *session) read(ids []string) error {
	for ids := range slices.Chunk(ids, readKeys) {
		readings := s.h.beginReading(ids)
		if len(readings) == 0 {
			continue
		}
		keys := make([]string, len(readings))
		for i, r := range readings {
			keys[i] = r.t.id
		}
		texts, err := s.do(s.h.b.mget(keys)).ToArray()
		if err != nil {
			return fmt.Errorf("read what is waited for: %w", err)
		}
		for i, m := range texts {
			if text, err := m.ToString(); err == nil { // else there is none
				s.h.read(readings[i], text)
			}
		}
	}
	return nil
}

func (s *session) do(c rueidis.Completed) rueidis.RedisResult {
	ctx, cancel := context.WithTimeout(context.Background(), s.h.b.settings.socketTimeout)
	defer cancel()
	return s.conn.Do(ctx, c)
}
