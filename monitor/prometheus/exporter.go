package prometheus

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/umbel-go/umbel/internal/metric"
	"github.com/umbel-go/umbel/internal/vitals"
	"github.com/umbel-go/umbel/monitor/fleet"
	"github.com/umbel-go/umbel/monitor/history"
	"github.com/umbel-go/umbel/protocol"
)

// A Config is what an Exporter tells of.
type Config struct {
	Fleet    *fleet.Fleet
	Recorder *history.Recorder
	Store    *history.Store

	// Every is how often the size of the history is looked at. Defaults to 30 s.
	Every time.Duration

	// Log defaults to nowhere.
	Log *slog.Logger
}

// An Exporter counts events and shows what the monitor knows. It implements vitals.Source.
type Exporter struct {
	config Config
	ledger *ledger

	mu    sync.Mutex // guards what follows
	bytes int64      // of the history; -1: not known
}

// New makes an exporter that has heard nothing yet.
func New(c Config) *Exporter {
	c.Every = cmp.Or(c.Every, 30*time.Second)
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &Exporter{config: c, ledger: newLedger(), bytes: -1}
}

// Apply counts events. The exporter keeps nothing of their values.
func (x *Exporter) Apply(events []*protocol.Event) { x.ledger.apply(events) }

// Run looks at the history until ctx ends.
func (x *Exporter) Run(ctx context.Context) error {
	tick := time.NewTicker(x.config.Every)
	defer tick.Stop()
	for {
		n, err := x.config.Store.Size(ctx)
		if err != nil {
			n = -1
		}
		x.mu.Lock()
		x.bytes = n
		x.mu.Unlock()
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// lateMost is how far a monitor may be behind and still be called ready.
const lateMost = 30 * time.Second

// Live implements vitals.Source: a monitor that waits for its broker or its disk lives.
func (x *Exporter) Live() error { return nil }

// Ready says why the monitor does not see what happens now.
func (x *Exporter) Ready() error {
	if !x.config.Fleet.Connected() {
		return errors.New("monitor: events are missed: the connection to the broker is lost")
	}
	if lag := x.config.Recorder.Lag(); lag > lateMost {
		return fmt.Errorf("monitor: %v behind: the disk does not keep up with events", lag.Round(time.Second))
	}
	return nil
}

// Metrics implements vitals.Source.
func (x *Exporter) Metrics(p *metric.Page, names []string) {
	x.own(p)
	if slices.Contains(names, "celery-exporter") {
		x.celery(p)
	}
	if slices.Contains(names, "flower") {
		x.flower(p)
	}
}

var _ vitals.Source = (*Exporter)(nil)
