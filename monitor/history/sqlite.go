package history

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/umbel-go/umbel/internal/sqlitefile"
)

// sqlite is a history in one file.
type sqlite struct {
	file *sqlitefile.File
	from int64 // of the index of texts
}

// sqliteTexts holds no texts, only which trigram is where: texts stand in tasks.
const sqliteTexts = `
CREATE VIRTUAL TABLE texts USING fts5(body, content='', contentless_delete=1, detail=none, tokenize='trigram')`

// What is written into the audit log stays as it is, whoever has the file open through us.
const sqliteAudit = `
CREATE TRIGGER audit_stays BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'the audit log is only added to'); END;
CREATE TRIGGER audit_remains BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'the audit log is only added to'); END;`

func openSQLite(ctx context.Context, path string, c *Config) (*sqlite, error) {
	if _, err := os.Stat(path); c.Existing && errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%w: there is no such file", ErrNotFound)
	}
	f, err := sqlitefile.Open(path, sqlitefile.Options{Log: c.Log})
	if err != nil {
		return nil, err
	}
	steps := make([]string, len(schema))
	for i, s := range schema {
		steps[i] = strings.NewReplacer("{real}", "REAL", "BIGINT NOT NULL PRIMARY KEY", "INTEGER PRIMARY KEY").Replace(s)
	}
	steps[0] += ";" + sqliteAudit
	steps[2] += ";" + sqliteTexts
	if err := f.Migrate(ctx, "monitor", steps); err != nil {
		f.Close()
		return nil, err
	}
	d := &sqlite{file: f}
	err = d.read(ctx, func(t tx) error {
		return t.each(`SELECT seq FROM texts_since`, nil, []any{&d.from}, nothing)
	})
	if err != nil {
		f.Close()
		return nil, err
	}
	return d, nil
}

func (d *sqlite) since() (int64, bool) { return d.from, true }

func (d *sqlite) index(t tx, rows [][]any) error {
	return t.many(`INSERT OR REPLACE INTO texts (rowid, body) VALUES (?, ?)`, rows)
}

func (d *sqlite) dropTexts(t tx, before int64) error {
	_, err := t.exec(`DELETE FROM texts WHERE rowid < ?`, before)
	return err
}

func (d *sqlite) candidates(t tx, text string, lo, hi int64, limit int) (places []int64, err error) {
	var at int64
	err = t.each(`SELECT rowid FROM texts WHERE texts MATCH ? AND rowid >= ? AND rowid < ? ORDER BY rowid DESC LIMIT ?`,
		[]any{grams(text), lo, hi, limit}, []any{&at}, func() error { places = append(places, at); return nil })
	return places, err
}

func (d *sqlite) close() error { return d.file.Close() }

func (d *sqlite) like(column string) string { return column + ` LIKE ? ESCAPE '!'` }

func (d *sqlite) write(ctx context.Context, f func(tx) error) error {
	return d.file.Write(ctx, func(t *sqlitefile.Tx) error { return f(sqliteTx{t}) })
}

func (d *sqlite) read(ctx context.Context, f func(tx) error) error {
	return d.file.Read(ctx, func(t *sqlitefile.Tx) error { return f(sqliteTx{t}) })
}

func (d *sqlite) size(ctx context.Context) (n int64, err error) {
	err = d.read(ctx, func(t tx) error {
		var pages, free, size int64
		if err := t.each(`PRAGMA page_count`, nil, []any{&pages}, nothing); err != nil {
			return err
		}
		if err := t.each(`PRAGMA freelist_count`, nil, []any{&free}, nothing); err != nil {
			return err
		}
		if err := t.each(`PRAGMA page_size`, nil, []any{&size}, nothing); err != nil {
			return err
		}
		n = (pages - free) * size
		return nil
	})
	return n, err
}

type sqliteTx struct{ tx *sqlitefile.Tx }

func (t sqliteTx) exec(query string, args ...any) (int64, error) {
	r, err := t.tx.Exec(query, args...)
	return r.Rows, err
}

func (t sqliteTx) many(query string, rows [][]any) error {
	for _, r := range rows {
		if _, err := t.tx.Exec(query, r...); err != nil {
			return err
		}
	}
	return nil
}

func (t sqliteTx) each(query string, args, dest []any, f func() error) error {
	rows, err := t.tx.Query(query, args...)
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
