package backend

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/umbel-go/umbel/broker"
)

// A Driver opens backends of one URL scheme.
type Driver func(ctx context.Context, c Config) (Backend, error)

var drivers struct {
	sync.Mutex
	m map[string]Driver
}

// Register makes a driver known under URL schemes; drivers call it from init.
func Register(d Driver, schemes ...string) {
	drivers.Lock()
	defer drivers.Unlock()
	if drivers.m == nil {
		drivers.m = make(map[string]Driver)
	}
	for _, s := range schemes {
		drivers.m[s] = d
	}
}

// imports names the package to import for each scheme that Umbel has a driver for.
var imports = map[string]string{
	"redis": "github.com/umbel-go/umbel/backend/redis", "rediss": "github.com/umbel-go/umbel/backend/redis",
	"socket": "github.com/umbel-go/umbel/backend/redis", "redis+socket": "github.com/umbel-go/umbel/backend/redis",
	"unix": "github.com/umbel-go/umbel/backend/redis", "sentinel": "github.com/umbel-go/umbel/backend/redis",
	"rpc":    "github.com/umbel-go/umbel/backend/rpc",
	"sqlite": "github.com/umbel-go/umbel/backend/database", "postgres": "github.com/umbel-go/umbel/backend/database",
	"postgresql": "github.com/umbel-go/umbel/backend/database",
	"memory":     "github.com/umbel-go/umbel/backend/memory",
}

// WithDefaults fills what is unset.
func (c Config) WithDefaults() Config {
	if c.Expires == 0 {
		c.Expires = 24 * time.Hour
	}
	if c.Serializer == "" {
		c.Serializer = "json"
	}
	if c.ConnectTimeout <= 0 {
		c.ConnectTimeout = 4 * time.Second
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// Open connects to the result store at c.URL.
func Open(ctx context.Context, c Config) (Backend, error) {
	c = c.WithDefaults()
	scheme, _, ok := strings.Cut(c.URL, "://")
	if !ok {
		return nil, fmt.Errorf("open result backend: %q is not a URL: it has no scheme such as redis:// or sqlite://", broker.MaskURL(c.URL))
	}
	scheme = strings.ToLower(scheme)
	if strings.HasPrefix(scheme, "db+") {
		return nil, fmt.Errorf("open result backend: %s: Celery's database tables hold pickled Python objects, which Umbel never reads or writes: "+
			"use %s for Umbel's own tables, or redis:// to share results with Python", broker.MaskURL(c.URL), strings.TrimPrefix(broker.MaskURL(c.URL), scheme[:3]))
	}
	drivers.Lock()
	d := drivers.m[scheme]
	known := make([]string, 0, len(drivers.m))
	for s := range drivers.m {
		known = append(known, s)
	}
	drivers.Unlock()
	if d != nil {
		return d(ctx, c)
	}
	if p := imports[scheme]; p != "" {
		return nil, fmt.Errorf("open result backend: scheme %q is not compiled in: import _ %q", scheme, p)
	}
	slices.Sort(known)
	return nil, fmt.Errorf("open result backend: unknown scheme %q in %s: known are %s", scheme, broker.MaskURL(c.URL), strings.Join(known, ", "))
}
