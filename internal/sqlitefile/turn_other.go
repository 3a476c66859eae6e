//go:build !linux

package sqlitefile

import (
	"errors"
	"io/fs"
)

// Without open file description locks writers rely on SQLite's own waiting, and the dead are found by their heartbeat.

func (t *turn) lock(int64) error { return nil }

func (t *turn) unlock(int64) {}

func (t *turn) locked(int64) (locked, known bool) { return false, false }

func readOnly(err error) bool { return errors.Is(err, fs.ErrPermission) }

func full(error) bool { return false }
