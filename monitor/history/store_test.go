package history

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/umbel-go/umbel/protocol"
)

func TestATaskIsOneRowFromItsFirstEventToItsLast(t *testing.T) {
	each(t, func(t *testing.T, c Config) {
		s := open(t, c)
		record(t, s, RecorderConfig{}, noon,
			say(0, "gen1@web", &protocol.TaskSent{UUID: "a", Name: "shop.pay", Args: "(1,)", Kwargs: "{}", Queue: "high", RoutingKey: "high"}),
			say(1, "w1@host", &protocol.TaskReceived{UUID: "a", Name: "shop.pay", Args: "(1,)", Kwargs: "{}", RootID: "a"}),
			say(2, "w1@host", &protocol.TaskStarted{UUID: "a"}),
			say(3, "w1@host", &protocol.TaskRetried{UUID: "a", Exception: "KeyError('x')", Traceback: "…"}),
			say(9, "w2@host", &protocol.TaskReceived{UUID: "a", Name: "shop.pay", Args: "(1,)", Kwargs: "{}", RootID: "a", Retries: 1}),
			say(10, "w2@host", &protocol.TaskStarted{UUID: "a"}),
			say(12, "w2@host", &protocol.TaskSucceeded{UUID: "a", Result: "'ok'", Runtime: 1.5}))
		got, err := s.Task(deadline(t), "a")
		if err != nil {
			t.Fatal(err)
		}
		if got.State != protocol.Success || got.Worker != "w2@host" || got.Client != "gen1@web" || got.Queue != "high" ||
			got.Result != "'ok'" || got.Runtime != 1.5 || got.Retries != 1 || !got.Heard().Equal(noon) {
			t.Errorf("got %+v", got)
		}
		if !got.Started.Equal(noon.Add(10*time.Second)) || !got.Retried.Equal(noon.Add(3*time.Second)) {
			t.Errorf("started %v, retried %v", got.Started, got.Retried)
		}
		var trail []string
		for _, st := range got.Trail {
			trail = append(trail, fmt.Sprintf("%s %s %s", st.Kind, st.Worker, st.Note))
		}
		want := []string{"sent  ", "received w1@host ", "started w1@host ", "retried w1@host KeyError('x')", "received w2@host ", "started w2@host ",
			"succeeded w2@host "}
		if !slices.Equal(trail, want) {
			t.Errorf("trail %q", trail)
		}
		if _, err := s.Task(deadline(t), "b"); !errors.Is(err, ErrNotFound) {
			t.Errorf("an unknown task: %v", err)
		}
	})
}

func TestWhatComesAfterARestartMeetsWhatWasWrittenBefore(t *testing.T) {
	each(t, func(t *testing.T, c Config) {
		s := open(t, c)
		record(t, s, RecorderConfig{}, noon, life("a", "t", 0)[:2]...)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = open(t, c)
		record(t, s, RecorderConfig{}, noon.Add(time.Hour), life("a", "t", 0)[2:]...)
		record(t, s, RecorderConfig{}, noon.Add(2*time.Hour), life("a", "t", 0)[1]) // told once more, late
		got, err := s.Task(deadline(t), "a")
		if err != nil {
			t.Fatal(err)
		}
		if got.State != protocol.Success || got.Args != "(a, 'pears')" || got.Result != "'done'" || len(got.Trail) != 3 || !got.Heard().Equal(noon) {
			t.Errorf("got %+v", got)
		}
	})
}

func TestEventsThatWereOvertakenChangeNothingThatIsLater(t *testing.T) {
	s := open(t, Config{URL: filepath.Join(t.TempDir(), "h.db")})
	e := life("a", "t", 0)
	record(t, s, RecorderConfig{}, noon, e[2], e[0], e[1])
	got, err := s.Task(deadline(t), "a")
	if err != nil {
		t.Fatal(err)
	}
	if got.State != protocol.Success || got.Name != "t" || got.Trail[0].Kind != "received" {
		t.Errorf("got %+v", got)
	}
}

func TestWhatWasSaidToBeWrittenSurvivesAKill(t *testing.T) {
	path := filepath.Join(t.TempDir(), "h.db")
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "HISTORY_TEST_VICTIM="+path)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var ids []string
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if !strings.HasPrefix(lines.Text(), "task-") {
			t.Errorf("victim: %s", lines.Text())
			break
		}
		if ids = append(ids, lines.Text()); len(ids) == 5000 {
			break
		}
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	slices.Sort(ids)
	ids = slices.Compact(ids) // some are written twice
	s := open(t, Config{URL: path})
	got, err := s.Tasks(deadline(t), ids)
	if err != nil {
		t.Fatal(err)
	}
	if len(ids) < 1000 || len(got) != len(ids) {
		t.Fatalf("%d of %d tasks are there", len(got), len(ids))
	}
}

func TestAnIDOfHostileTextIsStored(t *testing.T) {
	each(t, func(t *testing.T, c Config) {
		s := open(t, c)
		record(t, s, RecorderConfig{}, noon, say(0, "w\x00@h", &protocol.TaskReceived{UUID: "a", Name: "n\x00\xff<script>", Args: "\xfe'; DROP TABLE tasks"}))
		got, err := s.Task(deadline(t), "a")
		if err != nil {
			t.Fatal(err)
		}
		if got.Name != "n�<script>" {
			t.Errorf("name %q", got.Name)
		}
	})
}

func TestTheAuditLogIsOnlyAddedTo(t *testing.T) {
	each(t, func(t *testing.T, c Config) {
		s, ctx := open(t, c), deadline(t)
		for i := range 3 {
			if err := s.Note(ctx, Act{At: noon, Who: "ann", From: "10.0.0.1", Action: "revoke", Target: fmt.Sprint("task ", i), Outcome: "done"}); err != nil {
				t.Fatal(err)
			}
		}
		list, err := s.Acts(ctx, 0, 2)
		if err != nil || len(list) != 2 || list[0].Target != "task 2" || list[1].Target != "task 1" {
			t.Fatalf("%+v, %v", list, err)
		}
		if list, err = s.Acts(ctx, list[1].Seq, 2); err != nil || len(list) != 1 || list[0].Target != "task 0" || list[0].Who != "ann" {
			t.Errorf("%+v, %v", list, err)
		}
		for _, q := range []string{`UPDATE audit SET who = 'bob'`, `DELETE FROM audit`} {
			if err := s.db.write(ctx, func(t tx) error { _, err := t.exec(q); return err }); err == nil || !strings.Contains(err.Error(), "only added to") {
				t.Errorf("%s: %v", q, err)
			}
		}
	})
}

func TestRetentionRemovesTheOldestByAgeNumberAndSize(t *testing.T) {
	each(t, func(t *testing.T, c Config) {
		c.Age = time.Hour
		s, ctx := open(t, c), deadline(t)
		fill(t, s, 300, noon)
		count := func(want int64) {
			t.Helper()
			if n, err := s.Count(ctx); err != nil || n != want {
				t.Fatalf("%d tasks, %v, want %d", n, err, want)
			}
		}
		count(300)
		if n, err := s.Trim(ctx, noon.Add(time.Hour+100*time.Second)); err != nil || n != 100 {
			t.Fatalf("%d are too old, %v", n, err)
		}
		s.config.Tasks = 50
		if _, err := s.Trim(ctx, noon); err != nil {
			t.Fatal(err)
		}
		count(50)
		page, err := s.Search(ctx, Query{Limit: 1})
		if err != nil || page.Tasks[0].UUID != "id-0299" {
			t.Fatalf("the latest has gone: %+v, %v", page, err)
		}
		fill(t, s, 3000, noon.Add(time.Hour))
		s.config.Tasks = 0
		size, err := s.Size(ctx)
		if err != nil {
			t.Fatal(err)
		}
		s.config.Size = size / 2
		if _, err := s.Trim(ctx, noon); err != nil {
			t.Fatal(err)
		}
		n, err := s.Count(ctx)
		if now, err2 := s.Size(ctx); err != nil || err2 != nil || now > size/2 || n == 0 || n > 2000 {
			t.Errorf("%d tasks in %d of %d bytes: %v %v", n, now, size, err, err2)
		}
	})
}

// fill writes tasks that have been received, one a second.
func fill(t testing.TB, s *Store, n int, begin time.Time) {
	t.Helper()
	events := make([]*protocol.Event, n)
	for i := range events {
		events[i] = say(float64(i), fmt.Sprintf("w%d@host", i%3), &protocol.TaskReceived{UUID: fmt.Sprintf("id-%04d", i+int(begin.Sub(noon).Seconds())),
			Name: fmt.Sprintf("shop.t%d", i%5), Args: fmt.Sprintf("('order %d', %s)", i, strings.Repeat("x", 200)), Kwargs: "{}"})
	}
	record(t, s, RecorderConfig{}, begin, events...)
}
