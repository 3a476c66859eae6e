package database

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/umbel-go/umbel/backend"
	"github.com/umbel-go/umbel/protocol"
)

const (
	// One transaction takes at most so many rows and bytes, or one caller's rows however many.
	mostRows  = 1000
	mostBytes = 16 << 20

	// writeTimeout bounds one transaction, so that a server that does not answer cannot hold all writers for ever.
	writeTimeout = 30 * time.Second

	// largestNotice is a little less than the 8000 bytes that NOTIFY takes.
	largestNotice = 7900

	// noticeAll tells listeners to look at everything they watch: an id did not fit into a notice.
	noticeAll = "*"
)

// A writer is the one goroutine that writes for all callers: those who come while a transaction is under way are the
// next one together, so many writers cost one round trip and one flush to disk. It waits for nobody.
type writer struct {
	pool    *pool
	channel string
	expires *int64
	upsert  string

	mu      sync.Mutex
	waiting []*write
	closed  bool
	wake    chan struct{} // cap 1
	quit    chan struct{}
	done    chan struct{}
}

// A write is one caller's rows.
type write struct {
	rows  []row
	bytes int
	done  chan error // cap 1: the caller may have left
}

func newWriter(p *pool, table, channel string, expires *int64) *writer {
	w := &writer{pool: p, channel: channel, expires: expires,
		wake: make(chan struct{}, 1), quit: make(chan struct{}), done: make(chan struct{})}
	sequence := "'" + strings.TrimSuffix(table, `"`) + `_version"'::regclass`
	// The version is drawn in each branch, because the one of VALUES is drawn before the row is locked.
	w.upsert = `INSERT INTO ` + table + ` AS r (id, status, version, content, encoding, document, expires)
SELECT id, status, nextval(` + sequence + `), content, encoding, document, now() + $6::bigint * interval '1 millisecond'
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bytea[]) AS n (id, status, content, encoding, document)
ON CONFLICT (id) DO UPDATE SET status = excluded.status, version = nextval(` + sequence + `), stored = excluded.stored,
	expires = excluded.expires, content = excluded.content, encoding = excluded.encoding, document = excluded.document
WHERE r.status <> '` + string(protocol.Success) + `' OR r.expires <= now()`
	go w.run()
	return w
}

// write returns when the rows are committed. When ctx ends before, they are not written if their turn had not come; else
// they may be.
func (w *writer) write(ctx context.Context, rows []row) error {
	one := &write{rows: rows, done: make(chan error, 1)}
	for _, r := range rows {
		if !textual(r.id) || !textual(r.status) {
			return backend.Unstorable(fmt.Errorf("PostgreSQL cannot hold the task id %q or its state %q: text there is UTF-8 without NUL", r.id, r.status))
		}
		one.bytes += len(r.document)
	}
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	w.mu.Lock()
	if w.closed {
		w.mu.Unlock()
		return errClosed
	}
	w.waiting = append(w.waiting, one)
	w.mu.Unlock()
	select {
	case w.wake <- struct{}{}:
	default:
	}
	select {
	case err := <-one.done:
		return err
	case <-ctx.Done():
	}
	w.mu.Lock()
	i := slices.Index(w.waiting, one)
	if i >= 0 {
		w.waiting = slices.Delete(w.waiting, i, i+1)
	}
	w.mu.Unlock()
	if i >= 0 {
		return fmt.Errorf("not written: %w", context.Cause(ctx))
	}
	return fmt.Errorf("it may have been written or not: %w", context.Cause(ctx))
}

// textual reports whether PostgreSQL's text can hold s.
func textual(s string) bool { return utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 }

// storable leaves out ids that cannot be in the table, since a query that names them would fail.
func storable(ids []string) []string {
	if i := slices.IndexFunc(ids, func(id string) bool { return !textual(id) }); i < 0 {
		return ids
	}
	return slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return !textual(id) })
}

// run is the writer's goroutine.
func (w *writer) run() {
	defer close(w.done)
	for {
		select {
		case <-w.quit:
			w.mu.Lock()
			for _, one := range w.waiting {
				one.done <- errClosed
			}
			w.waiting = nil
			w.mu.Unlock()
			return
		case <-w.wake:
		}
		for batch := w.gather(); len(batch) > 0; batch = w.gather() {
			w.round(batch)
		}
	}
}

// gather takes those who wait, as many as fit.
func (w *writer) gather() []*write {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return nil // run tells them
	}
	n, rows, bytes := 0, 0, 0
	for n < len(w.waiting) {
		rows += len(w.waiting[n].rows)
		bytes += w.waiting[n].bytes
		if n > 0 && (rows > mostRows || bytes > mostBytes) {
			break
		}
		n++
	}
	batch := slices.Clone(w.waiting[:n])
	w.waiting = slices.Delete(w.waiting, 0, n)
	return batch
}

// round writes a batch, and when the server refuses it each of its writes alone, so that one caller's bad row is nobody
// else's.
func (w *writer) round(batch []*write) {
	err := w.commit(batch)
	var refused *pgconn.PgError
	if len(batch) == 1 || !errors.As(err, &refused) {
		for _, one := range batch {
			one.done <- err
		}
		return
	}
	for _, one := range batch {
		one.done <- w.commit([]*write{one})
	}
}

// commit writes a batch in one transaction of one round trip.
func (w *writer) commit(batch []*write) error {
	rows := fold(batch)
	ids, status := make([]string, len(rows)), make([]string, len(rows))
	content, encoding, document := make([]string, len(rows)), make([]string, len(rows)), make([][]byte, len(rows))
	for i, r := range rows {
		ids[i], status[i], content[i], encoding[i], document[i] = r.id, r.status, r.content, r.encoding, r.document
	}
	ctx, cancel := context.WithTimeoutCause(context.Background(), writeTimeout, fmt.Errorf("the server has not answered within %v", writeTimeout))
	defer cancel()
	err := w.pool.do(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		b := &pgx.Batch{} // without BEGIN: what is sent together is one transaction
		b.Queue(w.upsert, ids, status, content, encoding, document, w.expires)
		b.Queue("SELECT pg_notify($1, notice) FROM unnest($2::text[]) AS notice", w.channel, notices(ids))
		return conn.SendBatch(ctx, b).Close()
	})
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if refusesData(err) {
		return backend.Unstorable(err)
	}
	return err
}

// refusesData reports whether the server found fault with a row itself, such as an id that is too long for an index: class
// 22 is data exceptions, 54 limits of the program.
func refusesData(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && (strings.HasPrefix(pg.Code, "22") || strings.HasPrefix(pg.Code, "54"))
}

// fold makes of a batch what PostgreSQL takes in one statement: one row per id, the one that would remain if they were
// written one after the other, in the order of ids so that transactions of several processes do not deadlock.
func fold(batch []*write) []row {
	var rows []row
	for _, one := range batch {
		rows = append(rows, one.rows...)
	}
	slices.SortStableFunc(rows, func(a, b row) int { return cmp.Compare(a.id, b.id) })
	kept := rows[:0]
	for _, r := range rows {
		last := len(kept) - 1
		switch {
		case last < 0 || kept[last].id != r.id:
			kept = append(kept, r)
		case kept[last].status != string(protocol.Success):
			kept[last] = r
		}
	}
	return kept
}

// notices pack ids into as few payloads as NOTIFY allows, each a JSON array.
func notices(ids []string) []string {
	var all []string
	payload := []byte{'['}
	for _, id := range ids {
		text, err := json.Marshal(id)
		if err != nil || len(text)+2 > largestNotice {
			return []string{noticeAll}
		}
		if len(payload)+1+len(text)+1 > largestNotice {
			all = append(all, string(append(payload, ']')))
			payload = []byte{'['}
		}
		if len(payload) > 1 {
			payload = append(payload, ',')
		}
		payload = append(payload, text...)
	}
	return append(all, string(append(payload, ']')))
}

// close fails those who wait and ends the goroutine; what is being written is interrupted.
func (w *writer) close() {
	w.mu.Lock()
	if w.closed {
		w.mu.Unlock()
		return
	}
	w.closed = true
	w.mu.Unlock()
	close(w.quit)
	w.pool.cancel()
	<-w.done
}
