package memory

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/umbel-go/umbel/backend"
	"github.com/umbel-go/umbel/backend/backendtest"
	"github.com/umbel-go/umbel/codec"
	"github.com/umbel-go/umbel/protocol"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// open opens the space of this test.
func open(t testing.TB, c backend.Config) backend.Backend {
	t.Helper()
	c.URL = "memory://" + strings.NewReplacer("/", ".", "#", ".", "?", ".").Replace(t.Name())
	b, err := backend.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func success(id string) *protocol.Result {
	return &protocol.Result{TaskID: id, Status: protocol.Success, Result: codec.Of("done"), HasChildren: true}
}

func store(t testing.TB, b backend.Backend, docs ...*protocol.Result) {
	t.Helper()
	for _, err := range b.Store(t.Context(), docs) {
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestContract(t *testing.T) {
	backendtest.Run(t,
		func(t *testing.T) backend.Backend { return open(t, backend.Config{}) },
		backendtest.Options{Peer: func(t *testing.T, c backend.Config) backend.Backend { return open(t, c) }})
}

func TestDocumentsExpireInVirtualTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, backend.Config{Expires: time.Hour})
		defer b.Close()
		store(t, b, success("a"), success("b"))
		time.Sleep(time.Hour - time.Nanosecond)
		if _, err := b.Get(t.Context(), "a"); err != nil {
			t.Fatalf("just before its time: %v", err)
		}
		time.Sleep(time.Nanosecond)
		if _, err := b.Get(t.Context(), "a"); err == nil {
			t.Fatal("at its time: still there")
		}
		if n, err := b.Cleanup(t.Context()); n != 2 || err != nil {
			t.Fatalf("Cleanup: %d, %v; want 2", n, err)
		}
	})
}

func TestExpiredDocumentsDoNotPileUpWithoutCleanup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, backend.Config{Expires: time.Minute})
		defer b.Close()
		for i := range 10_000 {
			store(t, b, success(fmt.Sprint(i)))
			time.Sleep(time.Second)
		}
		if n := len(b.(*Backend).space.docs); n > 61 {
			t.Fatalf("%d documents are kept where 60 are alive", n)
		}
	})
}

func TestAWaitInVirtualTimeTakesNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, backend.Config{})
		defer b.Close()
		got := make(chan *protocol.Result, 1)
		stop, err := b.Watch(t.Context(), []string{"a"}, func(r *protocol.Result) { got <- r })
		if err != nil {
			t.Fatal(err)
		}
		defer stop()
		go func() {
			time.Sleep(24 * time.Hour)
			store(t, b, success("a"))
		}()
		before := time.Now()
		<-got
		if d := time.Since(before); d != 24*time.Hour {
			t.Fatalf("told after %v", d)
		}
	})
}

func TestSpacesAreSharedByNameUntilTheLastCloses(t *testing.T) {
	ctx := t.Context()
	openURL := func(url string) backend.Backend {
		b, err := backend.Open(ctx, backend.Config{URL: url})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	a, b, other, own, own2 := openURL("memory://shop"), openURL("memory://shop/"), openURL("memory://other"), openURL("memory://"), openURL("memory://")
	defer func() {
		for _, x := range []backend.Backend{b, other, own, own2} {
			if err := x.Close(); err != nil {
				t.Error(err)
			}
		}
	}()
	store(t, a, success("x"))
	store(t, own, success("y"))
	if _, err := b.Get(ctx, "x"); err != nil {
		t.Error("the same name is another space")
	}
	if _, err := other.Get(ctx, "x"); err == nil {
		t.Error("another name is the same space")
	}
	if _, err := own2.Get(ctx, "y"); err == nil {
		t.Error("two without a name are one space")
	}
	a.Close()
	if _, err := b.Get(ctx, "x"); err != nil {
		t.Error("the space went with the first of its backends")
	}
	b.Close()
	again := openURL("memory://shop")
	defer again.Close()
	if _, err := again.Get(ctx, "x"); err == nil {
		t.Error("the space outlived the last of its backends")
	}
}

func TestOnlyAcceptedSerializersAreRead(t *testing.T) {
	writer := open(t, backend.Config{Serializer: "msgpack"})
	defer writer.Close()
	reader := open(t, backend.Config{})
	defer reader.Close()
	store(t, writer, success("a"))
	if _, err := reader.Get(t.Context(), "a"); err == nil || !strings.Contains(err.Error(), "msgpack") {
		t.Fatalf("get of msgpack where json is accepted: %v", err)
	}
	both, err := codec.NewAccept("json", "msgpack")
	if err != nil {
		t.Fatal(err)
	}
	liberal := open(t, backend.Config{Accept: both})
	defer liberal.Close()
	r, err := liberal.Get(t.Context(), "a")
	if err != nil || r.Status != protocol.Success {
		t.Fatalf("%+v, %v", r, err)
	}
}

func TestOpenRefusesWhatMeansNothing(t *testing.T) {
	for url, options := range map[string]map[string]any{
		"memory://a/b": nil, "memory://u:secret@host": nil, "memory://a?x=1": nil, "memory://a": {"table_prefix": "x"},
	} {
		_, err := backend.Open(context.Background(), backend.Config{URL: url, Options: options})
		if err == nil {
			t.Errorf("%s %v: no error", url, options)
		} else if strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: a secret in %q", url, err)
		}
	}
}

func BenchmarkStore(b *testing.B) {
	s := open(b, backend.Config{})
	defer s.Close()
	docs := []*protocol.Result{success("")}
	i := 0
	b.ReportAllocs()
	for b.Loop() {
		i++
		docs[0].TaskID = fmt.Sprint(i)
		s.Store(context.Background(), docs)
	}
}
