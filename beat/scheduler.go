package beat

import (
	"context"
	"errors"
	"time"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/backend"
)

// A Scheduler sends tasks by schedule while it leads. Celery: celery.beat.Scheduler.
type Scheduler struct {
	Config

	app      *umbel.App
	settings *umbel.Config
	zone     *time.Location
	store    backend.Schedules
	declared declaration
	meter    *meter
}

// New makes a scheduler of the app's schedule. It connects in Run.
func New(app *umbel.App, c Config) *Scheduler {
	return &Scheduler{Config: c, app: app, meter: newMeter()}
}

// Run waits until it leads, and sends until it leads no more, again and again, until ctx ends. It then gives the lease up,
// so that another leads at once.
func (s *Scheduler) Run(ctx context.Context) error {
	closeStore, err := s.open(ctx)
	if err != nil {
		return err
	}
	hide, err := s.expose()
	if err == nil {
		err = s.run(ctx)
		hide()
	}
	return errors.Join(err, closeStore())
}

func (s *Scheduler) open(ctx context.Context) (closeStore func() error, err error) {
	if s.settings, err = s.app.Config(); err != nil {
		return nil, err
	}
	if err := s.settings.Check(); err != nil {
		return nil, err
	}
	if s.zone, err = s.settings.Location(); err != nil {
		return nil, err
	}
	s.Config = s.Config.withDefaults(s.app, s.settings)
	if s.store, closeStore, err = openStore(ctx, s.app, s.settings); err != nil {
		return nil, err
	}
	s.declared = declaration{settings: s.settings.BeatSchedule, path: s.settings.BeatScheduleFile}
	return closeStore, nil
}

func (s *Scheduler) run(ctx context.Context) error {
	s.Log.Info("beat: starting", "schedule", s.Name, "holder", s.Holder, "zone", s.zone.String())
	defer s.Log.Info("beat: shutting down")
	defer s.meter.seen.Store(0)
	for {
		t, err := s.stand(ctx)
		if err != nil {
			return nil // asked to end
		}
		s.Log.Info("beat: leading", "schedule", s.Name, "token", t.token)
		s.meter.terms.Inc()
		s.meter.leads.Store(true)
		err = s.serve(ctx, t)
		s.meter.leads.Store(false)
		switch {
		case ctx.Err() != nil:
			s.resign(ctx)
			return nil
		case err != nil:
			s.Log.Error("beat: leading no more", "error", err)
			s.meter.lost.Inc()
			s.resign(ctx)
			if !sleep(ctx, s.Lease/4) {
				return nil
			}
		}
	}
}

// serve is one term.
func (s *Scheduler) serve(ctx context.Context, t *term) error {
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	kept := make(chan struct{})
	go func() {
		defer close(kept)
		if err := t.keep(ctx); err != nil {
			end(err)
		}
	}()
	l := &loop{Scheduler: s, term: t, items: make(map[string]*item), faults: make(map[string]string)}
	err := l.run(ctx)
	if cause := context.Cause(ctx); errors.Is(cause, errLost) {
		err = cause
	}
	end(nil)
	<-kept
	return err
}

// resign gives the lease up, so that nobody has to wait for it.
func (s *Scheduler) resign(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.Lease/2)
	defer cancel()
	if err := s.store.Resign(ctx, s.Name, s.Holder); err != nil {
		s.Log.Warn("beat: cannot give the lease up; it runs out by itself", "error", err)
	}
}
