package history

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/umbel-go/umbel/protocol"
)

func TestASearchFindsByEveryField(t *testing.T) {
	each(t, func(t *testing.T, c Config) {
		s := open(t, c)
		events := life("11111111-aaaa-4000-8000-000000000001", "shop.pay", 0)
		events = append(events, life("22222222-aaaa-4000-8000-000000000002", "shop.ship", 1)[:1]...)
		events = append(events,
			say(2, "w2@other", &protocol.TaskReceived{UUID: "33333333", Name: "mail.send", Args: "('100%_sure!',)", Kwargs: "{'to': 'Ann'}"}),
			say(3, "w2@other", &protocol.TaskFailed{UUID: "33333333", Exception: "ValueError('boom')", Traceback: "File \"mail.py\""}),
			say(4, "gen@web", &protocol.TaskSent{UUID: "44444444", Name: "mail.send", Args: "()", Kwargs: "{}", Queue: "slow"}))
		record(t, s, RecorderConfig{}, noon, events...) // heard of at 0, 3, 4 and 6 s
		const pay, ship, mail, slow = "1", "2", "3", "4"
		for name, c := range map[string]struct {
			q    Query
			want string
		}{
			"nothing asked":       {Query{}, slow + mail + ship + pay},
			"name":                {Query{Name: "shop.pay"}, pay},
			"name pattern":        {Query{Name: "shop.*"}, ship + pay},
			"id":                  {Query{ID: "11111111-aaaa-4000-8000-000000000001"}, pay},
			"id's beginning":      {Query{ID: "2222"}, ship},
			"state":               {Query{States: []protocol.State{protocol.Failure}}, mail},
			"states":              {Query{States: []protocol.State{protocol.Success, protocol.Received}}, ship + pay},
			"worker":              {Query{Worker: "w2@other"}, mail},
			"worker pattern":      {Query{Worker: "*@host"}, ship + pay},
			"queue":               {Query{Queue: "slow"}, slow},
			"text in arguments":   {Query{Text: "PEARS"}, ship + pay},
			"text in keywords":    {Query{Text: "ann"}, mail},
			"text in result":      {Query{Text: "done"}, pay},
			"text in error":       {Query{Text: "boom"}, mail},
			"result":              {Query{Result: "done"}, pay},
			"error's stack":       {Query{Error: "mail.py"}, mail},
			"arguments only":      {Query{Args: "done"}, ""},
			"signs mean nothing":  {Query{Args: "100%_sure!"}, mail},
			"percent is no sign":  {Query{Args: "1%e"}, ""},
			"since":               {Query{Since: noon.Add(4 * time.Second)}, slow + mail},
			"until":               {Query{Until: noon.Add(4 * time.Second)}, ship + pay},
			"both":                {Query{Since: noon.Add(time.Second), Until: noon.Add(4 * time.Second)}, ship},
			"several together":    {Query{Name: "mail.*", Text: "100"}, mail},
			"nothing fits":        {Query{Name: "nobody"}, ""},
			"a quote is a letter": {Query{Text: "' OR 1=1 --"}, ""},
		} {
			page, err := s.Search(deadline(t), c.q)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			got := ""
			for _, task := range page.Tasks {
				got += task.UUID[:1]
			}
			if got != c.want || page.Next != 0 {
				t.Errorf("%s: found %q and next %d, want %q", name, got, page.Next, c.want)
			}
		}
		for _, q := range []Query{{ID: "abc"}, {States: make([]protocol.State, 11)}} {
			if _, err := s.Search(deadline(t), q); !errors.Is(err, ErrQuery) {
				t.Errorf("%+v: %v", q, err)
			}
		}
		if names, err := s.Names(deadline(t), 10); err != nil || !slices.Equal(names, []string{"mail.send", "shop.pay", "shop.ship"}) {
			t.Errorf("names %q, %v", names, err)
		}
	})
}

func TestPagesMeetWithoutGapOrRepetition(t *testing.T) {
	each(t, func(t *testing.T, c Config) {
		s := open(t, c)
		fill(t, s, 500, noon)
		for _, q := range []Query{{Limit: 7}, {Limit: 7, Name: "shop.t3"}, {Limit: 9, Text: "order 4"}, {Limit: 7, Name: "shop.*", Patience: 1}} {
			var got []string
			pages := 0
			for {
				page, err := s.Search(deadline(t), q)
				if err != nil {
					t.Fatal(err)
				}
				for _, task := range page.Tasks {
					got = append(got, task.UUID)
				}
				pages++
				if page.Next == 0 {
					break
				}
				q.Before = page.Next
			}
			var want []string
			for i := 499; i >= 0; i-- {
				if (q.Name != "shop.t3" || i%5 == 3) && (q.Text == "" || strings.HasPrefix(fmt.Sprint(i), "4")) {
					want = append(want, fmt.Sprintf("id-%04d", i))
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("%+v: %d tasks in %d pages, want %d", q, len(got), pages, len(want))
			}
			if q.Patience == 1 && pages < 5 {
				t.Errorf("a search without patience had only %d pages", pages)
			}
		}
	})
}

func TestAWorkflowIsItsRootAndAllBeneathIt(t *testing.T) {
	each(t, func(t *testing.T, c Config) {
		s := open(t, c)
		record(t, s, RecorderConfig{}, noon,
			say(0, "w@h", &protocol.TaskReceived{UUID: "root", Name: "a", RootID: "root"}),
			say(1, "w@h", &protocol.TaskReceived{UUID: "x", Name: "b", RootID: "root", ParentID: "root"}),
			say(2, "w@h", &protocol.TaskReceived{UUID: "y", Name: "b", RootID: "root", ParentID: "x"}),
			say(3, "w@h", &protocol.TaskReceived{UUID: "other", Name: "b", RootID: "other"}))
		list, err := s.Workflow(deadline(t), "root", 10)
		var got []string
		for _, task := range list {
			got = append(got, task.UUID+"<"+task.ParentID)
		}
		if err != nil || !slices.Equal(got, []string{"root<", "x<root", "y<x"}) {
			t.Errorf("%q, %v", got, err)
		}
	})
}

func TestCountsAddUpInEveryWidthAndOverARestart(t *testing.T) {
	each(t, func(t *testing.T, c Config) {
		s := open(t, c)
		now := time.Now()
		var events []*protocol.Event
		for i := range 30 {
			events = append(events, life(fmt.Sprint("task", i), "t", 0)...)
		}
		recordEvery(t, s, RecorderConfig{}, now, 0, events...)
		recordEvery(t, s, RecorderConfig{}, now, 0, life("one more", "u", 0)...)
		for _, w := range widths {
			all, err := s.Points(deadline(t), MetricSucceeded, nil, w.seconds, now.Add(-time.Hour), now.Add(time.Hour))
			if err != nil {
				t.Fatal(err)
			}
			sums := map[string]int64{}
			for _, p := range all {
				for _, x := range p.Points {
					sums[p.Label] += x.N
				}
			}
			if sums["t"] != 30 || sums["u"] != 1 || sums[""] != 31 {
				t.Errorf("width %d: %v", w.seconds, sums)
			}
		}
		none := ""
		runtimes, err := s.Points(deadline(t), MetricRuntime, &none, 10, now.Add(-time.Hour), now.Add(time.Hour))
		if err != nil || len(runtimes) != 1 {
			t.Fatal(runtimes, err)
		}
		if q := runtimes[0].Points[0].Spread.Quantile(0.5); q < 1.8 || q > 2.2 {
			t.Errorf("median runtime %v, want about 2", q)
		}
	})
}

func TestStretchesAreJoined(t *testing.T) {
	var a, b Spread
	a.Add(1)
	b.Add(2)
	p := Points{Width: 10, Points: []Point{{At: 30, N: 1, Sum: 1, Peak: 1, Spread: &a}, {At: 50, N: 2, Sum: 5, Peak: 3, Spread: &b}, {At: 60, N: 4}}}
	p.Gather(30)
	if len(p.Points) != 2 || p.Width != 30 || p.Points[0].At != 30 || p.Points[0].N != 3 || p.Points[0].Sum != 6 || p.Points[0].Peak != 3 ||
		p.Points[0].Spread.Count() != 2 || p.Points[1].At != 60 || p.Points[1].N != 4 {
		t.Errorf("%+v", p)
	}
	for hours, want := range map[int]int64{0: 10, 1: 20, 2: 60, 5: 120} {
		if got := StepFor(10, noon, noon.Add(time.Duration(hours)*time.Hour)); got != want {
			t.Errorf("%d hours in steps of %d, want %d", hours, got, want)
		}
	}
}

func TestLabelsAreBounded(t *testing.T) {
	c := newCounter(nil)
	for i := range 10_000 {
		c.gauge(MetricReady, fmt.Sprint("queue", i), noon, 1)
	}
	if n := len(c.open); n > (labelsMost+1)*len(widths) {
		t.Errorf("%d points are open", n)
	}
	if p := c.open[series{10, MetricReady, OtherLabel}]; p == nil || p.n != 10_000-labelsMost {
		t.Errorf("others: %+v", p)
	}
}

func TestASpreadKnowsItsPercentiles(t *testing.T) {
	var a, b Spread
	for i := 1; i <= 500; i++ {
		a.Add(float64(i) / 1000)
		b.Add(float64(i+500) / 1000)
	}
	a.Merge(parseSpread(b.String()))
	for q, want := range map[float64]float64{0.5: 0.5, 0.95: 0.95, 0.99: 0.99} {
		if got := a.Quantile(q); got < want*0.9 || got > want*1.1 {
			t.Errorf("quantile %v is %v, want about %v", q, got, want)
		}
	}
	var none Spread
	if none.Quantile(0.5) != 0 || a.Count() != 1000 {
		t.Error("an empty spread has a median, or one of a thousand has not a thousand")
	}
	none.Add(1e12)
	none.Add(-1)
}

func BenchmarkRecord(b *testing.B) {
	s := open(b, Config{URL: filepath.Join(b.TempDir(), "h.db")})
	n := 0
	begun := time.Now()
	for b.Loop() {
		var events []*protocol.Event
		for range 1000 {
			n++
			events = append(events, life(fmt.Sprintf("%08x-0000-4000-8000-000000000000", n*2654435761&0xffffffff), "shop.pay", 0)...)
		}
		recordEvery(b, s, RecorderConfig{}, time.Now(), 0, events...)
	}
	b.ReportMetric(float64(n)/time.Since(begun).Seconds(), "tasks/s")
}
