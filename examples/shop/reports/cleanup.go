package reports

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/umbel-go/umbel"
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
}

const (
	defaultBatch = 100
	maxBatch     = 10_000
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
		expired, err := t.store.ExpiredReports(ctx, now, last, in.Batch)
		if err != nil || len(expired) == 0 {
			return done, err
		}
		last = expired[len(expired)-1].ID
		gone := len(expired)
		if !in.DryRun {
			for _, r := range expired {
				if err := os.Remove(filepath.Join(t.folder, filepath.Base(r.File))); err != nil && !errors.Is(err, fs.ErrNotExist) {
					return done, fmt.Errorf("clean up report %d: %w", r.ID, err)
				}
			}
			if gone, err = t.store.ForgetReports(ctx, expired); err != nil {
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
}
