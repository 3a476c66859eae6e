// Package reports writes orders to CSV files, and clears such files away when they have expired.
package reports

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/examples/shop/notifications"
	"github.com/umbel-go/umbel/examples/shop/store"
)

// Tasks are the handles to send the tasks of reports by.
type Tasks struct {
	Generate *umbel.Task[Report, Summary]
	Cleanup  *umbel.Task[Cleanup, Cleaned]

	store  *store.Store
	folder string
	keep   time.Duration
	mail   *notifications.Tasks
}

// A Report is the input of generate_report: in Python, generate_report.delay(7) or
// generate_report.delay(report_id=7, since=date(2026, 1, 1), until=date(2026, 2, 1), email="boss@example.com").
type Report struct {
	ID    int64       `json:"report_id"`
	Since *umbel.Date `json:"since,omitempty"` // first day, UTC; without one from the beginning
	Until *umbel.Date `json:"until,omitempty"` // day after the last; without one up to now
	Email string      `json:"email,omitempty"` // who is told when it is ready
}

// A Summary is the result of generate_report.
type Summary struct {
	ReportID int64  `json:"report_id"`
	File     string `json:"file"`
	Rows     int    `json:"rows"`
	Bytes    int64  `json:"bytes"`
	SHA256   string `json:"sha256"`
}

// Progress is what clients read of a report in the making.
type Progress struct {
	Done int `json:"done"`
	Of   int `json:"of"`
}

// Keep is how long reports are kept.
const Keep = 7 * 24 * time.Hour

// Register makes the tasks of reports known to an app. folder is for the files; it is created when needed.
func Register(app *umbel.App, s *store.Store, folder string, mail *notifications.Tasks) *Tasks {
	t := &Tasks{store: s, folder: folder, keep: Keep, mail: mail}
	t.Generate = umbel.Register(app, "apps.reports.tasks.generate_report", t.generate,
		umbel.AcksLate(), umbel.TrackStarted(), umbel.Retry{Max: 3, Backoff: 5 * time.Second, Jitter: true},
		umbel.Summary("write the orders of some days to a CSV file"))
	t.Cleanup = umbel.Register(app, "apps.reports.tasks.cleanup_expired_reports", t.cleanup,
		umbel.AcksLate(), umbel.Retry{Max: 3, Backoff: time.Minute},
		umbel.Summary("remove reports that have expired"))
	return t
}

// generate makes a report once: asked again for the same id it answers with what there is.
func (t *Tasks) generate(ctx context.Context, in Report) (Summary, error) {
	if in.ID <= 0 {
		return Summary{}, umbel.Permanent(fmt.Errorf("report_id is %d: want a number above 0", in.ID))
	}
	r, err := t.store.Report(ctx, in.ID)
	switch {
	case errors.Is(err, store.ErrNotFound):
		if r, err = t.write(ctx, in); err != nil {
			return Summary{}, err
		}
	case err != nil:
		return Summary{}, err
	}
	if in.Email != "" {
		_, err := t.mail.Send.Send(ctx, notifications.Mail{
			Key:     fmt.Sprintf("report-%d-ready", r.ID),
			To:      in.Email,
			Subject: fmt.Sprintf("Report %d is ready", r.ID),
			Body:    fmt.Sprintf("%s has %d orders. It is kept until %s.\n", r.File, r.Rows, r.Expires.Format(time.DateOnly)),
		})
		if err != nil {
			return Summary{}, fmt.Errorf("report %d: %w", r.ID, err)
		}
	}
	return Summary{ReportID: r.ID, File: r.File, Rows: r.Rows, Bytes: r.Bytes, SHA256: r.SHA256}, nil
}

// write makes the file and then its row, which makes it known. When two workers make the same report, both get the row of
// whoever was first, and the other's file goes away.
func (t *Tasks) write(ctx context.Context, in Report) (store.Report, error) {
	since, until := in.days()
	of, err := t.store.CountOrders(ctx, since, until)
	if err != nil {
		return store.Report{}, err
	}
	made, err := writeCSV(t.folder, in.ID, t.store.Orders(ctx, since, until), func(done int) error {
		return umbel.RequestFrom(ctx).Progress(ctx, Progress{Done: done, Of: max(done, of)})
	})
	if err != nil {
		return store.Report{}, fmt.Errorf("report %d: %w", in.ID, err)
	}
	now := time.Now()
	kept, err := t.store.AddReport(ctx, store.Report{ID: in.ID, Since: since.Format(time.DateOnly), Until: until.Format(time.DateOnly),
		File: made.name, Rows: made.rows, Bytes: made.bytes, SHA256: made.sha256, Made: now, Expires: now.Add(t.keep)})
	if err == nil && kept.File != made.name {
		err = os.Remove(filepath.Join(t.folder, made.name))
	}
	return kept, err
}

// days are the times between which orders belong to the report.
func (in Report) days() (since, until time.Time) {
	since, until = time.Unix(0, 0).UTC(), time.Now().UTC().Add(time.Second).Truncate(time.Second)
	if in.Since != nil {
		since = in.Since.Time(time.UTC)
	}
	if in.Until != nil {
		until = in.Until.Time(time.UTC)
	}
	return since, until
}
