package database

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/umbel-go/umbel/backend"
	"github.com/umbel-go/umbel/internal/sqlitefile"
	"github.com/umbel-go/umbel/internal/watch"
	"github.com/umbel-go/umbel/protocol"
)

const sqliteScheme = "sqlite"

// sqlite is the dialect of one file, which the embedded broker may have open too: their writes share transactions.
type sqlite struct {
	file    *sqlitefile.File
	table   string
	expires int64 // milliseconds a document lives; 0: for ever
	board   *watch.Board
	nudge   func()

	insert, selectOne, drop, newer, latest, expired string

	mu       sync.Mutex
	unlisten func() // set by follow

	last  int64 // owned by the follower: the latest version it has seen
	stale bool  // owned by the follower: nobody watched, so last is not kept up
}

// openSQLite opens or creates the file and its table.
func openSQLite(ctx context.Context, c backend.Config) (backend.Backend, error) {
	c = c.WithDefaults()
	n, err := options(c, sqliteScheme)
	if err != nil {
		return nil, err
	}
	path, err := filePath(c.URL)
	if err != nil {
		return nil, fmt.Errorf("open result backend %s: %w", maskURL(c.URL), err)
	}
	ctx, cancel := bounded(ctx, c)
	defer cancel()
	file, err := sqlitefile.Open(path, sqlitefile.Options{Log: c.Log})
	if err != nil {
		return nil, fmt.Errorf("open result backend %s: %w", maskURL(c.URL), err)
	}
	if err := file.Migrate(ctx, n.table, sqliteSteps(n.table)); err != nil {
		file.Close()
		return nil, fmt.Errorf("open result backend %s: %w", maskURL(c.URL), err)
	}
	s := newStore(c)
	d := &sqlite{file: file, table: n.table, expires: expiry(c.Expires), board: s.board, nudge: s.follower.nudge, stale: true}
	d.statements()
	return s.start(d), nil
}

// filePath is the path that a URL names: sqlite://umbel.db is relative, sqlite:///umbel.db absolute, sqlite:// umbel.db.
func filePath(u string) (string, error) {
	_, path, _ := strings.Cut(u, "://")
	if i := strings.IndexAny(path, "?#"); i >= 0 {
		return "", fmt.Errorf("a SQLite URL is sqlite://path and nothing else: %q is not understood", path[i:])
	}
	path, err := url.PathUnescape(path)
	if err != nil {
		return "", fmt.Errorf("path: %w", err)
	}
	switch path {
	case "":
		return "umbel.db", nil
	case ":memory:", "/:memory:":
		return "", fmt.Errorf("SQLite in memory is seen by one connection only: use memory://, or a file")
	}
	return path, nil
}

// sqliteSteps lead from an empty file to today's tables. The version is the rowid: replacing a row gives it a new one,
// larger than all before (AUTOINCREMENT), so what changed since a version is a range of the table. The document comes
// last, so that reading the other columns skips it.
func sqliteSteps(table string) []string {
	return []string{
		`CREATE TABLE ` + table + ` (
	version  INTEGER PRIMARY KEY AUTOINCREMENT,
	id       TEXT NOT NULL UNIQUE,
	status   TEXT NOT NULL,
	expires  INTEGER, -- unix milliseconds; NULL is never
	content  TEXT NOT NULL,
	encoding TEXT NOT NULL,
	document BLOB NOT NULL
);
CREATE INDEX ` + table + `_expires ON ` + table + ` (expires) WHERE expires IS NOT NULL`,
		chordSteps(table, "BLOB"),
		ledgerStep(table),
		scheduleSteps(table, "BLOB"),
	}
}

func (d *sqlite) statements() {
	d.insert = `INSERT OR REPLACE INTO ` + d.table + ` (id, status, expires, content, encoding, document)
SELECT ?1, ?2, ?3, ?4, ?5, ?6 WHERE NOT EXISTS
(SELECT 1 FROM ` + d.table + ` WHERE id = ?1 AND status = '` + string(protocol.Success) + `' AND (expires IS NULL OR expires > ?7))`
	d.selectOne = `SELECT id, status, content, encoding, document, version FROM ` + d.table + ` WHERE id = ? AND (expires IS NULL OR expires > ?)`
	d.drop = `DELETE FROM ` + d.table + ` WHERE id = ?`
	d.newer = `SELECT version, id FROM ` + d.table + ` WHERE version > ? ORDER BY version LIMIT ?`
	d.latest = `SELECT coalesce(max(version), 0) FROM ` + d.table
	d.expired = `DELETE FROM ` + d.table + ` WHERE version IN (SELECT version FROM ` + d.table + ` WHERE expires <= ? LIMIT ?)`
}

// topic is what is rung when results were written.
func (d *sqlite) topic() string { return "results/" + d.table }

func (d *sqlite) write(ctx context.Context, rows []row) error {
	return d.file.Write(ctx, func(tx *sqlitefile.Tx) error {
		now := time.Now().UnixMilli()
		var expires any
		if d.expires > 0 {
			expires = now + d.expires
		}
		for _, r := range rows {
			if _, err := tx.Exec(d.insert, r.id, r.status, expires, r.content, r.encoding, r.document, now); err != nil {
				return err
			}
		}
		tx.Ring(d.topic())
		return nil
	})
}

func (d *sqlite) read(ctx context.Context, ids []string, each func(row) error) error {
	return d.file.Read(ctx, func(tx *sqlitefile.Tx) error {
		now := time.Now().UnixMilli()
		for _, id := range ids {
			var r row
			ok, err := tx.Get(d.selectOne, []any{id, now}, &r.id, &r.status, &r.content, &r.encoding, &r.document, &r.version)
			if err != nil {
				return err
			}
			if ok {
				if err := each(r); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

func (d *sqlite) forget(ctx context.Context, ids []string) error {
	for len(ids) > 0 {
		some := ids[:min(together, len(ids))]
		ids = ids[len(some):]
		err := d.file.Write(ctx, func(tx *sqlitefile.Tx) error {
			for _, id := range some {
				if _, err := tx.Exec(d.drop, id); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// cleanup removes a thousand at a time: the broker's writes wait meanwhile.
func (d *sqlite) cleanup(ctx context.Context) (int, error) {
	const some = 1000
	total, now := 0, time.Now().UnixMilli()
	for {
		var n int
		err := d.file.Write(ctx, func(tx *sqlitefile.Tx) error {
			r, err := tx.Exec(d.expired, now, some)
			n = int(r.Rows)
			return err
		})
		total += n
		if err != nil || n < some {
			return total, err
		}
	}
}

func (d *sqlite) follow(context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.unlisten = d.file.Listen(d.topic(), d.nudge)
	return nil
}

// changes are the watched ids of the rows written since the last call.
func (d *sqlite) changes(ctx context.Context) ([]string, error) {
	if d.board.Idle() {
		d.stale = true
		return nil, nil
	}
	if d.stale {
		// Everybody who watches now has just begun, and is read in this pass or the next: only what comes later is new.
		err := d.file.Read(ctx, func(tx *sqlitefile.Tx) error {
			_, err := tx.Get(d.latest, nil, &d.last)
			return err
		})
		d.stale = err != nil
		return nil, err
	}
	const some = 1000
	var ids []string
	for {
		n, last := 0, d.last
		var found []string
		err := d.file.Read(ctx, func(tx *sqlitefile.Tx) error {
			rows, err := tx.Query(d.newer, last, some)
			if err != nil {
				return err
			}
			for rows.Next() {
				var id string
				if err := rows.Scan(&last, &id); err != nil {
					return err
				}
				n++
				found = append(found, id)
			}
			return rows.Err()
		})
		if err != nil {
			return nil, err
		}
		d.last = last
		for _, id := range found {
			if d.board.Watched(id) {
				ids = append(ids, id)
			}
		}
		if n < some {
			return ids, nil
		}
	}
}

func (d *sqlite) traits() backend.Traits { return backend.Traits{Persistent: true} }

func (d *sqlite) close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.unlisten != nil {
		d.unlisten()
		d.unlisten = nil
	}
	return d.file.Close()
}
