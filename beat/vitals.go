package beat

// What a scheduler shows at metrics_address: what it sends and how late, whether it leads, whether it lives.

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/umbel-go/umbel/internal/metric"
	"github.com/umbel-go/umbel/internal/vitals"
)

// Families of metrics. The label schedule is Config.Name: several schedulers of a process share a page.
var (
	metricLeads    = &metric.Family{Name: "umbel_beat_leader", Kind: metric.KindGauge, Labels: []string{"schedule"}, Help: "1 while this scheduler leads, 0 while it stands by"}
	metricTerms    = &metric.Family{Name: "umbel_beat_terms_total", Kind: metric.KindCounter, Labels: []string{"schedule"}, Help: "How often this scheduler began to lead"}
	metricLost     = &metric.Family{Name: "umbel_beat_leadership_losses_total", Kind: metric.KindCounter, Labels: []string{"schedule"}, Help: "How often it led no more without having been asked to end"}
	metricLeases   = &metric.Family{Name: "umbel_beat_store_failures_total", Kind: metric.KindCounter, Labels: []string{"schedule"}, Help: "Questions for the lease that its store did not answer"}
	metricEntries  = &metric.Family{Name: "umbel_beat_entries", Kind: metric.KindGauge, Labels: []string{"schedule"}, Help: "Entries of the schedule that can be used, while it leads"}
	metricFaulty   = &metric.Family{Name: "umbel_beat_faults", Kind: metric.KindGauge, Labels: []string{"schedule"}, Help: "Entries and sources of the schedule that cannot be used"}
	metricNext     = &metric.Family{Name: "umbel_beat_next_due_timestamp_seconds", Kind: metric.KindGauge, Labels: []string{"schedule"}, Help: "When the next entry is due, in seconds since 1970"}
	metricTicks    = &metric.Family{Name: "umbel_beat_ticks_total", Kind: metric.KindCounter, Labels: []string{"schedule", "outcome"}, Help: "Due times: sent, failed for good, tried again later, or missed"}
	metricSent     = &metric.Family{Name: "umbel_beat_sent_total", Kind: metric.KindCounter, Labels: []string{"schedule", "entry"}, Help: "Tasks sent by entry"}
	metricLateness = &metric.Family{Name: "umbel_beat_lateness_seconds", Kind: metric.KindHistogram, Labels: []string{"schedule"}, Help: "How long after its due time a task was at the broker, in seconds"}
)

var families = []*metric.Family{metricLeads, metricTerms, metricLost, metricLeases, metricEntries, metricFaulty, metricNext, metricTicks,
	metricSent, metricLateness}

// meteredEntries are told apart; the rest is counted as metric.Other.
const meteredEntries = 500

// A meter counts what a scheduler does, whether it is shown or not: some additions a tick.
type meter struct {
	terms, lost, unanswered        metric.Counter
	sent, failed, deferred, missed metric.Counter
	entries                        *metric.Set[string, metric.Counter]
	lateness                       *metric.Histogram

	usable, faults metric.Gauge
	next           metric.Gauge // unix milliseconds; 0: none
	leads          atomic.Bool
	seen           atomic.Int64 // when the loop or the stand-by last came by, unix nanoseconds; 0: it does not run
	refused        atomic.Bool  // the store did not answer when it was last asked
}

func newMeter() *meter {
	return &meter{entries: metric.Names(meteredEntries, func() *metric.Counter { return new(metric.Counter) }),
		lateness: metric.NewHistogram(metric.Durations)}
}

// pass notes that the scheduler is at work.
func (m *meter) pass() { m.seen.Store(time.Now().UnixNano()) }

// arrived notes a task that is at the broker.
func (m *meter) arrived(t tick, now time.Time) {
	m.sent.Inc()
	m.entries.At(t.item.entry.Name).Inc()
	m.lateness.Observe(now.Sub(t.slot))
}

// look notes how the schedule stands.
func (m *meter) look(l *loop) {
	m.pass()
	m.usable.Set(int64(len(l.items)))
	m.faults.Set(int64(len(l.faults)))
	next := int64(0)
	if len(l.agenda) > 0 {
		next = l.agenda[0].fire.UnixMilli()
	}
	m.next.Set(next)
}

// exposed is a scheduler as others see it from outside of the process.
type exposed struct{ *Scheduler }

// expose shows the scheduler where the settings say.
func (s *Scheduler) expose() (hide func(), err error) {
	c := s.settings
	hide, _, err = vitals.Join(vitals.Config{Address: c.MetricsAddress, TokenFile: c.MetricsTokenFile, Public: c.MetricsPublic,
		Names: c.MetricsNames, Log: s.Log}, exposed{s})
	if err != nil {
		return nil, fmt.Errorf("beat: %w", err)
	}
	return hide, nil
}

// Ready says why the scheduler neither leads nor can stand by; nil: it does.
func (s *Scheduler) Ready() error {
	if s.meter.seen.Load() == 0 {
		return errors.New("beat: not running")
	}
	if s.meter.refused.Load() {
		return errors.New("beat: the store of the schedule does not answer")
	}
	return s.Live()
}

// Live says why the scheduler should be killed: its loop has stopped; nil: it has not. One that waits for its store lives.
func (s *Scheduler) Live() error {
	seen := s.meter.seen.Load()
	if seen == 0 {
		return nil
	}
	if silence := time.Since(time.Unix(0, seen)); silence > stuckAfter+3*s.Lease+s.Poll {
		return fmt.Errorf("beat: the scheduler's loop has not come by for %v", silence.Round(time.Second))
	}
	return nil
}

// stuckAfter is how long a loop may be busy with one round, beside what its store and broker are given.
const stuckAfter = 2 * time.Minute

// Metrics implements vitals.Source.
func (e exposed) Metrics(p *metric.Page, _ []string) {
	m, name := e.meter, e.Name
	p.Declare(families...)
	p.Add(metricLeads, metric.Truth(m.leads.Load()), name)
	p.Add(metricTerms, m.terms.Value(), name)
	p.Add(metricLost, m.lost.Value(), name)
	p.Add(metricLeases, m.unanswered.Value(), name)
	if m.leads.Load() {
		p.Add(metricEntries, m.usable.Value(), name)
		p.Add(metricFaulty, m.faults.Value(), name)
		if next := m.next.Value(); next > 0 {
			p.Add(metricNext, next/1000, name)
		}
	}
	for outcome, c := range map[string]*metric.Counter{"sent": &m.sent, "failed": &m.failed, "deferred": &m.deferred, "missed": &m.missed} {
		p.Add(metricTicks, c.Value(), name, outcome)
	}
	m.entries.Each(func(entry string, c *metric.Counter) { p.Add(metricSent, c.Value(), name, entry) })
	p.AddHistogram(metricLateness, m.lateness, name)
}

var _ vitals.Source = exposed{}
