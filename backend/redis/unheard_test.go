package redis

import (
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/umbel-go/umbel/backend"
	"github.com/umbel-go/umbel/internal/testenv"
	"github.com/umbel-go/umbel/protocol"
)

// published subscribes to a task's channel, as Celery's client does after its look, and gives what it hears.
func published(t *testing.T, b *Backend, id string) <-chan string {
	t.Helper()
	ready, heard := make(chan struct{}), make(chan string, 10)
	dedicated, release := b.client.Dedicate()
	t.Cleanup(release)
	gone := dedicated.SetPubSubHooks(rueidis.PubSubHooks{
		OnSubscription: func(rueidis.PubSubSubscription) { close(ready) },
		OnMessage:      func(m rueidis.PubSubMessage) { heard <- m.Message },
	})
	if err := dedicated.Do(t.Context(), dedicated.B().Subscribe().Channel(b.key(id)).Build()).Error(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-ready:
	case err := <-gone:
		t.Fatalf("subscription: %v", err)
	case <-time.After(30 * time.Second):
		t.Fatal("no subscription")
	}
	return heard
}

// Celery's client may subscribe just after a result was stored and published: it has looked before, and would never learn.
func TestAResultThatNobodyHeardIsPublishedAgain(t *testing.T) {
	t.Parallel()
	r := testenv.Redis(t)
	b := dial(t, configOf(r))
	b.unheard.wait = 3 * time.Second // the subscription below must come before
	listener := dial(t, configOf(r))
	store(t, b, success("late"))
	heard := published(t, listener, "late")
	select {
	case <-heard:
	case <-time.After(30 * time.Second):
		t.Fatal("it was not published again")
	}
	testenv.Await(t, "the end of the second looks", func() bool {
		b.unheard.mu.Lock()
		defer b.unheard.mu.Unlock()
		return !b.unheard.running && len(b.unheard.waiting) == 0
	}, nil)
}

func TestOnlyFinalResultsThatNobodyHeardAreLookedAtAgain(t *testing.T) {
	t.Parallel()
	r := testenv.Redis(t)
	b := dial(t, configOf(r))
	listener := dial(t, configOf(r))
	heard := published(t, listener, "heard")
	store(t, b, success("heard"))
	<-heard
	started := success("started")
	started.Status = protocol.Started
	store(t, b, started)
	b.unheard.mu.Lock()
	defer b.unheard.mu.Unlock()
	if n := len(b.unheard.waiting); n != 0 || b.unheard.running {
		t.Errorf("%d results wait for a second look, want none", n)
	}
}

func TestWhoMayNotAskWhoListensPublishesOnce(t *testing.T) {
	t.Parallel()
	r := testenv.OwnRedis(t, "user bob on >pw ~* &* +@all -pubsub")
	b := dial(t, backend.Config{URL: "redis://bob:pw@" + r.Addr()})
	store(t, b, success("a"))
	testenv.Await(t, "the refusal", func() bool {
		b.unheard.mu.Lock()
		defer b.unheard.mu.Unlock()
		return b.unheard.off
	}, nil)
	store(t, b, success("b"))
}
