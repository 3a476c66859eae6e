package database

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/umbel-go/umbel/backend"
	"github.com/umbel-go/umbel/internal/resultstore"
)

func init() { resultstore.Register(examinePostgres, "postgres", "postgresql") }

const (
	// rowsCounted bounds the counting of rows, and countTime how long one may take.
	rowsCounted = 10_000
	countTime   = 5 * time.Second

	// sweptAfter is how long expired rows may lie there: they are removed once a day.
	sweptAfter = 48 * time.Hour
)

// parts are what the names of our tables end with.
var parts = []string{"", "_chords", "_parts", "_groups", "_records", "_schedules", "_timetables", "_ticks"}

// A postgresExamination is that of one database. It only reads.
type postgresExamination struct {
	names
	conn  *pgx.Conn
	found *resultstore.Store
	facts *resultstore.Postgres
}

func examinePostgres(ctx context.Context, c backend.Config) (*resultstore.Store, error) {
	n, err := options(c, postgresScheme)
	if err != nil {
		return nil, err
	}
	cfg, err := pgx.ParseConfig(c.URL)
	if err != nil {
		return nil, errors.New("read the URL: " + maskError(err, c.URL).Error())
	}
	cfg.RuntimeParams["application_name"] = "umbel doctor"
	cfg.ConnectTimeout = c.ConnectTimeout
	opening, cancel := bounded(ctx, c)
	defer cancel()
	conn, err := newDoor(cfg, c).open(opening)
	if err != nil {
		e, _ := openError(opening, "", cfg, err).(*OpenError)
		return nil, errors.New(strings.TrimPrefix(e.Error(), "open result backend : "))
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = conn.Close(ctx)
	}()
	facts := &resultstore.Postgres{Table: n.table, Want: len(postgresSteps(n)), Most: rowsCounted}
	x := postgresExamination{n, conn, &resultstore.Store{URL: resultstore.Mask(c.URL), Postgres: facts}, facts}
	x.line()
	for _, step := range []struct {
		what string
		do   func(context.Context) error
	}{{"its clock", x.clock}, {"version and settings", x.server}, {"tables", x.tables}, {"connections", x.connections}} {
		if err := step.do(ctx); err != nil {
			x.unknown(step.what, err)
		}
	}
	if facts.Schema == 0 || len(facts.Lacks) > 0 {
		return x.found, nil
	}
	for _, step := range []struct {
		what string
		do   func(context.Context) error
	}{{"size", x.size}, {"expired results", x.expired}, {"results without an expiry", x.eternal}} {
		if err := step.do(ctx); err != nil {
			x.unknown(step.what, err)
		}
	}
	return x.found, nil
}

func (x *postgresExamination) unknown(what string, err error) {
	x.found.Unknown = append(x.found.Unknown, fmt.Sprintf("%s: %v", what, err))
}

// quoted is one of our tables as statements name it.
func (x *postgresExamination) quoted(part string) string {
	if x.schema == "" {
		return pgx.Identifier{x.table + part}.Sanitize()
	}
	return pgx.Identifier{x.schema, x.table + part}.Sanitize()
}

func (x *postgresExamination) line() {
	raw := x.conn.PgConn().Conn()
	x.facts.Reached(raw.RemoteAddr())
	if t, ok := raw.(*tls.Conn); ok {
		x.facts.Secure(t.ConnectionState(), unverified(x.conn.Config()))
	}
}

// unverified is what of the certificate is not verified: sslmode=verify-ca brings a check of its own, require has none.
func unverified(c *pgx.ConnConfig) string {
	used := c.TLSConfig
	for _, f := range append([]*pgconn.FallbackConfig(nil), c.Fallbacks...) {
		if used == nil {
			used = f.TLSConfig
		}
	}
	switch {
	case used == nil || !used.InsecureSkipVerify:
		return ""
	case used.VerifyPeerCertificate != nil || used.VerifyConnection != nil:
		return "host name"
	}
	return "certificate"
}

func (x *postgresExamination) clock(ctx context.Context) error {
	for range 3 { // the answer that came back soonest tells the clock best
		var said time.Time
		before := time.Now()
		if err := x.conn.QueryRow(ctx, "SELECT clock_timestamp()").Scan(&said); err != nil {
			return err
		}
		after := time.Now()
		if half := after.Sub(before) / 2; x.facts.Uncertain == 0 || half < x.facts.Uncertain {
			x.facts.Clock(said, before, after)
		}
	}
	return nil
}

func (x *postgresExamination) server(ctx context.Context) error {
	f := x.facts
	return x.conn.QueryRow(ctx, `SELECT current_setting('server_version'), current_setting('server_version_num')::int / 10000, current_user::text,
coalesce((SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user), false), current_setting('transaction_read_only') = 'on',
pg_catalog.pg_is_in_recovery(), current_setting('fsync') = 'on', current_setting('full_page_writes') = 'on', current_setting('synchronous_commit') <> 'off',
current_setting('autovacuum') = 'on'`).
		Scan(&f.Version, &f.Major, &f.User, &f.Superuser, &f.ReadOnly, &f.Replica, &f.Fsync, &f.FullPages, &f.Synchronous, &f.Autovacuum)
}

// tables looks for ours, and at what the user may do with them.
func (x *postgresExamination) tables(ctx context.Context) error {
	f := x.facts
	err := x.conn.QueryRow(ctx, `SELECT CASE
WHEN $1 = '' THEN coalesce(has_schema_privilege(current_schema(), 'CREATE'), false)
WHEN EXISTS (SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = $1) THEN has_schema_privilege($1, 'CREATE')
ELSE has_database_privilege(current_database(), 'CREATE') END`, x.names.schema).Scan(&f.Create)
	if err != nil {
		return err
	}
	f.Schema, err = postgresVersion(ctx, x.conn, x.names)
	if said := (*pgconn.PgError)(nil); errors.As(err, &said) && said.Code == "42501" {
		f.Schema, f.Lacks = f.Want, []string{said.Message} // they are there, and not for us
		return nil
	}
	if f.Schema > f.Want {
		err = nil // the error says just that
	}
	if err != nil || f.Schema == 0 {
		return err
	}
	rights, err := x.conn.Query(ctx, `SELECT right_ || ' on ' || c.relname FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS right_,
pg_catalog.pg_class c JOIN pg_catalog.pg_namespace s ON s.oid = c.relnamespace
WHERE c.relkind = 'r' AND c.relname = ANY($1) AND CASE WHEN $2 = '' THEN pg_catalog.pg_table_is_visible(c.oid) ELSE s.nspname = $2 END
AND NOT has_table_privilege(c.oid, right_)
UNION ALL SELECT 'USAGE on ' || c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace s ON s.oid = c.relnamespace
WHERE c.relkind = 'S' AND c.relname = $3 AND CASE WHEN $2 = '' THEN pg_catalog.pg_table_is_visible(c.oid) ELSE s.nspname = $2 END
AND NOT has_sequence_privilege(c.oid, 'USAGE')
ORDER BY 1`, x.ours(), x.names.schema, x.table+"_version")
	if err != nil {
		return err
	}
	f.Lacks, err = pgx.CollectRows(rights, pgx.RowTo[string])
	return err
}

func (x *postgresExamination) ours() []string {
	list := make([]string, len(parts))
	for i, p := range parts {
		list[i] = x.table + p
	}
	return list
}

func (x *postgresExamination) connections(ctx context.Context) error {
	return x.conn.QueryRow(ctx, `SELECT (SELECT coalesce(sum(numbackends), 0)::int FROM pg_catalog.pg_stat_database),
current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int`).Scan(&x.facts.Connections, &x.facts.MaxConnections)
}

func (x *postgresExamination) size(ctx context.Context) error {
	return x.conn.QueryRow(ctx, `SELECT pg_total_relation_size(c.oid), greatest(c.reltuples, coalesce(t.n_live_tup, 0))::bigint, coalesce(t.n_dead_tup, 0)
FROM pg_catalog.pg_class c LEFT JOIN pg_catalog.pg_stat_all_tables t ON t.relid = c.oid WHERE c.oid = $1::regclass`, x.quoted("")).
		Scan(&x.facts.Bytes, &x.facts.Rows, &x.facts.Dead)
}

func (x *postgresExamination) expired(ctx context.Context) (err error) {
	x.facts.Expired, err = x.count(ctx, fmt.Sprintf("expires < now() - make_interval(secs => %d)", int(sweptAfter.Seconds())))
	return err
}

func (x *postgresExamination) eternal(ctx context.Context) (err error) {
	x.facts.Eternal, err = x.count(ctx, "expires IS NULL")
	return err
}

// count counts the results for which something holds, within its bounds.
func (x *postgresExamination) count(ctx context.Context, where string) (n int, err error) {
	err = pgx.BeginTxFunc(ctx, x.conn, pgx.TxOptions{AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, fmt.Sprintf("SET LOCAL statement_timeout = %d", countTime.Milliseconds())); err != nil {
			return err
		}
		return tx.QueryRow(ctx, fmt.Sprintf("SELECT count(*)::int FROM (SELECT 1 FROM %s WHERE %s LIMIT %d) AS found", x.quoted(""), where, rowsCounted)).Scan(&n)
	})
	return n, err
}
