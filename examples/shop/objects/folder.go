package objects

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// A Folder keeps objects as files. Several processes may share it.
type Folder string

// unfinished begins the names of files that are being written.
const unfinished = ".unfinished-"

// Place is the folder's name.
func (f Folder) Place() string { return string(f) }

// Put writes under another name, and gives the file its own when it is whole and on the disk: a row that tells of it must not
// outlive it.
func (f Folder) Put(_ context.Context, name string, write func(w io.Writer) error) error {
	if err := check(name); err != nil {
		return err
	}
	path := filepath.Join(string(f), name)
	if _, err := os.Lstat(path); err == nil {
		return fmt.Errorf("%s: %w", path, ErrExists)
	}
	if err := os.MkdirAll(string(f), 0o755); err != nil {
		return err
	}
	half, err := os.CreateTemp(string(f), unfinished+name+"-*")
	if err != nil {
		return err
	}
	defer os.Remove(half.Name()) // its other name stays
	if err := errors.Join(write(half), half.Sync(), half.Close()); err != nil {
		return err
	}
	if err := os.Link(half.Name(), path); err != nil { // where rename would replace what is there
		if errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("%s: %w", path, ErrExists)
		}
		return err
	}
	return syncFolder(string(f))
}

// syncFolder puts the names in a folder on the disk.
func syncFolder(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	return nil
}

// Open opens the file.
func (f Folder) Open(_ context.Context, name string) (io.ReadCloser, int64, error) {
	if err := check(name); err != nil {
		return nil, 0, err
	}
	file, err := os.Open(filepath.Join(string(f), name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, 0, fmt.Errorf("%s in %s: %w", name, f, ErrNotFound)
	}
	if err != nil {
		return nil, 0, err
	}
	info, err := file.Stat()
	if err != nil {
		_ = file.Close()
		return nil, 0, err
	}
	return file, info.Size(), nil
}

// Remove removes the file.
func (f Folder) Remove(_ context.Context, name string) error {
	if err := check(name); err != nil {
		return err
	}
	if err := os.Remove(filepath.Join(string(f), name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Each reads the folder's names.
func (f Folder) Each(ctx context.Context, each func(Object) error) error {
	return f.walk(ctx, func(name string, info fs.FileInfo) error {
		if !names.MatchString(name) {
			return nil
		}
		return each(Object{Name: name, Size: info.Size(), Made: info.ModTime()})
	})
}

// Sweep removes files that are older than any writer.
func (f Folder) Sweep(ctx context.Context, before time.Time) (n int, err error) {
	err = f.walk(ctx, func(name string, info fs.FileInfo) error {
		if !strings.HasPrefix(name, unfinished) || !info.ModTime().Before(before) {
			return nil
		}
		if err := os.Remove(filepath.Join(string(f), name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		n++
		return nil
	})
	return n, err
}

func (f Folder) walk(ctx context.Context, each func(name string, info fs.FileInfo) error) error {
	entries, err := os.ReadDir(string(f))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue // gone meanwhile
		}
		if err != nil {
			return err
		}
		if info.IsDir() {
			continue
		}
		if err := each(e.Name(), info); err != nil {
			return err
		}
	}
	return nil
}
