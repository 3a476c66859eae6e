package doctor

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A Report is what an examination found.
type Report struct {
	Findings []Finding `json:"findings"` // the worst first
	Read     []string  `json:"read"`     // the files that were read
	Unread   []Unread  `json:"unread"`   // what was not, and why
	Live     []Live    `json:"live,omitempty"`

	system *system
}

// An Unread is a file or a line that could not be read.
type Unread struct {
	Place Place  `json:"place"`
	Why   string `json:"why"`
}

// A Live is something that was asked about itself, in a line.
type Live struct {
	Place Place  `json:"place"`
	Found string `json:"found"`
}

// Bounds of what Examine reads.
const (
	maxFile  = 4 << 20
	maxFiles = 2000
)

// ErrNothing is returned when there was nothing to read.
var ErrNothing = errors.New("no file that a doctor can read")

// what a doctor reads, in the words of an error.
const legible = "it reads .py, .sh, .env, .json, .tf, .yaml, .toml and .md, and tells them by their names"

// skipped are folders in which nobody's settings stand.
var skipped = []string{".git", ".hg", ".tox", ".venv", "venv", "node_modules", "site-packages", "__pycache__", ".terraform", "migrations"}

// Nothing is the report of an examination of no files.
func Nothing() *Report {
	r := &Report{Findings: []Finding{}, Read: []string{}, Unread: []Unread{}, system: newSystem()}
	r.system.settle()
	return r
}

// Examine reads files and folders, whole, and applies every rule. A file that is named must be readable; in a folder those of
// unknown kinds are passed over.
func Examine(paths ...string) (*Report, error) {
	r := &Report{Findings: []Finding{}, Read: []string{}, Unread: []Unread{}, system: newSystem()}
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			return nil, err
		}
		if !info.IsDir() {
			if err := r.read(path, true); err != nil {
				return nil, err
			}
			continue
		}
		err = filepath.WalkDir(path, func(path string, d fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case d.IsDir() && slices.Contains(skipped, d.Name()):
				return filepath.SkipDir
			case !d.Type().IsRegular():
				return nil
			case len(r.Read) >= maxFiles:
				return fmt.Errorf("%s holds more than %d files that could matter: name those that do", path, maxFiles)
			}
			return r.read(path, false)
		})
		if err != nil {
			return nil, err
		}
	}
	if len(r.Read)+len(r.Unread)+len(r.system.unread) == 0 {
		return nil, fmt.Errorf("%w among %s: %s", ErrNothing, strings.Join(paths, ", "), legible)
	}
	r.system.settle()
	for _, rule := range rules {
		if rule.check == nil {
			continue // of a live broker
		}
		rule.check(r.system, func(f Finding) {
			f.Rule = rule.Name
			r.Findings = append(r.Findings, f)
		})
	}
	r.Findings = slices.DeleteFunc(r.Findings, func(f Finding) bool { return r.system.excused(f) })
	byWeight(r.Findings)
	r.Unread = append(r.Unread, r.system.unread...)
	return r, nil
}

// read reads one file. One that was not named is passed over if its kind is unknown.
func (r *Report) read(path string, named bool) error {
	kind := kindOf(path)
	if kind == nil {
		if named {
			return fmt.Errorf("%w in %s: %s", ErrNothing, path, legible)
		}
		return nil
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return err
	}
	switch {
	case len(text) > maxFile:
		r.Unread = append(r.Unread, Unread{Place{File: path}, fmt.Sprintf("it is larger than %d MiB", maxFile>>20)})
		return nil
	case bytes.IndexByte(text, 0) >= 0:
		r.Unread = append(r.Unread, Unread{Place{File: path}, "it is no text"})
		return nil
	}
	r.system.named[path] = named
	before := len(r.system.unread)
	if kind(r.system, path, 0, string(text)) || named && len(r.system.unread) == before {
		r.Read = append(r.Read, path)
	}
	return nil
}

// Add adds findings from elsewhere, such as those of ExamineBroker. read is what was looked at.
func (r *Report) Add(read string, findings []Finding) {
	r.Read = append(r.Read, read)
	r.Findings = append(r.Findings, findings...)
	byWeight(r.Findings)
}

// Worst is the severity of the worst finding, 0 if there is none.
func (r *Report) Worst() Severity {
	if len(r.Findings) == 0 {
		return 0
	}
	return r.Findings[0].Severity
}
