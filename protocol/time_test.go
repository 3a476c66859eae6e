package protocol

import (
	"testing"
	"time"

	"github.com/umbel-go/umbel/codec"
)

// Python is the oracle: testdata/python has what dateutil.isoparse, which Celery uses, makes of each text.
func TestParseTimeIsPythons(t *testing.T) {
	t.Parallel()
	// dateutil takes a minute of one digit at the end of an offset, which is no ISO 8601.
	stricter := map[string]bool{"2026-11-23T09:57:24+05:3": true}
	for _, c := range readJSONFile(t, "python/times.json").([]any) {
		c := c.(map[string]any)
		text := c["text"].(string)
		got, err := ParseTime(text)
		want, ok := c["python"].(string)
		if stricter[text] {
			ok = false
		}
		switch {
		case ok && err != nil:
			t.Errorf("%q: %v, want %s", text, err, want)
		case ok && FormatTime(got) != want:
			t.Errorf("%q: got %s, want %s", text, FormatTime(got), want)
		case !ok && err == nil:
			t.Errorf("%q: got %s, want an error (Python: %v)", text, FormatTime(got), c["error"])
		}
	}
}

func TestFormatTime(t *testing.T) {
	t.Parallel()
	for want, at := range map[string]time.Time{
		"2024-01-02T03:04:05+00:00":        time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC),
		"2024-01-02T03:04:05.000006+00:00": time.Date(2024, 1, 2, 3, 4, 5, 6999, time.UTC),
		"2024-01-02T03:04:05.100000+00:00": time.Date(2024, 1, 2, 3, 4, 5, 100000000, time.UTC),
		"2024-01-02T03:04:05":              time.Date(2024, 1, 2, 3, 4, 5, 999, codec.Naive),
		"0987-12-31T23:59:59.999999-03:30": time.Date(987, 12, 31, 23, 59, 59, 999999999, time.FixedZone("x", -12600)),
		"1890-01-01T00:00:00+00:53:28":     time.Date(1890, 1, 1, 0, 0, 0, 0, time.FixedZone("LMT", 53*60+28)),
		"2024-01-02T03:04:05+14:00":        time.Date(2024, 1, 2, 3, 4, 5, 0, time.FixedZone("", 14*3600)),
	} {
		if got := FormatTime(at); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		back, err := ParseTime(want)
		if err != nil || !back.Equal(at.Truncate(time.Microsecond)) || FormatTime(back) != want {
			t.Errorf("%s read back: %v, %v", want, back, err)
		}
	}
}

func TestNaiveTimesAreUTCAndStayNaive(t *testing.T) {
	t.Parallel()
	naive, err := ParseTime("2024-01-02T03:04:05")
	if err != nil || naive.Location() != codec.Naive || !naive.Equal(time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC)) {
		t.Errorf("naive: %v, %v", naive, err)
	}
	aware, err := ParseTime("2024-01-02T03:04:05+00:00")
	if err != nil || aware.Location() == codec.Naive {
		t.Errorf("aware: %v, %v", aware, err)
	}
}
