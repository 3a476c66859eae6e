package history

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/umbel-go/umbel/secret"
)

// A Config says where history is kept, and how much of it.
type Config struct {
	// URL is sqlite:///path/to/file, the path of a SQLite file, or postgres://…, or names a secret that holds one of these:
	// secretsmanager://NAME#KEY, ssm://NAME, file:PATH (file://PATH is a SQLite file). One monitor writes to one history.
	// Defaults to monitor.db in the working directory. Flower: db.
	URL string

	// Existing has Open fail with ErrNotFound where there is no history, in place of making one.
	Existing bool

	// Age is how long tasks are kept. Defaults to 30 days; negative: for ever.
	Age time.Duration

	// Size bounds the history's bytes on disk: the oldest tasks go first. Defaults to 20 GiB; negative: no bound.
	Size int64

	// Tasks bounds their number. Defaults to no bound. Flower: max_tasks.
	Tasks int64

	// Log defaults to nowhere.
	Log *slog.Logger
}

func (c Config) withDefaults() Config {
	c.URL = cmp.Or(c.URL, "monitor.db")
	c.Age = cmp.Or(c.Age, 30*24*time.Hour)
	c.Size = cmp.Or(c.Size, 20<<30)
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// ErrNotFound: nothing of that name is in the history.
var ErrNotFound = errors.New("not in the history")

// A Store is an open history. All methods may be called from many goroutines.
type Store struct {
	config Config
	db     dialect

	mu   sync.Mutex // guards next
	next int64      // the latest Seq that was given
}

// Open opens a history, and makes it when it is new.
func Open(ctx context.Context, c Config) (*Store, error) {
	c = c.withDefaults()
	kept := ""
	var err error
	if secret.Is(c.URL) && !strings.HasPrefix(c.URL, "file://") {
		kept = c.URL
		if c.URL, err = secret.Read(ctx, kept); err != nil {
			return nil, fmt.Errorf("open history: %w", err)
		}
	}
	s := &Store{config: c}
	scheme, rest, has := strings.Cut(c.URL, "://")
	switch {
	case !has:
		s.db, err = openSQLite(ctx, c.URL, &c)
	case scheme == "sqlite" || scheme == "file":
		s.db, err = openSQLite(ctx, sqlitePath(rest), &c)
	case scheme == "postgres" || scheme == "postgresql":
		s.db, err = openPostgres(ctx, c.URL, kept, &c)
	default:
		err = fmt.Errorf("scheme %q is not known: want sqlite:// or postgres://, or the path of a file", scheme)
	}
	if err != nil {
		return nil, fmt.Errorf("open history %s: %w", maskURL(c.URL), err)
	}
	err = s.db.read(ctx, func(t tx) error {
		return t.each(`SELECT coalesce(max(seq), 0) FROM tasks`, nil, []any{&s.next}, nothing)
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open history %s: %w", maskURL(c.URL), err), s.db.close())
	}
	return s, nil
}

func nothing() error { return nil }

// sqlitePath is the path of sqlite://name (relative) and sqlite:///path (absolute), as of brokers and result stores.
func sqlitePath(rest string) string {
	rest, _, _ = strings.Cut(rest, "?")
	if p, err := url.PathUnescape(rest); err == nil {
		return p
	}
	return rest
}

func maskURL(text string) string {
	if u, err := url.Parse(text); err == nil && u.User != nil {
		return u.Redacted()
	}
	if strings.Contains(text, "@") {
		return "(hidden)"
	}
	return text
}

// Close closes the file or the connections.
func (s *Store) Close() error { return s.db.close() }

// seq gives a task that was first heard of at t its place: later than all before.
func (s *Store) seq(t time.Time) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next = max(s.next+1, t.UnixMicro())
	return s.next
}

// Size is the bytes that the history takes, without those that are free within it.
func (s *Store) Size(ctx context.Context) (int64, error) {
	n, err := s.db.size(ctx)
	if err != nil {
		return 0, fmt.Errorf("size of history: %w", err)
	}
	return n, nil
}
