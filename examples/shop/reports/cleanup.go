package reports

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/examples/shop/objects"
	"github.com/umbel-go/umbel/examples/shop/step"
	"github.com/umbel-go/umbel/examples/shop/store"
)

// A Cleanup is the input of cleanup_expired_reports: in Python, cleanup_expired_reports.delay(dry_run=True).
type Cleanup struct {
	DryRun bool `json:"dry_run,omitempty"` // count, remove nothing
	Batch  int  `json:"batch,omitempty"`   // how many are removed at a time; defaults to 100
}

// Cleaned is the result of cleanup_expired_reports, and its progress.
type Cleaned struct {
	DryRun  bool  `json:"dry_run"`
	Reports int   `json:"reports"`
	Bytes   int64 `json:"bytes"` // that the files had
	Batches int   `json:"batches"`
	Orphans int   `json:"orphans"` // files without a report, and unfinished ones
}

const (
	defaultBatch = 100
	maxBatch     = 10_000

	// abandoned is how old a file must be that no report knows of, before it is taken for left behind: older than any
	// attempt runs.
	abandoned = 24 * time.Hour

	// remembered is how long the outbox and idempotency keys are kept.
	remembered = 3 * 24 * time.Hour
)

// cleanup removes batch after batch: the files first, then their rows, so that a run that is interrupted leaves rows by
// which the next one finds what is left. A file that is gone already is no error, for the same reason.
func (t *Tasks) cleanup(ctx context.Context, in Cleanup) (Cleaned, error) {
	if in.Batch < 0 || in.Batch > maxBatch {
		return Cleaned{}, umbel.Permanent(fmt.Errorf("batch is %d: want 1 to %d", in.Batch, maxBatch))
	}
	if in.Batch == 0 {
		in.Batch = defaultBatch
	}
	done := Cleaned{DryRun: in.DryRun}
	now, last := time.Now(), int64(0)
	for {
		if ctx.Err() != nil {
			return done, fmt.Errorf("clean up reports: %w", context.Cause(ctx))
		}
		expired, err := t.store.ExpiredReports(ctx, now, t.keep, last, in.Batch)
		if err != nil {
			return done, err
		}
		if len(expired) == 0 {
			break
		}
		last = expired[len(expired)-1].ID
		gone := len(expired)
		if !in.DryRun {
			if gone, err = t.remove(ctx, expired); err != nil {
				return done, err
			}
		}
		done.Reports += gone
		done.Batches++
		for _, r := range expired {
			done.Bytes += r.Bytes
		}
		if err := umbel.RequestFrom(ctx).Progress(ctx, done); err != nil {
			return done, err
		}
	}
	return done, t.sweep(ctx, now, &done)
}

func (t *Tasks) remove(ctx context.Context, expired []store.Report) (int, error) {
	for _, r := range expired {
		if r.File == "" {
			continue
		}
		if err := t.files.Remove(ctx, r.File); err != nil {
			return 0, fmt.Errorf("clean up report %d: %w", r.ID, err)
		}
		step.Done("report removed")
	}
	return t.store.ForgetReports(ctx, expired)
}

// sweep removes what no report knows of: files of attempts whose report was removed or cancelled meanwhile, and what dead
// writers left unfinished.
func (t *Tasks) sweep(ctx context.Context, now time.Time, done *Cleaned) error {
	var orphans []objects.Object
	err := t.files.Each(ctx, func(o objects.Object) error {
		if o.Made.After(now.Add(-abandoned)) {
			return nil
		}
		id, ok := reportOf(o.Name)
		if !ok {
			return nil // not one of ours
		}
		r, err := t.store.Report(ctx, id)
		if errors.Is(err, store.ErrNotFound) || err == nil && r.State.Final() && r.File != o.Name {
			orphans = append(orphans, o)
			return nil
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("look for files without a report: %w", err)
	}
	done.Orphans = len(orphans)
	if done.DryRun {
		return nil
	}
	for _, o := range orphans {
		if err := t.files.Remove(ctx, o.Name); err != nil {
			return fmt.Errorf("remove %s, which no report knows of: %w", o.Name, err)
		}
	}
	n, err := t.files.Sweep(ctx, now.Add(-abandoned))
	done.Orphans += n
	if err != nil {
		return fmt.Errorf("remove unfinished files: %w", err)
	}
	return t.store.ForgetOutgoing(ctx, now.Add(-remembered))
}

// reportOf is the id in report-7.csv.
func reportOf(name string) (id int64, ok bool) {
	text, ok := strings.CutPrefix(strings.TrimSuffix(name, ".csv"), "report-")
	if !ok {
		return 0, false
	}
	id, err := strconv.ParseInt(text, 10, 64)
	return id, err == nil
}
