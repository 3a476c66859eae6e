package cli

import (
	"strings"
	"testing"
	"time"
)

func TestPercentiles(t *testing.T) {
	var sorted []time.Duration
	for i := range 100 {
		sorted = append(sorted, time.Duration(i+1))
	}
	for _, c := range []struct{ n, p, want int }{{100, 50, 50}, {100, 99, 99}, {10, 50, 5}, {10, 99, 10}, {1, 50, 1}, {1, 99, 1}, {3, 50, 2}} {
		if got := percentile(sorted[:c.n], c.p); got != time.Duration(c.want) {
			t.Errorf("p%d of 1 to %d is %d, want %d", c.p, c.n, got, c.want)
		}
	}
}

func TestThousands(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 999.6: "1 000", 12345678: "12 345 678", 123: "123"} {
		if got := thousands(v); got != want {
			t.Errorf("%v is %q, want %q", v, got, want)
		}
	}
}

func TestABarShowsHowFarItIs(t *testing.T) {
	var seen strings.Builder
	b := &bar{w: &seen}
	b.begin("send", 4)
	b.set(4)
	b.clear()
	for _, want := range []string{"send", "  0%", "100%", strings.Repeat("━", 32)} {
		if !strings.Contains(seen.String(), want) {
			t.Errorf("%q is not in %q", want, seen.String())
		}
	}
	if b := newBar(&seen, paint{}, true); b.w != nil {
		t.Error("a bar is shown where nobody watches")
	}
}
