package backendtest

import (
	"context"
	"maps"
	"time"

	"github.com/umbel-go/umbel/backend"
)

// A faultySchedules keeps schedules soundly, with one thing altered.
type faultySchedules struct {
	backend.Schedules
	lead   func(ctx context.Context, schedule, holder string, ttl time.Duration) (backend.Lease, error)
	resign func(ctx context.Context, schedule, holder string) error
	write  func(ctx context.Context, schedule string, kind backend.ScheduleKind, token int64, records map[string][]byte) error
	claim  func(ctx context.Context, id, message string, keep time.Duration) (string, error)
}

func (f *faultySchedules) Lead(ctx context.Context, schedule, holder string, ttl time.Duration) (backend.Lease, error) {
	if f.lead != nil {
		return f.lead(ctx, schedule, holder, ttl)
	}
	return f.Schedules.Lead(ctx, schedule, holder, ttl)
}

func (f *faultySchedules) Resign(ctx context.Context, schedule, holder string) error {
	if f.resign != nil {
		return f.resign(ctx, schedule, holder)
	}
	return f.Schedules.Resign(ctx, schedule, holder)
}

func (f *faultySchedules) WriteSchedule(ctx context.Context, schedule string, kind backend.ScheduleKind, token int64, records map[string][]byte) error {
	if f.write != nil {
		return f.write(ctx, schedule, kind, token, records)
	}
	return f.Schedules.WriteSchedule(ctx, schedule, kind, token, records)
}

func (f *faultySchedules) ClaimTick(ctx context.Context, id, message string, keep time.Duration) (string, error) {
	if f.claim != nil {
		return f.claim(ctx, id, message, keep)
	}
	return f.Schedules.ClaimTick(ctx, id, message, keep)
}

var scheduleFaults = map[string]fault{
	"lets everybody lead":           {"contract/schedule/the_first_to_ask_leads", nil},
	"leases for ever":               {"contract/schedule/a_lease_runs_out", nil},
	"lets the leader lose its turn": {"contract/schedule/the_first_to_ask_leads", nil},
	"resigns for others":            {"contract/schedule/the_first_to_ask_leads", nil},
	"does not fence":                {"contract/schedule/who_has_lost_the_lease", nil},
	"writes states as entries":      {"contract/schedule/records_are_written", nil},
	"loses what is removed":         {"contract/schedule/records_are_written", nil},
	"counts no revisions":           {"contract/schedule/the_revision_grows", nil},
	"mixes schedules up":            {"contract/schedule/records_are_written", nil},
	"gives a tick to the last":      {"contract/schedule/a_tick_is_one_message", nil},
	"keeps claims for ever":         {"contract/schedule/a_claim_is_kept", nil},
}

var alterSchedules = map[string]func(f *faultySchedules){
	"lets everybody lead": func(f *faultySchedules) {
		f.lead = func(ctx context.Context, schedule, holder string, ttl time.Duration) (backend.Lease, error) {
			l, err := f.Schedules.Lead(ctx, schedule, holder, ttl)
			l.Holder = holder
			return l, err
		}
	},
	"leases for ever": func(f *faultySchedules) {
		f.lead = func(ctx context.Context, schedule, holder string, _ time.Duration) (backend.Lease, error) {
			return f.Schedules.Lead(ctx, schedule, holder, time.Hour)
		}
	},
	"lets the leader lose its turn": func(f *faultySchedules) {
		f.lead = func(ctx context.Context, schedule, holder string, ttl time.Duration) (backend.Lease, error) {
			if err := f.Schedules.Resign(ctx, schedule, holder); err != nil {
				return backend.Lease{}, err
			}
			return f.Schedules.Lead(ctx, schedule, holder, ttl)
		}
	},
	"resigns for others": func(f *faultySchedules) {
		f.resign = func(ctx context.Context, schedule, _ string) error {
			l, err := f.Schedules.Leader(ctx, schedule)
			if err != nil {
				return err
			}
			return f.Schedules.Resign(ctx, schedule, l.Holder)
		}
	},
	"does not fence": func(f *faultySchedules) {
		f.write = func(ctx context.Context, schedule string, kind backend.ScheduleKind, _ int64, records map[string][]byte) error {
			return f.Schedules.WriteSchedule(ctx, schedule, kind, 0, records)
		}
	},
	"writes states as entries": func(f *faultySchedules) {
		f.write = func(ctx context.Context, schedule string, _ backend.ScheduleKind, token int64, records map[string][]byte) error {
			return f.Schedules.WriteSchedule(ctx, schedule, backend.ScheduleEntries, token, records)
		}
	},
	"loses what is removed": func(f *faultySchedules) {
		f.write = func(ctx context.Context, schedule string, kind backend.ScheduleKind, token int64, records map[string][]byte) error {
			kept := maps.Clone(records)
			maps.DeleteFunc(kept, func(_ string, v []byte) bool { return v == nil })
			return f.Schedules.WriteSchedule(ctx, schedule, kind, token, kept)
		}
	},
	"counts no revisions": func(f *faultySchedules) {
		f.write = func(ctx context.Context, schedule string, _ backend.ScheduleKind, token int64, records map[string][]byte) error {
			return f.Schedules.WriteSchedule(ctx, schedule, backend.ScheduleStates, token, records)
		}
	},
	"mixes schedules up": func(f *faultySchedules) {
		f.write = func(ctx context.Context, _ string, kind backend.ScheduleKind, token int64, records map[string][]byte) error {
			return f.Schedules.WriteSchedule(ctx, "shop", kind, token, records)
		}
	},
	"gives a tick to the last": func(f *faultySchedules) {
		f.claim = func(_ context.Context, _, message string, _ time.Duration) (string, error) { return message, nil }
	},
	"keeps claims for ever": func(f *faultySchedules) {
		f.claim = func(ctx context.Context, id, message string, _ time.Duration) (string, error) {
			return f.Schedules.ClaimTick(ctx, id, message, time.Hour)
		}
	},
}
