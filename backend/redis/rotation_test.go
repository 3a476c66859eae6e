package redis

import (
	"context"
	"errors"
	"net/url"
	"sync"
	"testing"

	"github.com/umbel-go/umbel/backend"
	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/internal/faultnet"
	"github.com/umbel-go/umbel/internal/testenv"
	"github.com/umbel-go/umbel/protocol"
)

// kept is a secret as a process keeps it: what the store has now is learnt by who was refused.
type kept struct {
	mu             sync.Mutex
	kept, now      string
	refusals, away int
}

func (k *kept) rotate(to string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.now = to
}

// ask gives URLs for password, or passwords alone.
func (k *kept) ask(form func(string) broker.Credentials) func(context.Context, bool) (broker.Credentials, error) {
	return func(_ context.Context, refused bool) (broker.Credentials, error) {
		k.mu.Lock()
		defer k.mu.Unlock()
		if refused {
			k.refusals++
			if k.away > 0 {
				k.away--
				return broker.Credentials{}, errors.New("the store of secrets is away")
			}
			k.kept = k.now
		}
		return form(k.kept), nil
	}
}

// A password is changed at the server, the secret follows, connections are lost: stores, reads and watches go on, in the same process.
func TestARotatedPasswordNeedsNoRestart(t *testing.T) {
	t.Parallel()
	for name, form := range map[string]func(string) broker.Credentials{
		"password": func(p string) broker.Credentials { return broker.Credentials{Password: p} },
		"url": func(p string) broker.Credentials {
			return broker.Credentials{URL: (&url.URL{Scheme: "redis", Host: "elsewhere", User: url.UserPassword("", p)}).String()}
		},
	} {
		r := testenv.OwnRedis(t, "requirepass one")
		link := faultnet.To(t, r.Addr())
		bare := (&url.URL{Scheme: "redis", Host: link.Addr(), Path: "/0"}).String()
		k := &kept{kept: "one", now: "one"}
		b := dial(t, backend.Config{URL: bare, Credentials: k.ask(form)})
		c := newTally(t, 2)
		stop, err := b.Watch(t.Context(), []string{name + "-1", name + "-2"}, c.notify)
		if err != nil {
			t.Fatal(err)
		}
		store(t, b, success(name+"-1"))
		r.Do("CONFIG", "SET", "requirepass", "two")
		k.rotate("two")
		k.mu.Lock()
		k.away = 1 // at first it cannot be read
		k.mu.Unlock()
		link.Cut()
		store(t, b, success(name+"-2"))
		if d, err := b.Get(t.Context(), name+"-2"); err != nil || d.Status != protocol.Success {
			t.Errorf("%s: %+v, %v", name, d, err)
		}
		c.await()
		stop()
		k.mu.Lock()
		if k.refusals == 0 {
			t.Errorf("%s: nobody was refused: nothing was shown", name)
		}
		k.mu.Unlock()
	}
}

func TestAPasswordThatWasRotatedBeforeTheFirstConnectionIsReadAnew(t *testing.T) {
	t.Parallel()
	r := testenv.OwnRedis(t, "requirepass two")
	k := &kept{kept: "one", now: "two"}
	b := dial(t, backend.Config{URL: "redis://" + r.Addr() + "/0", Credentials: k.ask(func(p string) broker.Credentials { return broker.Credentials{Password: p} })})
	store(t, b, success("a"))
	// One that stays wrong is an error that says so.
	k = &kept{kept: "three", now: "three"}
	if _, err := open(t.Context(), backend.Config{URL: "redis://" + r.Addr() + "/0",
		Credentials: k.ask(func(p string) broker.Credentials { return broker.Credentials{Password: p} })}); err == nil {
		t.Error("a wrong password is accepted")
	} else {
		wantErrors(t, []error{err}, "WRONGPASS", "user name or password is wrong")
	}
}
