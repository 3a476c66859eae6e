package umbel

import (
	"context"
	"testing"
	"time"
)

func TestParseRate(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"": 0, "0": 0, "10/s": 100 * time.Millisecond, "100/m": 600 * time.Millisecond, "1000/h": 3600 * time.Millisecond,
		"2": 500 * time.Millisecond, "0.5/s": 2 * time.Second,
	} {
		r, err := ParseRate(text)
		if err != nil || r.Interval() != want {
			t.Errorf("%q: every %v, %v; want %v", text, r.Interval(), err, want)
		}
	}
	for _, text := range []string{"x", "10/d", "-1/s", "/s", "1e99", "NaN"} {
		if r, err := ParseRate(text); err == nil {
			t.Errorf("%q was read as %v", text, r)
		}
	}
}

func TestBadOptionsPanicAtRegister(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a rate limit that cannot be read must panic at Register")
		}
	}()
	Register(New("t", WithConfig(Config{})), "t", func(context.Context, int) (int, error) { return 0, nil }, RateLimit("often"))
}
