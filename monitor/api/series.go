package api

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/umbel-go/umbel/monitor/history"
)

// metrics are what series can be asked for.
var metrics = []string{history.MetricSent, history.MetricReceived, history.MetricStarted, history.MetricSucceeded, history.MetricFailed,
	history.MetricRetried, history.MetricRevoked, history.MetricRejected, history.MetricRuntime, history.MetricWait, history.MetricReady,
	history.MetricUnsettled, history.MetricConsumers, history.MetricOldest, history.MetricWorkers}

// A line is one metric with one label over time. At has the begin of each stretch of time in which something was counted; the
// other lists go with it.
type line struct {
	Metric string    `json:"metric"`
	Label  string    `json:"label"`
	At     []int64   `json:"at"`            // Unix seconds
	N      []int64   `json:"n"`             // how often
	Mean   []float64 `json:"mean"`          // of what is measured; null for counts
	Peak   []float64 `json:"peak"`          // likewise
	P50    []float64 `json:"p50,omitempty"` // of seconds, as the next two
	P95    []float64 `json:"p95,omitempty"` //
	P99    []float64 `json:"p99,omitempty"` //
}

// metricsAtOnce bounds what one request reads.
const metricsAtOnce = 8

// series answers charts. Without a label it tells all of them, but for metrics of tasks, which without one tell the sum.
func (a *API) series(w http.ResponseWriter, r *http.Request) {
	now := time.Now()
	v := r.URL.Query()
	err := known(v, "metric", "label", "since", "until")
	until, err2 := moment(r, "until", now)
	since, err3 := moment(r, "since", until.Add(-time.Hour))
	asked := v["metric"]
	switch {
	case errors.Join(err, err2, err3) != nil:
		fail(w, http.StatusBadRequest, errors.Join(err, err2, err3).Error())
		return
	case len(asked) == 0 || len(asked) > metricsAtOnce:
		fail(w, http.StatusBadRequest, fmt.Sprintf("want 1 to %d metrics", metricsAtOnce))
		return
	case !since.Before(until):
		fail(w, http.StatusBadRequest, "since is not before until")
		return
	}
	width := history.WidthFor(since, until, now)
	step := history.StepFor(width, since, until)
	lines := []line{}
	for _, m := range asked {
		if !slices.Contains(metrics, m) {
			fail(w, http.StatusBadRequest, fmt.Sprintf("metric %q is none of %v", m, metrics))
			return
		}
		label := labelOf(m, v)
		list, err := a.Store.Points(r.Context(), m, label, width, since, until)
		if err != nil {
			a.broken(w, r, err)
			return
		}
		for i := range list {
			list[i].Gather(step)
			lines = append(lines, draw(&list[i]))
		}
	}
	reply(w, http.StatusOK, map[string]any{"since": unix(since), "until": unix(until), "width": step, "lines": lines})
}

// labelOf is the label that is asked for, nil for every one.
func labelOf(metric string, v url.Values) *string {
	if v.Has("label") {
		l := v.Get("label")
		return &l
	}
	switch metric {
	case history.MetricReady, history.MetricUnsettled, history.MetricConsumers, history.MetricOldest:
		return nil
	}
	none := ""
	return &none
}

func draw(p *history.Points) line {
	l := line{Metric: p.Metric, Label: p.Label}
	for _, x := range p.Points {
		l.At, l.N = append(l.At, x.At), append(l.N, x.N)
		l.Mean, l.Peak = append(l.Mean, x.Sum/float64(max(x.N, 1))), append(l.Peak, x.Peak)
		if x.Spread != nil {
			l.P50, l.P95, l.P99 = append(l.P50, x.Spread.Quantile(0.5)), append(l.P95, x.Spread.Quantile(0.95)), append(l.P99, x.Spread.Quantile(0.99))
		}
	}
	return l
}

// known refuses parameters that are misspelt.
func known(v url.Values, names ...string) error {
	for k := range v {
		if !slices.Contains(names, k) {
			return fmt.Errorf("parameter %q is none of %v", k, names)
		}
	}
	return nil
}

func (a *API) audit(w http.ResponseWriter, r *http.Request) {
	before, err := number(r, "before", 1, 1<<62, 0)
	limit, err2 := number(r, "limit", 1, 1000, 100)
	if err = errors.Join(err, err2, known(r.URL.Query(), "before", "limit")); err != nil {
		fail(w, http.StatusBadRequest, err.Error())
		return
	}
	list, err := a.Store.Acts(r.Context(), before, int(limit))
	if err != nil {
		a.broken(w, r, err)
		return
	}
	if list == nil {
		list = []history.Act{}
	}
	var next *int64
	if len(list) == int(limit) {
		next = &list[len(list)-1].Seq
	}
	reply(w, http.StatusOK, map[string]any{"acts": list, "next": next})
}
