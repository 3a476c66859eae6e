package database

import (
	"context"
	"fmt"
	"sync"

	"github.com/jackc/pgx/v5"

	"github.com/umbel-go/umbel/backend"
	"github.com/umbel-go/umbel/internal/watch"
)

const postgresScheme = "postgres"

// postgres is the dialect of a PostgreSQL database: a few pooled connections, one goroutine that writes for all, and one
// connection that listens once somebody watches.
type postgres struct {
	url     string // masked, for errors
	table   string // quoted
	lines   *lines
	pool    *pool
	writer  *writer
	ear     *ear
	expires *int64 // milliseconds a document lives; nil: for ever

	selectMany, drop, expired string
}

func openPostgres(ctx context.Context, c backend.Config) (backend.Backend, error) {
	c = c.WithDefaults()
	n, err := options(c, postgresScheme)
	if err != nil {
		return nil, err
	}
	cfg, err := pgx.ParseConfig(c.URL)
	if err != nil {
		return nil, &OpenError{URL: maskURL(c.URL), Op: "read the URL", Err: maskError(err, c.URL),
			Hint: "it is postgres://user:password@host:port/database?sslmode=…, with special characters of the password percent-encoded"}
	}
	if cfg.RuntimeParams["application_name"] == "" {
		cfg.RuntimeParams["application_name"] = "umbel results"
	}
	l := newLines()
	cfg.DialFunc = l.dial
	cfg.ConnectTimeout = c.ConnectTimeout

	opening, cancel := bounded(ctx, c)
	defer cancel()
	entry := newDoor(cfg, c)
	d := &postgres{url: maskURL(c.URL), lines: l, pool: newPool(entry, l, n.connections)}
	table := pgx.Identifier{n.table}
	if n.schema != "" {
		table = pgx.Identifier{n.schema, n.table}
	}
	if err := d.pool.do(opening, func(ctx context.Context, conn *pgx.Conn) error { return migratePostgres(ctx, conn, n) }); err != nil {
		d.pool.close()
		l.end()
		return nil, openError(opening, d.url, cfg, err)
	}
	if ms := expiry(c.Expires); ms > 0 {
		d.expires = &ms
	}
	d.table = table.Sanitize()
	d.statements(d.table)
	s := newStore(c)
	d.writer = newWriter(d.pool, table.Sanitize(), channel(n), d.expires)
	d.ear = &ear{door: entry, lines: l, channel: channel(n), board: s.board, nudge: s.follower.nudge, log: c.Log, url: d.url}
	return s.start(d), nil
}

// channel is what writers notify and watchers listen to. PostgreSQL has one name space of channels per database.
func channel(n names) string {
	if n.schema == "" {
		return n.table
	}
	return n.schema + "." + n.table
}

func (d *postgres) statements(table string) {
	d.selectMany = `SELECT id, status, content, encoding, document, version FROM ` + table + `
WHERE id = ANY($1) AND (expires IS NULL OR expires > now())`
	d.drop = `DELETE FROM ` + table + ` WHERE id = ANY($1)`
	d.expired = `DELETE FROM ` + table + ` WHERE id IN
(SELECT id FROM ` + table + ` WHERE expires <= now() ORDER BY expires LIMIT $1 FOR UPDATE SKIP LOCKED)`
}

func (d *postgres) write(ctx context.Context, rows []row) error { return d.writer.write(ctx, rows) }

func (d *postgres) read(ctx context.Context, ids []string, each func(row) error) error {
	return d.pool.do(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		found, err := conn.Query(ctx, d.selectMany, storable(ids))
		if err != nil {
			return d.explain("read", err)
		}
		defer found.Close()
		var all []row // each is called once, also when the query must be repeated
		for found.Next() {
			var r row
			if err := found.Scan(&r.id, &r.status, &r.content, &r.encoding, &r.document, &r.version); err != nil {
				return d.explain("read", err)
			}
			all = append(all, r)
		}
		if err := found.Err(); err != nil {
			return d.explain("read", err)
		}
		for _, r := range all {
			if err := each(r); err != nil {
				return err
			}
		}
		return nil
	})
}

func (d *postgres) forget(ctx context.Context, ids []string) error {
	return d.pool.do(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, d.drop, storable(ids))
		return d.explain("delete from", err)
	})
}

// cleanup removes five thousand at a time, so that no transaction is long, and leaves rows alone that others write.
func (d *postgres) cleanup(ctx context.Context) (int, error) {
	const some = 5000
	total := 0
	for {
		var n int
		err := d.pool.do(ctx, func(ctx context.Context, conn *pgx.Conn) error {
			tag, err := conn.Exec(ctx, d.expired, some)
			n = int(tag.RowsAffected())
			return d.explain("delete from", err)
		})
		if err != nil {
			return total, err
		}
		total += n
		if n < some {
			return total, nil
		}
	}
}

func (d *postgres) follow(ctx context.Context) error {
	return d.explain("listen to", d.ear.follow(ctx))
}
func (d *postgres) changes(context.Context) ([]string, error) { return d.ear.heard(), nil }

func (d *postgres) traits() backend.Traits { return backend.Traits{Persistent: true, Remote: true} }

// close ends the writer, which fails what waits, the ear and every connection.
func (d *postgres) close() error {
	var ends sync.WaitGroup
	ends.Go(d.ear.close)
	ends.Go(d.writer.close)
	ends.Wait()
	d.pool.close()
	d.lines.end()
	return nil
}

func (d *postgres) explain(op string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s %s: %w", op, d.url, err)
}

var errClosed = watch.ErrClosed
