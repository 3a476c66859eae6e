package setting

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/umbel-go/umbel/internal/schedule"
)

func entriesOf(t *testing.T, name, text string) ([]schedule.Entry, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	entries, err := LoadEntries(path)
	if err != nil {
		err = &textError{strings.ReplaceAll(err.Error(), path, name)}
	}
	return entries, err
}

type textError struct{ text string }

func (e *textError) Error() string { return e.text }

func TestEntriesMeanTheSameInEveryLanguage(t *testing.T) {
	want := []schedule.Entry{{Name: "night", Task: "t", Schedule: "0 4,5 * * mon-fri", Args: []any{int64(1), "x", 2.5}, Kwargs: map[string]any{"deep": map[string]any{"k": []any{true}}},
		Options: map[string]any{"queue": "q", "priority": int64(3), "expires": int64(60)}, Timezone: "Europe/Berlin", Jitter: 90 * time.Second,
		Start: time.Date(2026, 1, 1, 0, 0, 0, 0, time.FixedZone("", 3600)), Disabled: true, Overlap: "skip", Missed: "all", Deadline: time.Minute}}
	same := cmp.Comparer(func(a, b time.Time) bool { return a.Equal(b) })
	for name, text := range map[string]string{
		"a.yaml": `night:
  task: t
  schedule: {crontab: {minute: 0, hour: [4, 5], day_of_week: mon-fri}}
  args: [1, x, 2.5]
  kwargs: {deep: {k: [true]}}
  options: {queue: q, priority: 3, expires: 60}
  timezone: Europe/Berlin
  jitter: 90
  start: 2026-01-01 00:00
  enabled: false
  overlap: skip
  missed: all
  deadline: 1m
`,
		"a.json": `{"beat_schedule": {"night": {"task": "t", "schedule": "0 4,5 * * mon-fri", "args": [1, "x", 2.5], "kwargs": {"deep": {"k": [true]}},
"options": {"queue": "q", "priority": 3, "expires": 60}, "timezone": "Europe/Berlin", "jitter": "90s", "start": "2026-01-01T00:00:00+01:00",
"enabled": false, "overlap": "skip", "missed": "all", "deadline": 60}}}`,
		"a.toml": `[night]
task = "t"
schedule = {minute = "0", hour = "4,5", day_of_week = "mon-fri"}
args = [1, "x", 2.5]
kwargs = {deep = {k = [true]}}
options = {queue = "q", priority = 3, expires = 60}
timezone = "Europe/Berlin"
jitter = "1m30s"
start = "2026-01-01T00:00:00+01:00"
enabled = false
overlap = "skip"
missed = "all"
deadline = 60.0
`,
	} {
		got, err := entriesOf(t, name, text)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if d := cmp.Diff(want, got, same); d != "" {
			t.Errorf("%s:\n%s", name, d)
		}
		again, errs := schedule.Read("night", got[0].Plain(), time.UTC)
		if d := cmp.Diff(got[0], again, same); d != "" || len(errs) > 0 {
			t.Errorf("%s written and read: %v\n%s", name, errs, d)
		}
	}
}

func TestSchedulesHaveManyForms(t *testing.T) {
	for text, want := range map[string]string{
		"30": "30", "1.5": "1.5", "90s": "90s", `"0 4 * * *"`: "0 4 * * *", "{every: 30}": "30", "{minute: '*/15'}": "*/15 * * * *",
		"{crontab: 0 4 * * *}": "0 4 * * *", "{event: sunset, lat: 52.52, lon: 13.405}": "sunset 52.52 13.405",
		"{solar: {event: sunset, lat: -1, lon: 2}}": "sunset -1 2", "{at: '2026-12-24T18:00:00Z'}": "2026-12-24T18:00:00Z", "{hour: '22 - 2, 5'}": "* 22-2,5 * * *",
	} {
		got, err := entriesOf(t, "a.yaml", "e: {task: t, schedule: "+text+"}")
		if err != nil || len(got) != 1 || got[0].Schedule != want {
			t.Errorf("%s is %+v, %v; want %s", text, got, err, want)
		}
	}
}

func TestMistakesInEntriesHaveTheirPlace(t *testing.T) {
	_, err := entriesOf(t, "a.yaml", `one:
  tsk: t
  schedule: 30
two: 30
three:
  task: t
  schedule: {minute: 0, hours: 4}
four:
  task: t
  schedule: 0 4 * * 7
  options:
    prioritty: 3
    expires: soon
  timezone: Berlin
five: {task: t, schedule: 30, start: 2026-01-02, end: 2026-01-01, missed: some, jitter: -1, args: 5}
`)
	if err == nil {
		t.Fatal("nothing was found")
	}
	for _, want := range []string{
		"a.yaml:2: one: tsk is not known: did you mean task?", "one: task: which task is to be sent?", `a.yaml:4: two: "30" is not a map`,
		"a.yaml:7: three: schedule.hours is not known: did you mean hour?", "7 is out of range: Sunday is 0", "options.prioritty is not known: did you mean priority?",
		"options.expires: soon is not a time", "a.yaml:14: four: timezone: Berlin is not a time zone", "five: end: 2026-01-01T00:00:00Z is not after start",
		"missed: some is not one of skip, last, all", "jitter: -1 is not a time", "args: 5 is not a list",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not said in:\n%v", want, err)
		}
	}
}
