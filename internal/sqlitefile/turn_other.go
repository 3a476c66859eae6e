//go:build !linux

package sqlitefile

import (
	"errors"
	"io/fs"
	"os"
)

// Without open file description locks writers rely on SQLite's own waiting, and the dead are found by their heartbeat.

func (t *turn) lock(int64) error { return nil }

func (t *turn) unlock(int64) {}

func (t *turn) locked(int64) (locked, known bool) { return false, false }

func inode(os.FileInfo) int64 { return 0 }

func readOnly(err error) bool { return errors.Is(err, fs.ErrPermission) }

func full(error) bool { return false }
