package database

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// postgresSteps lead from nothing to today's tables; one that has been released never changes. The version of a row
// comes from a sequence, drawn while the row is locked, so that versions of one id grow in the order of its writes, also
// across its removal.
func postgresSteps(n names) []string {
	table := n.table
	return []string{
		`CREATE SEQUENCE ` + table + `_version AS bigint;
CREATE TABLE ` + table + ` (
	id       text PRIMARY KEY,
	status   text NOT NULL,
	version  bigint NOT NULL,
	stored   timestamptz NOT NULL DEFAULT now(),
	expires  timestamptz,
	content  text NOT NULL,
	encoding text NOT NULL,
	document bytea NOT NULL
);
CREATE INDEX ` + table + `_expires ON ` + table + ` (expires) WHERE expires IS NOT NULL`,
		chordSteps(table, "bytea"),
		ledgerStep(table),
		scheduleSteps(table, "bytea"),
	}
}

// migratePostgres creates or brings up to date the tables of n. It is one transaction under a lock of its own, so any
// number of processes may start at once; one that finds all in place needs no right to create anything. A migration
// library would bring database/sql and a second pool for these few lines.
func migratePostgres(ctx context.Context, conn *pgx.Conn, n names) error {
	steps := postgresSteps(n)
	if v, err := postgresVersion(ctx, conn, n); err != nil || v == len(steps) {
		return err
	}
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock(hashtextextended('umbel schema', 0))"); err != nil {
			return err
		}
		version, err := postgresVersion(ctx, tx, n) // somebody else may have been here while we waited
		if err != nil || version == len(steps) {
			return err
		}
		if n.schema != "" {
			if err := enterSchema(ctx, tx, n.schema); err != nil {
				return err
			}
		}
		if _, err := tx.Exec(ctx, `CREATE TABLE IF NOT EXISTS umbel_schema_version (component text PRIMARY KEY, version integer NOT NULL)`); err != nil {
			return err
		}
		for i := version; i < len(steps); i++ {
			if _, err := tx.Exec(ctx, steps[i]); err != nil {
				return fmt.Errorf("bring table %s to version %d: %w", n.table, i+1, err)
			}
		}
		_, err = tx.Exec(ctx, `INSERT INTO umbel_schema_version (component, version) VALUES ($1, $2)
ON CONFLICT (component) DO UPDATE SET version = excluded.version`, n.table, len(steps))
		return err
	})
}

// enterSchema creates the schema if need be, and makes it the one of this transaction; other statements name it.
func enterSchema(ctx context.Context, tx pgx.Tx, schema string) error {
	var there bool
	err := tx.QueryRow(ctx, "SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = $1)", schema).Scan(&there)
	if err != nil {
		return err
	}
	quoted := pgx.Identifier{schema}.Sanitize()
	if !there {
		if _, err := tx.Exec(ctx, "CREATE SCHEMA "+quoted); err != nil {
			return err
		}
	}
	_, err = tx.Exec(ctx, "SELECT set_config('search_path', $1, true)", quoted)
	return err
}

type querier interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// postgresVersion is the version of the tables, 0 where there are none. One that is newer than this program is an error.
// It asks the catalogue's tables: to_regclass and the search path may still answer from before a lock that was waited for.
func postgresVersion(ctx context.Context, q querier, n names) (int, error) {
	table := pgx.Identifier{"umbel_schema_version"}
	if n.schema != "" {
		table = pgx.Identifier{n.schema, "umbel_schema_version"}
	}
	var there bool
	err := q.QueryRow(ctx, `SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace s ON s.oid = c.relnamespace
WHERE c.relname = 'umbel_schema_version' AND CASE WHEN $1 = '' THEN pg_catalog.pg_table_is_visible(c.oid) ELSE s.nspname = $1 END)`,
		n.schema).Scan(&there)
	if err != nil || !there {
		return 0, err
	}
	var version int
	err = q.QueryRow(ctx, "SELECT coalesce(max(version), 0) FROM "+table.Sanitize()+" WHERE component = $1", n.table).Scan(&version)
	if err == nil && version > len(postgresSteps(n)) {
		err = fmt.Errorf("table %s is of version %d, and this program knows up to %d: use the newer program everywhere, "+
			"or another database, schema or table_prefix", n.table, version, len(postgresSteps(n)))
	}
	return version, err
}
