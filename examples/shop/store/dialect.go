package store

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	_ "github.com/jackc/pgx/v5/stdlib" // driver "pgx"
	_ "modernc.org/sqlite"             // driver "sqlite"
)

// A dialect is all in which the two databases differ: how they are reached, how a statement names its values, and words of
// the schema.
type dialect interface {
	open() (write, read *sql.DB, err error)
	place() string
	bind(query string) string

	// stream reads rows that are many, one by one, all as they stood when it began.
	stream(ctx context.Context, read *sql.DB, each func(row scanner) error, query string, args ...any) error

	// schema turns the words in braces of a schema into those of the database.
	schema(text string) string

	// turn lets one process at a time change the schema; it is given back with the transaction.
	turn(ctx context.Context, t *tx) error

	// table tells whether there is a table of this name.
	table(ctx context.Context, t *tx, name string) (bool, error)
}

func dialectOf(location string) dialect {
	if strings.HasPrefix(location, "postgres://") || strings.HasPrefix(location, "postgresql://") {
		return postgres{url: location}
	}
	return sqlite{path: strings.TrimPrefix(location, "sqlite://")}
}

type sqlite struct{ path string }

// open gives SQLite one connection to write with, since it has one writer at a time, and waiting for it in Go is fair.
func (s sqlite) open() (write, read *sql.DB, err error) {
	// WAL lets readers go on while one writes; busy_timeout (ms) waits for a writer in another process. What is committed
	// is on the disk: a message that tells of a row must not outlive it.
	query := url.Values{"_pragma": {"busy_timeout(10000)", "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(1)"}, "_txlock": {"immediate"}}
	dsn := (&url.URL{Scheme: "file", Opaque: url.PathEscape(s.path), RawQuery: query.Encode()}).String()
	if write, err = sql.Open("sqlite", dsn); err != nil {
		return nil, nil, err
	}
	write.SetMaxOpenConns(1)
	if read, err = sql.Open("sqlite", dsn); err != nil {
		_ = write.Close()
		return nil, nil, err
	}
	read.SetMaxOpenConns(8) // more would only wait for the same file
	return write, read, nil
}

func (sqlite) stream(ctx context.Context, read *sql.DB, each func(row scanner) error, query string, args ...any) error {
	rows, err := read.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	return scanAll(ctx, rows, each)
}

func (s sqlite) place() string          { return s.path }
func (sqlite) bind(query string) string { return query }

func (sqlite) schema(text string) string {
	return strings.NewReplacer("{id}", "INTEGER PRIMARY KEY AUTOINCREMENT", "{int}", "INTEGER",
		"{refuse audit}", `CREATE TRIGGER audit_stays BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'the audit trail is only ever appended to'); END;
CREATE TRIGGER audit_keeps BEFORE DELETE ON audit WHEN old.at > (unixepoch() - 90 * 86400) * 1000
BEGIN SELECT RAISE(ABORT, 'the audit trail keeps everything for 90 days'); END;`).Replace(text)
}

func (sqlite) turn(context.Context, *tx) error { return nil } // every transaction begins as the only writer

func (sqlite) table(ctx context.Context, t *tx, name string) (is bool, err error) {
	err = t.row(ctx, `SELECT count(*) > 0 FROM sqlite_master WHERE type = 'table' AND name = ?`, name).Scan(&is)
	return is, err
}

type postgres struct{ url string }

// mostConnections is how many connections of PostgreSQL one process takes.
const mostConnections = 10

func (p postgres) open() (write, read *sql.DB, err error) {
	db, err := sql.Open("pgx", p.url)
	if err != nil {
		return nil, nil, fmt.Errorf("%s", strings.ReplaceAll(err.Error(), p.url, p.place()))
	}
	db.SetMaxOpenConns(mostConnections)
	db.SetMaxIdleConns(mostConnections)
	return db, db, nil
}

// page is how many rows of a stream PostgreSQL makes at a time: a fraction of a millisecond's work.
const page = 500

// stream takes rows from a cursor. A statement without one would have the server make all it can at once, at full tilt, whatever the
// priority of the process that asked: others of the same machine would wait for it.
func (p postgres) stream(ctx context.Context, read *sql.DB, each func(row scanner) error, query string, args ...any) error {
	return transact(ctx, p, read, func(t *tx) error {
		if err := t.exec(ctx, "DECLARE stream NO SCROLL CURSOR FOR "+query, args...); err != nil {
			return err
		}
		for n := page; n == page; {
			n = 0
			rows, err := t.tx.QueryContext(ctx, fmt.Sprintf("FETCH %d FROM stream", page))
			if err != nil {
				return err
			}
			if err := scanAll(ctx, rows, func(row scanner) error { n++; return each(row) }); err != nil {
				return err
			}
		}
		return nil
	})
}

func (p postgres) place() string {
	u, err := url.Parse(p.url)
	if err != nil {
		return "postgres://…"
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}

// bind writes $1, $2 … for each ?. No statement of the shop has a question mark within a text.
func (postgres) bind(query string) string {
	var b strings.Builder
	n := 0
	for part := range strings.SplitSeq(query, "?") {
		if n > 0 {
			b.WriteString("$" + strconv.Itoa(n))
		}
		b.WriteString(part)
		n++
	}
	return b.String()
}

func (postgres) schema(text string) string {
	return strings.NewReplacer("{id}", "BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY", "{int}", "BIGINT",
		"{refuse audit}", `CREATE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
	IF TG_OP = 'DELETE' AND old.at <= (extract(epoch FROM now()) - 90 * 86400) * 1000 THEN RETURN old; END IF;
	IF TG_OP = 'DELETE' THEN RAISE EXCEPTION 'the audit trail keeps everything for 90 days'; END IF;
	RAISE EXCEPTION 'the audit trail is only ever appended to';
END $$;
CREATE TRIGGER audit_stays BEFORE UPDATE OR DELETE ON audit FOR EACH ROW EXECUTE FUNCTION audit_refuse();
CREATE TRIGGER audit_all_stays BEFORE TRUNCATE ON audit FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse();`).Replace(text)
}

func (postgres) turn(ctx context.Context, t *tx) error {
	return t.exec(ctx, `SELECT pg_advisory_xact_lock(7467)`) // any number that is ours alone in this database
}

func (postgres) table(ctx context.Context, t *tx, name string) (is bool, err error) {
	err = t.row(ctx, `SELECT count(*) > 0 FROM information_schema.tables WHERE table_schema = current_schema() AND table_name = ?`, name).Scan(&is)
	return is, err
}
