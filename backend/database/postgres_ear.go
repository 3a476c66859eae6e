package database

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/umbel-go/umbel/internal/watch"
)

// An ear is the one connection that listens for all watchers of a store. It opens with the first of them. When it is
// lost it comes back by itself, and everything that is watched is read again.
type ear struct {
	door    *door
	lines   *lines
	channel string
	board   *watch.Board
	nudge   func()
	log     *slog.Logger
	url     string // masked

	mu     sync.Mutex
	ids    map[string]struct{} // watched, told of, and not yet taken by the follower
	all    bool                // everything watched must be looked at
	cancel context.CancelFunc  // set while the goroutine runs
	done   chan struct{}
	closed bool
}

// follow opens the connection; once it returns without error no later notice is missed.
func (e *ear) follow(ctx context.Context) error {
	own, cancel := context.WithCancel(context.Background())
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		cancel()
		return errClosed
	}
	e.cancel, e.done = cancel, make(chan struct{})
	done := e.done
	e.mu.Unlock()

	first, stop := context.WithCancel(ctx)
	defer stop()
	defer context.AfterFunc(own, stop)()
	conn, err := e.listen(first)
	if err != nil {
		close(done)
		if own.Err() != nil {
			err = errClosed
		}
		cancel()
		return err
	}
	go e.run(own, conn, done)
	return nil
}

func (e *ear) listen(ctx context.Context) (*pgx.Conn, error) {
	conn, err := e.door.open(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := conn.Exec(ctx, "LISTEN "+pgx.Identifier{e.channel}.Sanitize()); err != nil {
		e.lines.hangUp(conn)
		return nil, err
	}
	return conn, nil
}

// run is the ear's goroutine: it takes notices until close.
func (e *ear) run(ctx context.Context, conn *pgx.Conn, done chan struct{}) {
	defer close(done)
	for {
		err := e.take(ctx, conn)
		e.lines.hangUp(conn)
		if ctx.Err() != nil {
			return
		}
		e.log.Warn("the connection that listens for results is lost: reconnecting", "url", e.url, "error", err)
		lost := time.Now()
		for wait := time.Duration(0); ; wait = min(max(2*wait, firstPause), longestPause) {
			if wait > 0 && !pause(ctx, wait) {
				return
			}
			if conn, err = e.listen(ctx); err == nil {
				break
			}
			if ctx.Err() != nil {
				return
			}
			e.log.Warn("cannot listen for results: trying again", "url", e.url, "error", err)
		}
		e.log.Info("listening for results again", "url", e.url, "lost_for", time.Since(lost).Round(time.Millisecond))
		e.note(nil, true)
	}
}

// take passes notices on until the connection or ctx ends.
func (e *ear) take(ctx context.Context, conn *pgx.Conn) error {
	for {
		n, err := conn.WaitForNotification(ctx)
		if err != nil {
			return err
		}
		var ids []string
		if n.Payload == noticeAll {
			e.note(nil, true)
		} else if err := json.Unmarshal([]byte(n.Payload), &ids); err != nil {
			e.log.Warn("a notice of results is not understood: reading all that is awaited", "channel", e.channel,
				"error", fmt.Sprintf("%.200s: %v", n.Payload, err))
			e.note(nil, true)
		} else {
			e.note(ids, false)
		}
	}
}

// note keeps what is watched for the follower.
func (e *ear) note(ids []string, all bool) {
	e.mu.Lock()
	news := all
	e.all = e.all || all
	for _, id := range ids {
		if e.board.Watched(id) {
			if e.ids == nil {
				e.ids = make(map[string]struct{})
			}
			e.ids[id] = struct{}{}
			news = true
		}
	}
	e.mu.Unlock()
	if news {
		e.nudge()
	}
}

// heard are the ids to look at.
func (e *ear) heard() []string {
	e.mu.Lock()
	ids, all := e.ids, e.all
	e.ids, e.all = nil, false
	e.mu.Unlock()
	if all {
		return e.board.IDs()
	}
	list := make([]string, 0, len(ids))
	for id := range ids {
		list = append(list, id)
	}
	return list
}

// close ends the goroutine and the connection.
func (e *ear) close() {
	e.mu.Lock()
	e.closed = true
	cancel, done := e.cancel, e.done
	e.mu.Unlock()
	if cancel != nil {
		cancel()
		<-done
	}
}
