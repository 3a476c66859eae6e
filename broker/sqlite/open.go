package sqlite

import (
	"context"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/internal/sqlitefile"
)

func init() { broker.Register(Open, "sqlite") }

// DefaultPath is the file of sqlite:// alone.
const DefaultPath = "umbel.db"

// defaultLease is how long the heartbeat of an owner may stand still where its sign of life is still there: a process
// that hangs. The dead are found at once on Linux.
const defaultLease = 30 * time.Second

// Open opens the first file of c.URLs that can be opened. Query and broker_transport_options know lock_timeout (seconds
// to wait for other processes, default 10), lease (seconds a process may hang before others take its deliveries, default
// 30) and max_pages (largest size of the file in pages of 8 KiB, default none).
func Open(ctx context.Context, c broker.Config) (broker.Broker, error) {
	c = c.WithDefaults()
	var last error
	for _, u := range c.URLs {
		b, err := open(ctx, u, c)
		if err == nil {
			return b, nil
		}
		last = err
	}
	if last == nil {
		return nil, fmt.Errorf("open broker: no URL: set broker_url")
	}
	return nil, last
}

func open(ctx context.Context, u string, c broker.Config) (*Broker, error) {
	masked := broker.MaskURL(u)
	if err := ctx.Err(); err != nil {
		return nil, opened(masked, err)
	}
	s, err := parse(u, c.Options)
	if err != nil {
		return nil, &broker.OpenError{URL: masked, Op: "read settings", Err: err}
	}
	s.options.Log = c.Log
	f, err := sqlitefile.Open(s.path, s.options)
	if err != nil {
		return nil, opened(masked, err)
	}
	b, err := newBroker(ctx, f, s.lease, c.Log)
	if err != nil {
		return nil, opened(masked, err)
	}
	return b, nil
}

// settings are what a URL and options say.
type settings struct {
	path    string
	lease   time.Duration
	options sqlitefile.Options
}

func parse(raw string, options map[string]any) (settings, error) {
	s := settings{lease: defaultLease}
	_, rest, ok := strings.Cut(raw, "://")
	if !ok {
		return s, fmt.Errorf("it is no URL")
	}
	path, query, _ := strings.Cut(rest, "?")
	path, err := url.PathUnescape(path)
	if err != nil {
		return s, err
	}
	if s.path = path; path == "" {
		s.path = DefaultPath
	}
	if strings.ContainsRune(path, 0) || strings.HasSuffix(path, "/") {
		return s, fmt.Errorf("path %q names no file: write sqlite://NAME.db for one in the working folder, sqlite:///folder/NAME.db for an absolute path", path)
	}
	values, err := url.ParseQuery(query)
	if err != nil {
		return s, err
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if err := s.set("query option", name, values.Get(name)); err != nil {
			return s, err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(options)) {
		if err := s.set("transport option", name, fmt.Sprint(options[name])); err != nil {
			return s, err
		}
	}
	return s, nil
}

func (s *settings) set(kind, name, value string) error {
	n, err := strconv.ParseFloat(value, 64)
	if err != nil || n <= 0 || n > 1e9 {
		err = fmt.Errorf("want a positive number")
	}
	switch name {
	case "lock_timeout":
		s.options.LockTimeout = time.Duration(n * float64(time.Second))
	case "lease":
		s.lease = time.Duration(n * float64(time.Second))
		if err == nil && s.lease < time.Second {
			err = fmt.Errorf("want at least 1 second")
		}
	case "max_pages":
		s.options.MaxPages = int64(n)
	default:
		return fmt.Errorf("unknown %s %q: known are lease, lock_timeout and max_pages", kind, name)
	}
	if err != nil {
		return fmt.Errorf("%s %s = %q: %w", kind, name, value, err)
	}
	return nil
}
