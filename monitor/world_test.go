package monitor_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/umbel-go/umbel/event"
	"github.com/umbel-go/umbel/monitor/history"
	"github.com/umbel-go/umbel/monitor/mask"
	"github.com/umbel-go/umbel/protocol"
)

// world writes the history of a small shop into a file: two hours in which four workers ran some thousands of tasks, most of
// them well. It is the same each time but for the clock.
func world(t *testing.T, path string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	s, err := history.Open(ctx, history.Config{URL: path})
	if err != nil {
		t.Fatal(err)
	}
	hide, err := mask.New(mask.Config{})
	if err != nil {
		t.Fatal(err)
	}
	end := time.Now()
	begin := end.Add(-2 * time.Hour)
	r := history.NewRecorder(s, history.RecorderConfig{Mask: hide.Event, Now: func() time.Time { return begin }})
	run, stop := context.WithCancel(ctx)
	done := make(chan error)
	go func() { done <- r.Run(run) }()
	dice := rand.New(rand.NewPCG(1, 2))
	shop := []struct {
		name  string
		args  string
		often int
		run   float64
		fails int // in a thousand
	}{
		{"apps.orders.tasks.process_order", "(%d,)", 10, 0.18, 4}, {"apps.orders.tasks.send_receipt", "(%d, 'ann@example.org')", 8, 0.05, 2},
		{"apps.reports.tasks.build_report", "('2026-W%d',)", 1, 6.5, 30}, {"apps.stock.tasks.reserve", "(%d, 3)", 6, 0.02, 1},
		{"apps.images.tasks.resize", "('product-%d.png', 640, 480)", 3, 0.9, 12},
	}
	var draw []int
	for i, k := range shop {
		for range k.often {
			draw = append(draw, i)
		}
	}
	n := 0
	for at := begin; at.Before(end.Add(-2 * time.Second)); {
		hour := at.Sub(begin).Hours()
		pace := 0.9 + 0.5*math.Sin(hour*4) + 0.2*math.Sin(hour*37)
		at = at.Add(time.Duration(dice.ExpFloat64() / max(pace, 0.2) * float64(time.Second)))
		n++
		k := shop[draw[dice.IntN(len(draw))]]
		id := fmt.Sprintf("%08x-%04x-4%03x-8%03x-%012x", dice.Uint32(), n&0xffff, dice.IntN(0xfff), dice.IntN(0xfff), dice.Uint64()&0xffffffffffff)
		w := fmt.Sprintf("w%d@shop-%d", n%4+1, n%2+1)
		wait, took := dice.ExpFloat64()*0.03, k.run*(0.5+dice.ExpFloat64()*0.6)
		say := func(after float64, body protocol.EventBody) {
			when := at.Add(time.Duration(after * float64(time.Second)))
			r.Record(ctx, []*protocol.Event{{Hostname: w, PID: 70 + n%4, Clock: int64(n), Timestamp: protocol.UnixSeconds(when), Body: body}}, when)
		}
		say(0, &protocol.TaskReceived{UUID: id, Name: k.name, Args: fmt.Sprintf(k.args, 40_000+n), Kwargs: "{}", RootID: id})
		say(wait, &protocol.TaskStarted{UUID: id})
		switch bad := dice.IntN(1000); {
		case bad < k.fails:
			say(wait+took, &protocol.TaskFailed{UUID: id, Exception: fmt.Sprintf("ConnectionError('warehouse-%d refused')", n%3),
				Traceback: "Traceback (most recent call last):\n  File \"/srv/shop/tasks.py\", line 41, in reserve\n    reply = client.post(url)\nConnectionError"})
		case bad < 3*k.fails:
			say(wait+took, &protocol.TaskRetried{UUID: id, Exception: "TimeoutError()"})
			say(wait+took+1, &protocol.TaskReceived{UUID: id, Name: k.name, Args: fmt.Sprintf(k.args, 40_000+n), Kwargs: "{}", RootID: id, Retries: 1})
			say(wait+took+1.1, &protocol.TaskStarted{UUID: id})
			say(wait+2*took+1.1, &protocol.TaskSucceeded{UUID: id, Result: "True", Runtime: took})
		default:
			say(wait+took, &protocol.TaskSucceeded{UUID: id, Result: "True", Runtime: took})
		}
		if n%8 == 0 {
			for i, q := range []string{"high_priority", "default", "reports"} {
				deep := math.Max(0, (float64(i)*40+30)*math.Sin(hour*3+float64(i))+float64(dice.IntN(12)))
				if end.Sub(at) < 4*time.Minute {
					deep = 0 // as the broker says that it is now
				}
				r.Gauge(history.MetricReady, q, at, math.Round(deep))
			}
		}
	}
	flow(ctx, r, end)
	stop()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	var workers []event.Worker
	for i := range 4 {
		w := event.Worker{Hostname: fmt.Sprintf("w%d@shop-%d", i+1, i%2+1), PID: 4100 + i, Freq: 1e5, LastHeard: end, Active: i, Processed: n / 4, Ident: "umbel",
			Version: "0.1.0", System: "Linux", LoadAvg: [3]float64{0.4 + float64(i)/7, 0.5, 0.45}}
		if i == 3 {
			w.Ident, w.Version = "py-celery", "5.2.6"
		}
		workers = append(workers, w)
	}
	if err := s.SaveWorkers(ctx, workers, end); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// flow is a workflow: an order that is split, and joined again.
func flow(ctx context.Context, r *history.Recorder, end time.Time) {
	say := func(after float64, body protocol.EventBody) {
		when := end.Add(-2*time.Second + time.Duration(after*float64(time.Second)))
		r.Record(ctx, []*protocol.Event{{Hostname: "w1@shop-1", PID: 70, Timestamp: protocol.UnixSeconds(when), Body: body}}, when)
	}
	task := func(id, parent, name string, at float64, end protocol.EventBody) {
		say(at, &protocol.TaskReceived{UUID: id, Name: name, Args: "(41207,)", Kwargs: "{'api_key': 'k-1'}", RootID: "f10a-root", ParentID: parent})
		say(at+0.02, &protocol.TaskStarted{UUID: id})
		if end != nil {
			say(at+0.3, end)
		}
	}
	task("f10a-root", "", "apps.orders.tasks.process_order", 0, &protocol.TaskSucceeded{UUID: "f10a-root", Result: "{'order': 41207}", Runtime: 0.28})
	for i := range 3 {
		id := fmt.Sprintf("f10a-pick-%d", i)
		task(id, "f10a-root", "apps.stock.tasks.reserve", 0.4, &protocol.TaskSucceeded{UUID: id, Result: "True", Runtime: 0.02})
	}
	task("f10a-pay", "f10a-root", "apps.payments.tasks.charge", 0.4, &protocol.TaskRetried{UUID: "f10a-pay", Exception: "TimeoutError('bank')"})
	task("f10a-ship", "f10a-pick-2", "apps.shipping.tasks.book", 0.8, &protocol.TaskFailed{UUID: "f10a-ship", Exception: "ValueError('no such street')",
		Traceback: "Traceback (most recent call last):\n  File \"/srv/shop/shipping.py\", line 12, in book\n    raise ValueError('no such street')\nValueError: no such street"})
	task("f10a-mail", "f10a-pick-0", "apps.orders.tasks.send_receipt", 0.8, nil)
}
