package redis

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/umbel-go/umbel/backend"
	"github.com/umbel-go/umbel/backend/backendtest"
	"github.com/umbel-go/umbel/internal/testenv"
)

// dial opens a backend that ends with the test.
func dial(t testing.TB, c backend.Config) *Backend {
	t.Helper()
	if c.ConnectTimeout == 0 {
		c.ConnectTimeout = 20 * time.Second // test machines are slow at times
	}
	b, err := open(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

func TestContract(t *testing.T) {
	runSuite(t, func(t *testing.T) backend.Config { return configOf(testenv.Redis(t)) })
}

// configOf keeps the channels of tests apart, which share a server.
func configOf(r *testenv.RedisServer) backend.Config {
	return backend.Config{URL: r.URL(), Options: map[string]any{"global_keyprefix": r.Prefix()}}
}

// runSuite runs the suite of all backends over what config says, and over the same opened again.
func runSuite(t *testing.T, config func(t *testing.T) backend.Config) {
	var configs sync.Map // by test
	backendtest.Run(t, func(t *testing.T) backend.Backend {
		c := config(t)
		configs.Store(t.Name(), c)
		return dial(t, c)
	}, backendtest.Options{Peer: func(t *testing.T, c backend.Config) backend.Backend {
		first, _ := configs.Load(t.Name())
		again := first.(backend.Config)
		again.Expires = c.Expires
		return dial(t, again)
	}})
}
