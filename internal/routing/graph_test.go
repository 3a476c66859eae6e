package routing

import (
	"slices"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func reach(t *testing.T, g *Graph, exchange, key string) []string {
	t.Helper()
	queues, ok := g.Route(nil, exchange, key)
	if !ok {
		t.Fatalf("exchange %q does not exist", exchange)
	}
	slices.Sort(queues)
	return queues
}

func want(t *testing.T, got []string, queues ...string) {
	t.Helper()
	if d := cmp.Diff(queues, got); d != "" && len(queues)+len(got) > 0 {
		t.Errorf("queues reached (-want +got):\n%s", d)
	}
}

func TestRoute(t *testing.T) {
	g := New()
	g.AddExchange("d", Direct, "")
	g.AddExchange("t", Topic, "")
	g.AddExchange("f", Fanout, "")
	for _, b := range []Binding{
		{Source: "d", Queue: "q1", Key: "one"},
		{Source: "d", Queue: "q2", Key: "two"},
		{Source: "d", Queue: "q3", Key: "two"},
		{Source: "d", Queue: "q3", Key: "two"}, // twice is once
		{Source: "t", Queue: "q1", Key: "a.#"},
		{Source: "t", Queue: "q1", Key: "#.b"}, // both match a.b: one copy
		{Source: "t", Exchange: "f", Key: "*.f"},
		{Source: "f", Queue: "q4", Key: "ignored"},
		{Source: "f", Queue: "q5"},
		{Source: "f", Exchange: "t"}, // a cycle
	} {
		if !g.Bind(b) {
			t.Fatalf("Bind(%+v) = false", b)
		}
	}
	want(t, reach(t, g, "", "anything"), "anything")
	want(t, reach(t, g, "d", "one"), "q1")
	want(t, reach(t, g, "d", "two"), "q2", "q3")
	want(t, reach(t, g, "d", "three"))
	want(t, reach(t, g, "t", "a.b"), "q1")
	want(t, reach(t, g, "t", "a.f"), "q1", "q4", "q5")
	want(t, reach(t, g, "t", "x.f"), "q4", "q5")
	want(t, reach(t, g, "f", "a.b"), "q1", "q4", "q5")
	if _, ok := g.Route(nil, "missing", "x"); ok {
		t.Error("a missing exchange was found")
	}
	if g.Bind(Binding{Source: "missing", Queue: "q"}) || g.Bind(Binding{Source: "d", Exchange: "missing"}) {
		t.Error("a binding of a missing exchange was made")
	}
	if got := len(g.Bindings("d")); got != 3 {
		t.Errorf("d has %d bindings, want 3", got)
	}
}

func TestRouteKeepsWhatTheCallerHas(t *testing.T) {
	g := New()
	g.AddExchange("f", Fanout, "")
	g.Bind(Binding{Source: "f", Queue: "q"})
	got, _ := g.Route([]string{"q"}, "f", "")
	want(t, got, "q", "q")
}

func TestAlternateExchangeTakesWhatMatchesNothing(t *testing.T) {
	g := New()
	g.AddExchange("d", Direct, "lost")
	g.AddExchange("lost", Fanout, "nowhere") // an alternate that does not exist
	g.Bind(Binding{Source: "d", Queue: "q", Key: "k"})
	want(t, reach(t, g, "d", "other"))
	g.Bind(Binding{Source: "lost", Queue: "found"})
	want(t, reach(t, g, "d", "k"), "q")
	want(t, reach(t, g, "d", "other"), "found")
}

func TestRemoval(t *testing.T) {
	g := New()
	g.AddExchange("a", Direct, "")
	g.AddExchange("b", Fanout, "")
	g.Bind(Binding{Source: "a", Exchange: "b", Key: "k"})
	g.Bind(Binding{Source: "b", Queue: "q"})
	g.Bind(Binding{Source: "b", Queue: "r"})
	want(t, g.RemoveQueue("q"))
	want(t, reach(t, g, "a", "k"), "r")
	want(t, g.RemoveQueue("r"), "b")
	want(t, reach(t, g, "a", "k"))
	want(t, g.RemoveExchange("b"), "a")
	if g.HasExchange("b") || len(g.Bindings("a")) != 0 {
		t.Error("b is still there")
	}
	want(t, g.RemoveExchange("b"))
	if !g.HasExchange("a") {
		t.Error("a went with b")
	}
}

func TestLongChainOfExchanges(t *testing.T) {
	g := New()
	const n = 10_000
	name := func(i int) string { return "x" + strconv.Itoa(i) }
	for i := range n {
		g.AddExchange(name(i), Fanout, "")
	}
	for i := range n - 1 {
		g.Bind(Binding{Source: name(i), Exchange: name(i + 1)})
	}
	g.Bind(Binding{Source: name(n - 1), Queue: "end"})
	want(t, reach(t, g, name(0), ""), "end")
}

func BenchmarkRoute(b *testing.B) {
	g := New()
	g.AddExchange("d", Direct, "")
	for i := range 100 {
		g.Bind(Binding{Source: "d", Queue: "q" + strconv.Itoa(i), Key: "k" + strconv.Itoa(i)})
	}
	buf := make([]string, 0, 4)
	b.ReportAllocs()
	for b.Loop() {
		if q, _ := g.Route(buf[:0], "d", "k50"); len(q) != 1 {
			b.Fatal(q)
		}
	}
}
