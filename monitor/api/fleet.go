package api

import (
	"context"
	"net/http"
	"time"

	"github.com/umbel-go/umbel/event"
	"github.com/umbel-go/umbel/monitor/history"
)

// A worker is how the interface shows one.
type worker struct {
	Name      string     `json:"name"`
	State     string     `json:"state"` // "online", "silent" (it did not say that it leaves) or "offline"
	PID       int        `json:"pid"`
	Active    int        `json:"active"`
	Processed int        `json:"processed"`
	Load      [3]float64 `json:"load"`
	Software  string     `json:"software"`
	Version   string     `json:"version"`
	System    string     `json:"system"`
	Heard     *float64   `json:"heard"` // Unix seconds; null: it has said that it leaves
	Interval  float64    `json:"interval"`
}

func showWorker(w *event.Worker, now time.Time) worker {
	out := worker{Name: w.Hostname, State: "silent", PID: w.PID, Active: w.Active, Processed: w.Processed, Load: w.LoadAvg, Software: w.Ident,
		Version: w.Version, System: w.System, Heard: unix(w.LastHeard), Interval: w.Freq}
	switch {
	case w.Alive(now):
		out.State = "online"
	case w.LastHeard.IsZero():
		out.State = "offline"
	}
	return out
}

func (a *API) workerList() []worker {
	now := time.Now()
	out := []worker{}
	for _, w := range a.Fleet.Workers() {
		out = append(out, showWorker(&w, now))
	}
	return out
}

func (a *API) workers(w http.ResponseWriter, _ *http.Request) {
	reply(w, http.StatusOK, map[string]any{"workers": a.workerList()})
}

func (a *API) worker(w http.ResponseWriter, r *http.Request) {
	for _, one := range a.workerList() {
		if one.Name == r.PathValue("name") {
			reply(w, http.StatusOK, one)
			return
		}
	}
	fail(w, http.StatusNotFound, "this worker is not known")
}

// A queue is how the interface shows one.
type queue struct {
	Name       string   `json:"name"`
	Exists     bool     `json:"exists"`
	Ready      int      `json:"ready"`
	Unsettled  *int     `json:"unsettled"` // null: the broker does not tell
	Consumers  int      `json:"consumers"`
	DeadLetter bool     `json:"dead_letter"`
	Paused     bool     `json:"paused"`
	Oldest     *float64 `json:"oldest"` // when the first message that waits was sent; null: not told
	Error      string   `json:"error"`
	Seen       *float64 `json:"seen"`
	Managed    *managed `json:"managed"` // null without a management API
}

type managed struct {
	Type      string         `json:"type"`
	Policy    string         `json:"policy"`
	Bytes     int64          `json:"bytes"`
	Publish   float64        `json:"publish_rate"`
	Deliver   float64        `json:"deliver_rate"`
	Ack       float64        `json:"ack_rate"`
	Arguments map[string]any `json:"arguments"`
}

func (a *API) queueList() []queue {
	out := []queue{}
	for _, q := range a.Fleet.Queues() {
		one := queue{Name: q.Name, Exists: q.Exists, Ready: q.Ready, Consumers: q.Consumers, DeadLetter: q.DeadLetter, Paused: q.Paused, Oldest: unix(q.Oldest), Error: q.Error, Seen: unix(q.Seen)}
		if q.Unsettled >= 0 {
			one.Unsettled = &q.Unsettled
		}
		if q.Told {
			one.Managed = &managed{q.Type, q.Policy, q.Bytes, q.Publish, q.Deliver, q.Ack, q.Arguments}
		}
		out = append(out, one)
	}
	return out
}

func (a *API) queues(w http.ResponseWriter, _ *http.Request) {
	c, why := a.Fleet.Broker()
	var delayed *int
	if c != nil {
		delayed = &c.Delayed
	}
	reply(w, http.StatusOK, map[string]any{"queues": a.queueList(), "delayed": delayed, "managed": a.Fleet.Managed(), "broker_error": why})
}

// An overview is how things are now.
type overview struct {
	Now       float64   `json:"now"`
	Begun     float64   `json:"begun"` // when the monitor began to listen
	Connected bool      `json:"connected"`
	Events    int64     `json:"events"`
	Lag       float64   `json:"lag"` // seconds that events wait to be written
	Alerts    []alert   `json:"alerts"`
	Workers   tally     `json:"workers"`
	Active    int       `json:"active"` // tasks that run
	Rates     rates     `json:"rates"`
	Runtime   quantiles `json:"runtime"`
	Wait      quantiles `json:"wait"`
	Queues    []queue   `json:"queues"`
}

type alert struct {
	Level   string `json:"level"`
	Kind    string `json:"kind"`
	Subject string `json:"subject"`
	Text    string `json:"text"`
}

type tally struct {
	Online  int `json:"online"`
	Silent  int `json:"silent"`
	Offline int `json:"offline"`
}

// rates are tasks a second over the last minute.
type rates struct {
	Received  float64 `json:"received"`
	Succeeded float64 `json:"succeeded"`
	Failed    float64 `json:"failed"`
	Retried   float64 `json:"retried"`
}

// quantiles are seconds over the last five minutes; null when no task ended.
type quantiles struct {
	P50 *float64 `json:"p50"`
	P95 *float64 `json:"p95"`
	P99 *float64 `json:"p99"`
}

// present is the overview of this moment.
func (a *API) present(ctx context.Context) (*overview, error) {
	now := time.Now()
	o := &overview{Now: *unix(now), Begun: *unix(a.Fleet.Begun()), Connected: a.Fleet.Connected(), Events: a.Recorder.Events(),
		Lag: a.Recorder.Lag().Seconds(), Alerts: []alert{}, Queues: a.queueList()}
	for _, x := range a.Fleet.Alerts() {
		o.Alerts = append(o.Alerts, alert(x))
	}
	for _, w := range a.workerList() {
		switch w.State {
		case "online":
			o.Workers.Online++
			o.Active += w.Active
		case "silent":
			o.Workers.Silent++
		default:
			o.Workers.Offline++
		}
	}
	for metric, rate := range map[string]*float64{history.MetricReceived: &o.Rates.Received, history.MetricSucceeded: &o.Rates.Succeeded,
		history.MetricFailed: &o.Rates.Failed, history.MetricRetried: &o.Rates.Retried} {
		points, err := a.all(ctx, metric, now.Add(-time.Minute), now)
		if err != nil {
			return nil, err
		}
		n := int64(0)
		for _, p := range points {
			n += p.N
		}
		*rate = float64(n) / 60
	}
	for metric, q := range map[string]*quantiles{history.MetricRuntime: &o.Runtime, history.MetricWait: &o.Wait} {
		points, err := a.all(ctx, metric, now.Add(-5*time.Minute), now)
		if err != nil {
			return nil, err
		}
		*q = spreadOf(points)
	}
	return o, nil
}

// all are the points of 10 seconds of a metric over all its labels.
func (a *API) all(ctx context.Context, metric string, since, until time.Time) ([]history.Point, error) {
	none := ""
	list, err := a.Store.Points(ctx, metric, &none, 10, since, until)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	return list[0].Points, nil
}

func spreadOf(points []history.Point) quantiles {
	var all history.Spread
	for _, p := range points {
		if p.Spread != nil {
			all.Merge(p.Spread)
		}
	}
	if all.Count() == 0 {
		return quantiles{}
	}
	p50, p95, p99 := all.Quantile(0.5), all.Quantile(0.95), all.Quantile(0.99)
	return quantiles{&p50, &p95, &p99}
}

func (a *API) overview(w http.ResponseWriter, r *http.Request) {
	o, err := a.hub.now(r.Context())
	if err != nil {
		a.broken(w, r, err)
		return
	}
	reply(w, http.StatusOK, o)
}
