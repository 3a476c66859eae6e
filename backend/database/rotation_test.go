package database

import (
	"context"
	"net/url"
	"sync/atomic"
	"testing"

	"github.com/umbel-go/umbel/backend"
	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/internal/testenv"
	"github.com/umbel-go/umbel/protocol"
)

// A user is renamed at the server, the secret follows, connections are lost: the store goes on, in the same process.
func TestRotatedCredentialsNeedNoRestart(t *testing.T) {
	pg := testenv.OwnPostgres(t) // roles are the whole server's
	u, err := url.Parse(pg.URL())
	if err != nil {
		t.Fatal(err)
	}
	var now, kept atomic.Pointer[string]
	set := func(p *atomic.Pointer[string], user string) {
		fresh := *u
		fresh.User = url.UserPassword(user, "x")
		text := fresh.String()
		p.Store(&text)
	}
	// Under trust nobody is asked for a password: a role that may not log in any more is refused (SQLSTATE 28000).
	pg.Query(`CREATE ROLE first SUPERUSER LOGIN`)
	pg.Query(`CREATE ROLE second SUPERUSER LOGIN`)
	set(&now, "first")
	set(&kept, "first")
	refusals := 0
	b := opened(t, backend.Config{URL: *kept.Load(), Credentials: func(_ context.Context, refused bool) (broker.Credentials, error) {
		if refused {
			refusals++
			kept.Store(now.Load())
		}
		return broker.Credentials{URL: *kept.Load()}, nil
	}})
	put(t, b, doc("a", protocol.Success))
	pg.Query(`ALTER ROLE first NOLOGIN`)
	set(&now, "second")
	pg.CloseConnections()
	put(t, b, doc("b", protocol.Success))
	if d, err := b.Get(t.Context(), "a"); err != nil || d.Status != protocol.Success {
		t.Errorf("%+v, %v", d, err)
	}
	if refusals == 0 {
		t.Error("nobody was refused: nothing was shown")
	}
}
