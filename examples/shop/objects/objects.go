// Package objects keeps files that are written once and then only read, such as reports: in a folder, or in a bucket of S3.
package objects

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

var (
	// ErrNotFound says that there is no object of this name.
	ErrNotFound = errors.New("no such object")

	// ErrExists says that there is an object of this name, which stays as it is.
	ErrExists = errors.New("there is such an object already")
)

// A Store keeps objects. An object is there whole or not at all, however its writer ends, and never changes.
type Store interface {
	// Put makes an object of what write writes, as it is written: it is not held in memory. It is ErrExists when there is one
	// of this name already, which may be found before the first byte or after the last. An error of write is returned, and
	// leaves nothing.
	Put(ctx context.Context, name string, write func(w io.Writer) error) error

	// Open reads an object.
	Open(ctx context.Context, name string) (r io.ReadCloser, size int64, err error)

	// Remove removes an object; one that is gone already is no error.
	Remove(ctx context.Context, name string) error

	// Each calls f with the name of every object, until it returns an error.
	Each(ctx context.Context, f func(Object) error) error

	// Sweep removes what writers that died before a time have left unfinished, and returns how many there were. Nobody can
	// read it, but it takes room.
	Sweep(ctx context.Context, before time.Time) (int, error)

	// Place is where objects lie, for people.
	Place() string
}

// An Object is what is known of one without reading it.
type Object struct {
	Name string
	Size int64
	Made time.Time
}

// Open makes a store of a location: a folder, which is made when it is first needed, or s3://bucket/prefix. It connects to
// nothing.
//
//	s3://reports/2026?region=eu-west-1
//	s3://reports?region=eu-west-1&endpoint=http://127.0.0.1:7470&path_style=true     another server that speaks S3
//
// Credentials come from where AWS's tools take them: AWS_ACCESS_KEY_ID, a profile, the role of the task or machine.
func Open(location string) (Store, error) {
	if !strings.HasPrefix(location, "s3://") {
		return Folder(filepath.Clean(strings.TrimPrefix(location, "file://"))), nil
	}
	u, err := url.Parse(location)
	if err != nil {
		return nil, fmt.Errorf("objects: %w", err)
	}
	return newBucket(u)
}

var names = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,120}$`)

// check keeps a name from leaving its folder or prefix.
func check(name string) error {
	if !names.MatchString(name) {
		return fmt.Errorf("object name %q: want up to 120 of a-z, 0-9, dot, - and _", name)
	}
	return nil
}
