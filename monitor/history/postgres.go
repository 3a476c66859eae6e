package history

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// postgres is a history in a schema of its own, umbel_monitor, of a database.
type postgres struct {
	pool  *pgxpool.Pool
	from  int64 // of the index of texts
	texts bool  // there is one
}

const postgresSchema = "umbel_monitor"

// postgresTurn is the advisory lock that programs which start at once take before they look at the tables.
const postgresTurn = 0x756d62656c6d6f6e

const postgresAudit = `
CREATE FUNCTION audit_stays() RETURNS trigger LANGUAGE plpgsql AS
	$$ BEGIN RAISE EXCEPTION 'the audit log is only added to'; END $$;
CREATE TRIGGER audit_stays BEFORE UPDATE OR DELETE ON audit FOR EACH ROW EXECUTE FUNCTION audit_stays();
CREATE TRIGGER audit_remains BEFORE TRUNCATE ON audit FOR EACH STATEMENT EXECUTE FUNCTION audit_stays();`

// openPostgres connects. kept names the secret that url was read from, "" if there is none.
func openPostgres(ctx context.Context, url, kept string, h *Config) (*postgres, error) {
	c, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, err // pgx hides the password
	}
	c.MaxConns = 8
	c.ConnConfig.RuntimeParams["search_path"] = postgresSchema
	c.ConnConfig.RuntimeParams["application_name"] = "umbel monitor"
	if kept != "" {
		rotate(c, kept, url)
	}
	pool, err := pgxpool.NewWithConfig(ctx, c)
	if err != nil {
		return nil, err
	}
	d := &postgres{pool: pool}
	if h.Existing {
		var is bool
		if err = pool.QueryRow(ctx, `SELECT to_regclass('`+postgresSchema+`.tasks') IS NOT NULL`).Scan(&is); err == nil && !is {
			err = fmt.Errorf("%w: this database has no schema %s with tasks", ErrNotFound, postgresSchema)
		}
		if err != nil {
			pool.Close()
			return nil, err
		}
	}
	if err := d.migrate(ctx); err != nil {
		pool.Close()
		return nil, err
	}
	if err := d.prepareTexts(ctx); err != nil {
		h.Log.Warn("texts are searched task by task: PostgreSQL's extension pg_trgm cannot be had", "error", err)
	}
	return d, nil
}

func (d *postgres) migrate(ctx context.Context) error {
	return pgx.BeginFunc(ctx, d.pool, func(t pgx.Tx) error {
		if _, err := t.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, int64(postgresTurn)); err != nil {
			return err
		}
		_, err := t.Exec(ctx, `CREATE SCHEMA IF NOT EXISTS `+postgresSchema+
			`; CREATE TABLE IF NOT EXISTS schema_version (version BIGINT NOT NULL)`)
		if err != nil {
			return err
		}
		var version int
		if err := t.QueryRow(ctx, `SELECT coalesce(max(version), 0) FROM schema_version`).Scan(&version); err != nil {
			return err
		}
		if version > len(schema) {
			return fmt.Errorf("its tables are of version %d, and this program knows up to %d: use the newer program", version, len(schema))
		}
		for i := version; i < len(schema); i++ {
			step := strings.ReplaceAll(schema[i], "{real}", "DOUBLE PRECISION")
			if i == 0 {
				step += ";" + postgresAudit
			}
			if _, err := t.Exec(ctx, step); err != nil {
				return fmt.Errorf("make tables of version %d: %w", i+1, err)
			}
			if _, err := t.Exec(ctx, `INSERT INTO schema_version VALUES ($1)`, i+1); err != nil {
				return err
			}
		}
		return nil
	})
}

// prepareTexts makes the index of texts, by the extension pg_trgm that PostgreSQL brings along. Where that may not be installed
// there is no index until somebody has.
func (d *postgres) prepareTexts(ctx context.Context) error {
	return pgx.BeginFunc(ctx, d.pool, func(t pgx.Tx) error {
		if _, err := t.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, int64(postgresTurn)); err != nil {
			return err
		}
		var there bool
		if err := t.QueryRow(ctx, `SELECT to_regclass('texts') IS NOT NULL`).Scan(&there); err != nil {
			return err
		}
		if !there {
			if _, err := t.Exec(ctx, `CREATE EXTENSION IF NOT EXISTS pg_trgm`); err != nil {
				return err
			}
			var schema string // it may have been installed anywhere
			err := t.QueryRow(ctx, `SELECT quote_ident(n.nspname) FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'pg_trgm'`).Scan(&schema)
			if err != nil {
				return err
			}
			_, err = t.Exec(ctx, `CREATE TABLE texts (place BIGINT NOT NULL PRIMARY KEY, body TEXT NOT NULL);
CREATE INDEX texts_grams ON texts USING gin (body `+schema+`.gin_trgm_ops);
UPDATE texts_since SET seq = (SELECT coalesce(max(seq), 0) + 1 FROM tasks)`)
			if err != nil {
				return err
			}
		}
		d.texts = true
		return t.QueryRow(ctx, `SELECT seq FROM texts_since`).Scan(&d.from)
	})
}

func (d *postgres) since() (int64, bool) { return d.from, d.texts }

func (d *postgres) index(t tx, rows [][]any) error {
	return t.many(`INSERT INTO texts (place, body) VALUES (?, ?) ON CONFLICT (place) DO UPDATE SET body = excluded.body`, rows)
}

func (d *postgres) dropTexts(t tx, before int64) error {
	_, err := t.exec(`DELETE FROM texts WHERE place < ?`, before)
	return err
}

func (d *postgres) candidates(t tx, text string, lo, hi int64, limit int) (places []int64, err error) {
	var at int64
	err = t.each(`SELECT place FROM texts WHERE body ILIKE ? ESCAPE '!' AND place >= ? AND place < ? ORDER BY place DESC LIMIT ?`,
		[]any{"%" + likely(text) + "%", lo, hi, limit}, []any{&at}, func() error { places = append(places, at); return nil })
	return places, err
}

func (d *postgres) close() error {
	d.pool.Close()
	return nil
}

func (d *postgres) like(column string) string { return column + ` ILIKE ? ESCAPE '!'` }

func (d *postgres) write(ctx context.Context, f func(tx) error) error {
	return pgx.BeginFunc(ctx, d.pool, func(t pgx.Tx) error { return f(postgresTx{ctx, t}) })
}

func (d *postgres) read(ctx context.Context, f func(tx) error) error {
	return pgx.BeginTxFunc(ctx, d.pool, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly},
		func(t pgx.Tx) error { return f(postgresTx{ctx, t}) })
}

// size goes by the rows that there are: PostgreSQL's files do not shrink when rows are removed, they are filled again.
func (d *postgres) size(ctx context.Context) (n int64, err error) {
	err = d.pool.QueryRow(ctx, `SELECT ((SELECT count(*) FROM tasks) * (`+postgresOverhead+` +
	(SELECT coalesce(avg(pg_column_size(t.*)), 0) FROM (SELECT * FROM tasks ORDER BY seq DESC LIMIT 1000) t)))::bigint`).Scan(&n)
	return n, err
}

// postgresOverhead is what a row takes in its page and in the indexes, that of texts among them, in bytes.
const postgresOverhead = "600"

type postgresTx struct {
	ctx context.Context
	tx  pgx.Tx
}

// numbered turns ? into $1, $2 … There are none within the texts of our statements.
func numbered(query string) string {
	if !strings.Contains(query, "?") {
		return query
	}
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

func (t postgresTx) exec(query string, args ...any) (int64, error) {
	tag, err := t.tx.Exec(t.ctx, numbered(query), args...)
	return tag.RowsAffected(), err
}

func (t postgresTx) many(query string, rows [][]any) error {
	query = numbered(query)
	var b pgx.Batch
	for _, r := range rows {
		b.Queue(query, r...)
	}
	return t.tx.SendBatch(t.ctx, &b).Close()
}

func (t postgresTx) each(query string, args, dest []any, f func() error) error {
	rows, err := t.tx.Query(t.ctx, numbered(query), args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := rows.Scan(dest...); err != nil {
			return err
		}
		if err := f(); err != nil {
			return err
		}
	}
	return rows.Err()
}
