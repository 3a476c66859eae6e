// Package relay sends what waits in the outbox: tasks that a transaction has written down beside the change that asks for them.
//
//	request ──► order + outbox row, committed ──► claim ──► broker confirms ──► row marked sent
//
// A relay that dies anywhere leaves a row that is claimed again when its lease is over. Any number may run.
package relay

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/examples/shop/step"
	"github.com/umbel-go/umbel/examples/shop/store"
)

// A Relay sends tasks from the outbox. New makes one.
type Relay struct {
	App   *umbel.App
	Store *store.Store
	Log   *slog.Logger

	// Lease is how long a claimed row is this relay's alone. Defaults to 10 s.
	Lease time.Duration

	// Every is how often it looks without being told. Defaults to 1 s.
	Every time.Duration

	nudge chan struct{} // cap 1: one look serves all who ask
}

// batch is how many rows are claimed at a time.
const batch = 100

// New makes a relay.
func New(app *umbel.App, s *store.Store) *Relay {
	return &Relay{App: app, Store: s, Lease: 10 * time.Second, Every: time.Second, nudge: make(chan struct{}, 1)}
}

// Nudge tells the relay that something waits. It does not block.
func (r *Relay) Nudge() {
	select {
	case r.nudge <- struct{}{}:
	default:
	}
}

// Run sends until ctx ends. It survives a database or a broker that is away.
func (r *Relay) Run(ctx context.Context) error {
	every := time.NewTicker(r.Every)
	defer every.Stop()
	failing := false
	for {
		n, err := r.Once(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil && !failing:
			r.log().Error("the outbox cannot be emptied; going on trying", "error", err)
		case err == nil && failing:
			r.log().Info("the outbox is emptied again")
		}
		failing = err != nil
		if n == batch && err == nil {
			continue
		}
		select {
		case <-ctx.Done():
			return nil
		case <-r.nudge:
		case <-every.C:
		}
	}
}

func (r *Relay) log() *slog.Logger {
	if r.Log != nil {
		return r.Log
	}
	return r.App.Logger()
}

// Once sends what waits, up to a hundred, and returns how many were sent. What could not be sent is tried again later.
func (r *Relay) Once(ctx context.Context) (sent int, err error) {
	waiting, err := r.Store.ClaimOutgoing(ctx, time.Now(), r.Lease, batch)
	if err != nil {
		return 0, err
	}
	var errs []error
	host, _ := os.Hostname()
	if len(waiting) > 0 {
		step.Done("outbox claimed")
	}
	for _, o := range waiting {
		failed := r.send(ctx, o)
		step.Done("outbox published")
		// Also when ctx has ended: what the broker has taken is noted.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		err := r.Store.MarkOutgoing(store.As(ctx, store.Actor{Who: "relay", From: host}), o, failed, time.Now().Add(r.Every))
		cancel()
		if failed == nil && err == nil {
			sent++
		}
		errs = append(errs, failed, err)
	}
	return sent, errors.Join(errs...)
}

// send publishes one task under the id that was chosen with the request: sent twice, it is the same task.
func (r *Relay) send(ctx context.Context, o store.Outgoing) error {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(o.Kwargs, &members); err != nil {
		return fmt.Errorf("outbox row %d: %w", o.ID, err)
	}
	kwargs := make(umbel.Kwargs, len(members))
	for name, text := range members {
		kwargs[name] = text
	}
	_, err := r.App.Send(ctx, o.Task, kwargs, umbel.TaskID(o.TaskID))
	return err
}
