package database

import (
	"context"
	"fmt"
	"time"

	"github.com/umbel-go/umbel/backend"
	"github.com/umbel-go/umbel/internal/resultstore"
	"github.com/umbel-go/umbel/internal/sqlitefile"
)

func init() { resultstore.Register(examineSQLite, "sqlite") }

// examineSQLite looks at a file. It makes none, and only reads.
func examineSQLite(_ context.Context, c backend.Config) (*resultstore.Store, error) {
	n, err := options(c, sqliteScheme)
	if err != nil {
		return nil, err
	}
	path, err := filePath(c.URL)
	if err != nil {
		return nil, err
	}
	facts := &resultstore.SQLite{Table: n.table, Want: len(sqliteSteps(n.table)), Most: rowsCounted}
	found := &resultstore.Store{URL: resultstore.Mask(c.URL), SQLite: facts}
	i, err := sqlitefile.Inspect(path, n.table, func(tx *sqlitefile.Tx) error {
		for where, n := range map[string]*int{
			fmt.Sprintf("expires < %d", time.Now().Add(-sweptAfter).UnixMilli()): &facts.Expired,
			"expires IS NULL": &facts.Eternal,
		} {
			if _, err := tx.Get(fmt.Sprintf("SELECT count(*) FROM (SELECT 1 FROM %s WHERE %s LIMIT %d)", facts.Table, where, rowsCounted), nil, n); err != nil {
				found.Unknown = append(found.Unknown, fmt.Sprintf("results that %s: %v", where, err))
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	facts.Path, facts.There, facts.Anybody, facts.Damage, facts.Network = i.Path, i.There, i.Mode&0o002 != 0, i.Damage, i.Network
	facts.Journal, facts.Bytes, facts.Log, facts.Free, facts.Schema = i.Journal, i.Size, i.Log, i.Free, i.Version
	if i.Unwritable != nil {
		facts.Unwritable = i.Unwritable.Error()
	}
	return found, nil
}
