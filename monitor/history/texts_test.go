package history

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/umbel-go/umbel/protocol"
)

// A bare dialect has no index of texts.
type bare struct{ dialect }

func (bare) since() (int64, bool) { return 0, false }

// What the index finds is what looking at every task finds, page by page.
func TestTheIndexOfTextsFindsWhatLookingAtEachTaskFinds(t *testing.T) {
	each(t, func(t *testing.T, c Config) {
		s := open(t, c)
		dice := rand.New(rand.NewPCG(7, 7))
		words := []string{"pears", "Äpfel", "order", "100%", "it's", `"x"`, "日本語です", "a-b", "ann@example.org", "x", "", "null"}
		text := func() string {
			return fmt.Sprintf("%s %d %s", words[dice.IntN(len(words))], dice.IntN(3000), words[dice.IntN(len(words))])
		}
		var events []*protocol.Event
		for i := range 400 {
			id := fmt.Sprint("task-", i)
			events = append(events, say(float64(i), "w@h", &protocol.TaskReceived{UUID: id, Name: "t", Args: "(" + text() + ")", Kwargs: "{" + text() + "}"}))
			switch dice.IntN(3) {
			case 0:
				events = append(events, say(float64(i)+0.1, "w@h", &protocol.TaskSucceeded{UUID: id, Result: text()}))
			case 1:
				events = append(events, say(float64(i)+0.1, "w@h", &protocol.TaskFailed{UUID: id, Exception: text(), Traceback: text()}))
			}
		}
		half := len(events) / 2 // the rest comes after a restart, and later: it is a part of its own
		recordEvery(t, s, RecorderConfig{}, noon, time.Minute, events[:half]...)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = open(t, c)
		recordEvery(t, s, RecorderConfig{}, noon.Add(time.Duration(half)*time.Minute), time.Minute, events[half:]...)
		slow := &Store{config: s.config, db: bare{s.db}}
		for range 150 {
			q := Query{Limit: 1 + dice.IntN(60)}
			fields := []*string{&q.Text, &q.Args, &q.Kwargs, &q.Result, &q.Error}
			needle := []rune(text())
			from := dice.IntN(len(needle))
			*fields[dice.IntN(len(fields))] = string(needle[from:min(len(needle), from+1+dice.IntN(8))])
			if dice.IntN(4) == 0 {
				q.States = []protocol.State{protocol.Success}
			}
			if dice.IntN(4) == 0 {
				q.Since, q.Until = noon.Add(100*time.Minute), noon.Add(400*time.Minute)
			}
			if got, want := ids(t, s, q), ids(t, slow, q); !slices.Equal(got, want) {
				t.Errorf("%+v: found %v, want %v", q, got, want)
			}
		}
	})
}

func ids(t *testing.T, s *Store, q Query) (out []string) {
	t.Helper()
	for {
		page, err := s.Search(deadline(t), q)
		if err != nil {
			t.Fatal(err)
		}
		for _, task := range page.Tasks {
			out = append(out, task.UUID)
		}
		if q.Before = page.Next; page.Next == 0 {
			return out
		}
	}
}

func TestTextsGoWithTheirTasks(t *testing.T) {
	each(t, func(t *testing.T, c Config) {
		c.Age = time.Hour
		s, ctx := open(t, c), deadline(t)
		fill(t, s, 300, noon)
		places := func() (n int) {
			t.Helper()
			err := s.db.read(ctx, func(tx tx) error {
				list, err := s.db.candidates(tx, "order", 0, 1<<62, 10_000)
				n = len(list)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
		if n := places(); n != 300 {
			t.Fatalf("%d texts are in the index", n)
		}
		if _, err := s.Trim(ctx, noon.Add(time.Hour+100*time.Second)); err != nil {
			t.Fatal(err)
		}
		if n := places(); n != 200 {
			t.Errorf("%d texts are left of 200 tasks", n)
		}
		if _, err := s.Trim(ctx, noon.Add(1000*time.Hour)); err != nil {
			t.Fatal(err)
		}
		if n := places(); n != 0 {
			t.Errorf("%d texts are left of no task", n)
		}
	})
}

// A history of before there was an index is searched as well, and what is new in it by the index.
func TestTasksOfBeforeTheIndexAreFound(t *testing.T) {
	each(t, func(t *testing.T, c Config) {
		s, ctx := open(t, c), deadline(t)
		fill(t, s, 50, noon)
		err := s.db.write(ctx, func(t tx) error {
			if err := s.db.dropTexts(t, 1<<62); err != nil {
				return err
			}
			_, err := t.exec(`UPDATE texts_since SET seq = (SELECT max(seq) + 1 FROM tasks)`)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = open(t, c)
		fill(t, s, 50, noon.Add(100*time.Second))
		if n := len(ids(t, s, Query{Text: "order ", Limit: 7})); n != 100 {
			t.Errorf("%d tasks are found of 100", n)
		}
	})
}
