package sqlitefile

import (
	"context"
	"fmt"
)

const versions = `CREATE TABLE IF NOT EXISTS schema_version (
	component TEXT PRIMARY KEY,
	version   INTEGER NOT NULL
) WITHOUT ROWID`

// Migrate brings the tables of one user of the file (component) to the newest version: steps[i] is the SQL that leads
// from version i to i+1, and never changes once released. All of it is one transaction, so it is safe when several
// processes start at once. A file from a newer program is an error with CauseNewer.
func (f *File) Migrate(ctx context.Context, component string, steps []string) error {
	return f.Write(ctx, func(tx *Tx) error {
		var there int
		if _, err := tx.Get("SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'schema_version'", nil, &there); err != nil {
			return explain("migrate", f.path, err)
		}
		version := 0
		if there > 0 {
			if _, err := tx.Get("SELECT version FROM schema_version WHERE component = ?", []any{component}, &version); err != nil {
				return explain("migrate", f.path, err)
			}
		}
		switch {
		case version == len(steps):
			return nil
		case version > len(steps):
			return &Error{Op: "open", Path: f.path, Cause: CauseNewer,
				Err:  fmt.Errorf("its %s tables are of version %d, and this program knows up to %d", component, version, len(steps)),
				Hint: "use the newer program everywhere, or choose another file"}
		}
		if there == 0 {
			if err := tx.Script(versions); err != nil {
				return explain("migrate", f.path, err)
			}
		}
		for i := version; i < len(steps); i++ {
			if err := tx.Script(steps[i]); err != nil {
				return explain("migrate", f.path, fmt.Errorf("%s tables to version %d: %w", component, i+1, err))
			}
		}
		_, err := tx.Exec("INSERT INTO schema_version (component, version) VALUES (?, ?) "+
			"ON CONFLICT (component) DO UPDATE SET version = excluded.version", component, len(steps))
		return explain("migrate", f.path, err)
	})
}
