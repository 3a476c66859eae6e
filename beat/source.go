package beat

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/internal/schedule"
	"github.com/umbel-go/umbel/internal/setting"
)

// Where an entry comes from.
const (
	fromSettings = "settings"
	fromFile     = "file"
	fromStore    = "store"
)

// A listed entry is one of all sources together, before it is scheduled.
type listed struct {
	entry   umbel.ScheduleEntry
	source  string
	changed bool      // at run time, over what settings or file say
	since   time.Time // when it was added or changed at run time
	err     error     // why it cannot be scheduled
}

// sinceKey is beside the entry's own keys in the store's records.
const sinceKey = "since"

// merge lays the store's records over what settings and file say: a record holds a whole entry, or some of its keys.
func merge(declared []listed, records map[string][]byte, zone *time.Location) map[string]*listed {
	all := make(map[string]*listed, len(declared)+len(records))
	for i := range declared {
		all[declared[i].entry.Name] = &declared[i]
	}
	for name, text := range records {
		over, since, err := decodeRecord(text)
		base := all[name]
		l := &listed{entry: umbel.ScheduleEntry{Name: name}, source: fromStore, since: since, err: err}
		switch {
		case err != nil:
		case base != nil:
			plain := schedule.Entry(base.entry).Plain()
			maps.Copy(plain, over)
			l.entry, l.err = readEntry(name, plain, zone)
			l.source, l.changed = base.source, true
		case over["task"] == nil:
			l.err = errors.New("it was changed at run time, and is in settings and file no more: remove it")
		default:
			l.entry, l.err = readEntry(name, over, zone)
		}
		all[name] = l
	}
	return all
}

func readEntry(name string, plain map[string]any, zone *time.Location) (umbel.ScheduleEntry, error) {
	e, errs := schedule.Read(name, plain, zone)
	all := make([]error, len(errs))
	for i, err := range errs {
		all[i] = err
		if near := setting.Nearest(err.Unknown, err.Known); near != "" {
			err.Text = fmt.Sprintf("is not known: did you mean %s?", near)
		}
	}
	return umbel.ScheduleEntry(e), errors.Join(all...)
}

// decodeRecord reads a record; numbers keep their kind.
func decodeRecord(text []byte) (plain map[string]any, since time.Time, err error) {
	d := json.NewDecoder(strings.NewReader(string(text)))
	d.UseNumber()
	if err := d.Decode(&plain); err != nil {
		return nil, since, fmt.Errorf("its record in the store is damaged: %w", err)
	}
	if text, ok := plain[sinceKey].(string); ok {
		since, err = time.Parse(time.RFC3339Nano, text)
	}
	delete(plain, sinceKey)
	for k, v := range plain {
		plain[k] = numbers(v)
	}
	return plain, since, err
}

// numbers turns json.Number into int64 or float64, all the way down.
func numbers(v any) any {
	switch v := v.(type) {
	case json.Number:
		if i, err := v.Int64(); err == nil {
			return i
		}
		f, _ := v.Float64() // JSON has no others
		return f
	case []any:
		for i := range v {
			v[i] = numbers(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = numbers(v[k])
		}
	}
	return v
}

func encodeRecord(plain map[string]any, since time.Time) ([]byte, error) {
	plain = maps.Clone(plain)
	plain[sinceKey] = since.UTC().Format(time.RFC3339Nano)
	return json.Marshal(plain)
}

// A declaration is what settings and file say together.
type declaration struct {
	settings []umbel.ScheduleEntry
	path     string

	seen    fileMark              // that was read
	coming  fileMark              // that was seen last: a file is read when it has not changed since, so that no half of it is
	entries []umbel.ScheduleEntry // of the file
}

// A fileMark tells one content of a file from the next without reading it.
type fileMark struct {
	size int64
	time time.Time
}

// refresh reads the file if it has changed. When it cannot be read the entries that it had stay.
func (d *declaration) refresh() (changed bool, err error) {
	if d.path == "" {
		return false, nil
	}
	info, err := os.Stat(d.path) // follows links: what Kubernetes mounts is changed by turning one
	if errors.Is(err, fs.ErrNotExist) && d.seen == (fileMark{}) {
		d.seen.size = -1 // said once
		return false, fmt.Errorf("beat_schedule_file: %w", err)
	}
	if err != nil {
		return false, nil // being replaced; or gone, and then what it said last holds
	}
	mark := fileMark{info.Size(), info.ModTime()}
	if first := d.seen == (fileMark{}); mark == d.seen || !first && mark != d.coming {
		d.coming = mark
		return false, nil
	}
	d.seen = mark
	entries, err := setting.LoadEntries(d.path)
	if err != nil {
		return false, fmt.Errorf("beat_schedule_file: %w", err)
	}
	d.entries = make([]umbel.ScheduleEntry, len(entries))
	for i, e := range entries {
		d.entries[i] = umbel.ScheduleEntry(e)
	}
	return true, nil
}

// list is both together; of two with one name the file's counts.
func (d *declaration) list() []listed {
	var out []listed
	for _, e := range d.settings {
		if !slices.ContainsFunc(d.entries, func(f umbel.ScheduleEntry) bool { return f.Name == e.Name }) {
			out = append(out, listed{entry: e, source: fromSettings})
		}
	}
	for _, e := range d.entries {
		out = append(out, listed{entry: e, source: fromFile})
	}
	return out
}
