package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/beat"
	"github.com/umbel-go/umbel/monitor"
	"github.com/umbel-go/umbel/monitor/access"
	"github.com/umbel-go/umbel/monitor/api"
	"github.com/umbel-go/umbel/monitor/history"
	"github.com/umbel-go/umbel/worker"
)

// What the monitor adds by HTTP a scheduler sends and a worker runs, and what it deletes is sent no more.
func TestAnEntryThatTheMonitorAddsIsSent(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	app := umbel.New("shop")
	c := umbel.Config{BrokerURL: []string{"memory://monitor-entry"}, ResultBackend: "memory://", BeatScheduleFilename: filepath.Join(dir, "schedule.db"),
		BeatSchedule: []umbel.ScheduleEntry{{Name: "nightly", Task: "shop.report", Schedule: "0 4 * * *", Kwargs: map[string]any{"format": "pdf"}}}}
	if err := app.Configure(c); err != nil {
		t.Fatal(err)
	}
	ran := make(chan string, 1000)
	umbel.Register(app, "shop.say", func(_ context.Context, in struct {
		Word string `json:"word"`
	}) (string, error) {
		ran <- in.Word
		return in.Word, nil
	})
	s := &schedules{app: app}
	m, err := monitor.New(app, monitor.Config{Listen: "127.0.0.1:0", Access: access.Config{Anonymous: access.Owner}, Schedules: s, History: history.Config{URL: filepath.Join(dir, "history.db")}})
	if err != nil {
		t.Fatal(err)
	}
	w := worker.New(app, worker.Config{Concurrency: 2})
	ctx, cancel := context.WithCancel(context.Background())
	parts := []func(context.Context) error{m.Run, beat.New(app, beat.Config{}).Run, w.Run}
	ended := make(chan error, len(parts))
	for _, run := range parts {
		go func() { ended <- run(ctx) }()
	}
	client := &http.Client{Timeout: time.Minute, Transport: &http.Transport{DisableKeepAlives: true}}
	t.Cleanup(func() {
		cancel()
		for range parts {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
		if err := errors.Join(s.close(), app.Close()); err != nil {
			t.Error(err)
		}
	})
	select {
	case <-m.Ready():
	case <-time.After(time.Minute):
		t.Fatal("the monitor is not ready")
	}
	post := func(path, body string, want int) map[string]any {
		t.Helper()
		resp, err := client.Post("http://"+m.Addr()+"/api/v1/schedules"+path, "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		var out map[string]any
		if err = errors.Join(err, json.NewDecoder(bytes.NewReader(text)).Decode(&out)); err != nil || resp.StatusCode != want {
			t.Fatalf("%s %s: %s %s %v", path, body, resp.Status, text, err)
		}
		return out
	}
	hear := func(word string) {
		t.Helper()
		for limit := time.After(time.Minute); ; {
			select {
			case got := <-ran:
				if got == word {
					return
				}
			case <-limit:
				t.Fatalf("nobody says %q", word)
			}
		}
	}
	post("", `{"name": "often", "entry": {"task": "shop.say", "schedule": "0.2", "kwargs": {"word": "first"}, "options": {"expires": "30"}}}`, 200)
	hear("first")
	post("/often/edit", `{"changes": {"kwargs": {"word": "second"}}}`, 200)
	hear("second")
	hear("second")
	post("/often/remove", `{"confirm": "often"}`, 200)
	list, leader, err := s.List(ctx)
	if err != nil || leader == "" || slices.ContainsFunc(list, func(e api.Schedule) bool { return e.Name == "often" }) {
		t.Errorf("%+v %q %v", list, leader, err)
	}
}

// What beat finds wrong with an entry is told by key; due times are those that beat would keep.
func TestTheMonitorWritesBeatsSchedule(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	app := umbel.New("shop")
	c := umbel.Config{BrokerURL: []string{"memory://"}, BeatScheduleFilename: filepath.Join(dir, "schedule.db"), ResultBackend: "disabled", Timezone: "Europe/Berlin",
		BeatSchedule: []umbel.ScheduleEntry{{Name: "nightly", Task: "shop.report", Schedule: "0 4 * * *", Jitter: time.Minute}}}
	if err := app.Configure(c); err != nil {
		t.Fatal(err)
	}
	s := &schedules{app: app}
	t.Cleanup(func() {
		if err := errors.Join(s.close(), app.Close()); err != nil {
			t.Error(err)
		}
	})
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for what, f := range map[string]struct {
		keys map[string]any
		want string
	}{
		"nothing":          {map[string]any{}, "schedule task"},
		"a bad hour":       {map[string]any{"task": "a", "schedule": "0 25 * * *"}, "schedule"},
		"a day that never": {map[string]any{"task": "a", "schedule": "0 0 31 2 *"}, "schedule"},
		"a time that was":  {map[string]any{"task": "a", "schedule": "2020-01-01T00:00:00Z"}, "schedule"},
		"an end that was":  {map[string]any{"task": "a", "schedule": "30", "end": "2020-01-01"}, "end"},
		"a misspelt key":   {map[string]any{"task": "a", "schedule": "30", "jiter": "1"}, "jiter"},
		"options":          {map[string]any{"task": "a", "schedule": "30", "options": map[string]any{"priority": json.Number("300"), "ques": "x"}}, "options.priority options.ques"},
		"several":          {map[string]any{"task": "a", "schedule": "30", "args": map[string]any{}, "timezone": "Mars", "missed": "never"}, "args missed timezone"},
		"no result store":  {map[string]any{"task": "a", "schedule": "30", "overlap": "skip"}, "overlap"},
	} {
		for _, dry := range []bool{true, false} {
			_, err := s.Add(ctx, "new", f.keys, dry)
			var e *api.EntryError
			if !errors.As(err, &e) {
				t.Errorf("%s: %v", what, err)
				continue
			}
			var fields []string
			for _, x := range e.Faults {
				fields = append(fields, x.Field)
			}
			if slices.Sort(fields); strings.Join(fields, " ") != f.want {
				t.Errorf("%s: at %v: %v, want %s", what, fields, err, f.want)
			}
		}
	}
	if _, err := s.Add(ctx, "nightly", map[string]any{"task": "a", "schedule": "30"}, true); !errors.Is(err, api.ErrScheduleExists) {
		t.Errorf("a name that is there: %v", err)
	}
	if _, err := s.Entry(ctx, "nightli"); !errors.Is(err, api.ErrNoSchedule) || !strings.Contains(err.Error(), `did you mean "nightly"?`) {
		t.Errorf("a name that is not there: %v", err)
	}
	if _, err := s.Remove(ctx, "nightly"); !errors.Is(err, api.ErrScheduleKept) || !strings.Contains(err.Error(), "from settings: remove it there") {
		t.Errorf("one of the settings: %v", err)
	}

	e, err := s.Edit(ctx, "nightly", map[string]any{"schedule": "0 5 * * *", "jitter": nil, "enabled": false}, true)
	if err != nil || len(e.Due) != api.DueTimes || e.Due[0].Hour() != 5 || e.Zone != "Europe/Berlin" || !e.Paused || !e.Next.IsZero() || !e.Edited || e.Keys["jitter"] != nil {
		t.Errorf("what it would be: %+v %v", e, err)
	}
	if e, err = s.Entry(ctx, "nightly"); err != nil || e.Edited || e.When != "0 4 * * *" || len(e.Due) != api.DueTimes || e.Due[0].Hour() != 4 {
		t.Errorf("after a dry run: %+v %v", e, err)
	}
	if e, err = s.Edit(ctx, "nightly", map[string]any{"schedule": "0 5 * * *", "jitter": nil}, false); err != nil || !e.Next.Equal(e.Due[0]) {
		t.Fatalf("what it is then: %+v %v", e, err)
	}
	if e, err = s.Entry(ctx, "nightly"); err != nil || !e.Edited || e.When != "0 5 * * *" || e.Keys["jitter"] != nil {
		t.Errorf("after an edit: %+v %v", e, err)
	}
	if restored, err := s.Remove(ctx, "nightly"); err != nil || !restored {
		t.Errorf("restored: %t %v", restored, err)
	}
	if _, err = s.Add(ctx, "often", map[string]any{"task": "a", "schedule": "30", "args": []any{json.Number("9007199254740993")}}, false); err != nil {
		t.Fatal(err)
	}
	if e, err = s.Entry(ctx, "often"); err != nil || e.Source != "store" || e.Keys["args"].([]any)[0] != int64(9007199254740993) {
		t.Errorf("a large number: %+v %v", e, err)
	}
}
