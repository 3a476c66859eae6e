package sqlitefile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// An Inspection is what a file is found to be.
type Inspection struct {
	Path    string // absolute
	There   bool
	Mode    fs.FileMode
	Size    int64
	Log     int64  // size of the write-ahead log beside it
	Journal string // journal_mode: wal, where this program has opened it
	Version int    // of the tables of the component; 0: there are none
	Damage  string // what is broken in it; not looked for in files larger than quickCheck
	Network string // name of its file system, where that is one of a network
	Free    int64  // bytes on its disk; -1 where it is not known

	// Unwritable is why it cannot be written, or where it is not there, its folder.
	Unwritable error
}

const (
	// quickCheck is the size up to which a file is looked through for damage.
	quickCheck = 256 << 20

	// inspectBusy is how long an inspection waits for who writes.
	inspectBusy = 5 * time.Second
)

// Inspect looks at a file as it is. Unlike Open it makes no file or table, and leaves the journal mode alone. look is called with the
// tables of a component that are there, and only reads.
func Inspect(path, component string, look func(*Tx) error) (*Inspection, error) {
	abs, err := resolve(path)
	if err != nil {
		return nil, &Error{Op: "open", Path: path, Cause: CauseOpen, Err: err, Hint: "create its folder, or choose another path"}
	}
	i := &Inspection{Path: abs}
	i.Network, i.Free = fileSystem(filepath.Dir(abs))
	at, err := os.Stat(abs)
	if errors.Is(err, fs.ErrNotExist) {
		i.Unwritable = writableFolder(filepath.Dir(abs))
		return i, nil
	}
	if err != nil {
		return nil, openError(abs, err)
	}
	i.There, i.Mode, i.Size = true, at.Mode(), at.Size()
	if log, err := os.Stat(abs + "-wal"); err == nil {
		i.Log = log.Size()
	}
	if i.Unwritable = writableFolder(filepath.Dir(abs)); i.Unwritable != nil {
		i.Unwritable = fmt.Errorf("the log beside it: %w", i.Unwritable)
	}
	c, err := dial(abs, inspectBusy)
	if err != nil {
		return nil, explain("open", abs, err)
	}
	defer c.close()
	return i, i.ask(c, component, look)
}

// writableFolder makes a file in a folder, and removes it.
func writableFolder(dir string) error {
	f, err := os.CreateTemp(dir, ".umbel-doctor-*")
	if at := (*fs.PathError)(nil); errors.As(err, &at) {
		return fmt.Errorf("folder %s: %w", dir, at.Err)
	}
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// ask asks SQLite.
func (i *Inspection) ask(c *conn, component string, look func(*Tx) error) error {
	tx := &Tx{c: c, seq: new(uint64)}
	if _, err := tx.Get("PRAGMA journal_mode", nil, &i.Journal); err != nil {
		return explain("open", i.Path, err)
	}
	if r, ok := c.raw.(interface{ IsReadOnly(string) (bool, error) }); ok {
		if only, err := r.IsReadOnly("main"); err == nil && only {
			i.Unwritable = fs.ErrPermission
		}
	}
	if err := c.script("BEGIN IMMEDIATE; ROLLBACK"); err != nil && i.Unwritable == nil {
		i.Unwritable = err
	}
	if i.Size <= quickCheck {
		if _, err := tx.Get("PRAGMA quick_check(1)", nil, &i.Damage); err != nil {
			return explain("read", i.Path, err)
		}
		if i.Damage == "ok" {
			i.Damage = ""
		}
	}
	there := 0
	if _, err := tx.Get("SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'schema_version'", nil, &there); err != nil || there == 0 {
		return explain("read", i.Path, err)
	}
	if _, err := tx.Get("SELECT version FROM schema_version WHERE component = ?", []any{component}, &i.Version); err != nil || i.Version == 0 {
		return explain("read", i.Path, err)
	}
	return look(tx)
}
