package metric

import (
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/umbel-go/umbel/internal/testenv"
)

var (
	testCount = &Family{"umbel_test_total", KindCounter, []string{"task", "queue"}, "Tests with a \\ and\na new line"}
	testTook  = &Family{"umbel_test_seconds", KindHistogram, []string{"task"}, "How long tests took"}
	testNone  = &Family{"umbel_test_level", KindGauge, nil, "Never set"}
)

func page() *Page {
	p := NewPage()
	p.Declare(testNone)
	p.Add(testCount, 2, "b", `quo"te`)
	p.Add(testCount, 1, "a", "x\ny\\")
	p.Add(testCount, 9, "a", "x\ny\\") // told twice
	h := NewHistogram(Bounds{time.Millisecond, time.Second})
	for _, d := range []time.Duration{-1, time.Millisecond, 2 * time.Millisecond, time.Minute} {
		h.Observe(d)
	}
	p.AddHistogram(testTook, h, "a")
	return p
}

func text(t *testing.T, p *Page) string {
	t.Helper()
	var b strings.Builder
	if _, err := p.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestAPageIsPrometheusText(t *testing.T) {
	t.Parallel()
	want := `# HELP umbel_test_level Never set
# TYPE umbel_test_level gauge
# HELP umbel_test_total Tests with a \\ and\na new line
# TYPE umbel_test_total counter
umbel_test_total{task="a",queue="x\ny\\"} 1
umbel_test_total{task="b",queue="quo\"te"} 2
# HELP umbel_test_seconds How long tests took
# TYPE umbel_test_seconds histogram
umbel_test_seconds_bucket{task="a",le="0.001"} 2
umbel_test_seconds_bucket{task="a",le="1"} 3
umbel_test_seconds_bucket{task="a",le="+Inf"} 4
umbel_test_seconds_sum{task="a"} 60.003
umbel_test_seconds_count{task="a"} 4
`
	if got := text(t, page()); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// Prometheus's own tool reads the page, and finds nothing to complain of.
func TestPromtoolReadsAPage(t *testing.T) {
	t.Parallel()
	p := page()
	p.AddProcess()
	cmd := exec.Command(testenv.Promtool(t), "check", "metrics")
	cmd.Stdin = strings.NewReader(text(t, p))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("promtool check metrics: %v\n%s", err, out)
	}
}

func TestASetHasRoomForSoManyAndCountsTheRestTogether(t *testing.T) {
	t.Parallel()
	s := Names(10, func() *Counter { return new(Counter) })
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 1000 {
				s.At(strconv.Itoa((i + g) % 1000)).Inc()
			}
		})
	}
	wg.Wait()
	n, total, other := 0, 0.0, 0.0
	s.Each(func(k string, c *Counter) {
		n++
		total += c.Value()
		if k == Other {
			other = c.Value()
		}
	})
	if n != 11 || total != 8000 || other != 8000-10*8 {
		t.Errorf("%d series, %v counted, %v as other; want 11, 8000 and 7920", n, total, other)
	}
}

func TestCountingAllocatesNothing(t *testing.T) {
	s := Names(10, func() *Counter { return new(Counter) })
	h := NewHistogram(Durations)
	s.At("a")
	if n := testing.AllocsPerRun(100, func() { s.At("a").Inc(); h.Observe(time.Second) }); n > 1 { // the key, where it becomes an interface
		t.Errorf("%v allocations", n)
	}
}

func TestLongAndBrokenLabelsAreTamed(t *testing.T) {
	t.Parallel()
	p := NewPage()
	p.Add(testCount, 1, strings.Repeat("x", 10_000), "\xff")
	if got := text(t, p); len(got) > 1000 || !strings.Contains(got, "�") {
		t.Errorf("%d bytes: %q", len(got), got)
	}
}

func BenchmarkObserve(b *testing.B) {
	h := NewHistogram(Durations)
	b.ReportAllocs()
	for b.Loop() {
		h.Observe(30 * time.Millisecond)
	}
}
