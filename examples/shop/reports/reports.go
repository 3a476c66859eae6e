// Package reports writes orders to CSV files, and clears such files away when they have expired.
package reports

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/examples/shop/notifications"
	"github.com/umbel-go/umbel/examples/shop/objects"
	"github.com/umbel-go/umbel/examples/shop/step"
	"github.com/umbel-go/umbel/examples/shop/store"
	"github.com/umbel-go/umbel/examples/shop/trail"
)

// Tasks are the handles to send the tasks of reports by.
type Tasks struct {
	Generate *umbel.Task[Report, Summary]
	Cleanup  *umbel.Task[Cleanup, Cleaned]

	store *store.Store
	files objects.Store
	keep  time.Duration
	mail  *notifications.Tasks
}

// A Report is the input of generate_report: in Python, generate_report.delay(7) or
// generate_report.delay(report_id=7, since=date(2026, 1, 1), until=date(2026, 2, 1), email="boss@example.com"). For a report
// that was requested before, the days are those of the request.
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

// ErrCancelled says that nobody wants the report any more.
var ErrCancelled = errors.New("the report was cancelled")

// Register makes the tasks of reports known to an app. files is where reports are put.
func Register(app *umbel.App, s *store.Store, files objects.Store, mail *notifications.Tasks) *Tasks {
	t := &Tasks{store: s, files: files, keep: Keep, mail: mail}
	t.Generate = umbel.Register(app, store.GenerateReport, t.generate,
		umbel.AcksLate(), umbel.TrackStarted(), umbel.SoftTimeLimit(30*time.Minute), umbel.TimeLimit(31*time.Minute),
		umbel.Retry{Max: 3, Backoff: 5 * time.Second, Jitter: true},
		umbel.Summary("write the orders of some days to a CSV file"))
	t.Cleanup = umbel.Register(app, "apps.reports.tasks.cleanup_expired_reports", t.cleanup,
		umbel.AcksLate(), umbel.Retry{Max: 3, Backoff: time.Minute},
		umbel.Summary("remove reports that have expired"))
	app.Use(t)
	return t
}

// TaskFailure notes on a report that its task has failed for good, for whoever looks at its page.
func (t *Tasks) TaskFailure(ctx context.Context, r *umbel.Request, o *umbel.Outcome) {
	if r.Name != store.GenerateReport {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(trail.As(ctx, r)), 10*time.Second)
	defer cancel()
	id, err := t.store.ReportOf(ctx, r.ID)
	if err == nil && id != 0 {
		_ = t.store.FailReport(ctx, id, o.Err.Error()) // the task's own result says it as well
	}
}

// generate makes a report once: asked again for the same id it answers with what there is. It may be cut short anywhere:
//
//	row running → file whole → row ready → mail on its way
//
// The next attempt takes up a file that is there without its row, so that there is one file, one row, one mail.
func (t *Tasks) generate(ctx context.Context, in Report) (Summary, error) {
	if in.ID <= 0 {
		return Summary{}, umbel.Permanent(fmt.Errorf("report_id is %d: want a number above 0", in.ID))
	}
	r, err := t.store.BeginReport(ctx, in.row(umbel.RequestFrom(ctx)))
	if err != nil {
		return Summary{}, err
	}
	step.Done("report begun")
	if r.State == store.Running {
		if r, err = t.write(ctx, r); err != nil {
			return Summary{}, err
		}
	}
	if r.State == store.Cancelled {
		return Summary{}, umbel.Permanent(fmt.Errorf("report %d: %w", r.ID, ErrCancelled))
	}
	step.Done("report noted")
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
	step.Done("report told")
	return Summary{ReportID: r.ID, File: r.File, Rows: r.Rows, Bytes: r.Bytes, SHA256: r.SHA256}, nil
}

// write makes the file and then notes it on the row, which makes it known. Of two workers that make the same report both end
// with the file of whoever was first.
func (t *Tasks) write(ctx context.Context, r store.Report) (store.Report, error) {
	of, err := t.store.CountOrders(ctx, r.Since, r.Until)
	if err != nil {
		return r, err
	}
	r.File = fmt.Sprintf("report-%d.csv", r.ID)
	var made csvFile
	err = t.files.Put(ctx, r.File, func(w io.Writer) (err error) {
		made, err = writeCSV(w, t.store.Orders(ctx, r.Since, r.Until), func(done int) error {
			step.Done("report half written")
			return umbel.RequestFrom(ctx).Progress(ctx, Progress{Done: done, Of: max(done, of)})
		})
		return err
	})
	if errors.Is(err, objects.ErrExists) {
		made, err = t.adopt(ctx, r.File)
	}
	if err != nil {
		return r, fmt.Errorf("report %d: %w", r.ID, err)
	}
	step.Done("report written")
	r.Rows, r.Bytes, r.SHA256 = made.rows, made.bytes, made.sha256
	r.Made = time.Now()
	r.Expires = r.Made.Add(t.keep)
	kept, err := t.store.FinishReport(ctx, r)
	if err == nil && kept.State == store.Cancelled {
		err = t.files.Remove(ctx, r.File)
	}
	return kept, err
}

// adopt takes up a file that an attempt has left which did not come to note it.
func (t *Tasks) adopt(ctx context.Context, name string) (csvFile, error) {
	r, _, err := t.files.Open(ctx, name)
	if err != nil {
		return csvFile{}, err
	}
	defer r.Close()
	f, err := readCSV(r)
	if err != nil {
		return f, fmt.Errorf("read %s, which is there already: %w", name, err)
	}
	return f, nil
}

// row is the report as its task describes it, for one that nobody has requested otherwise.
func (in Report) row(task *umbel.Request) store.Report {
	now := time.Now().UTC()
	r := store.Report{ID: in.ID, Requested: now, Since: time.Unix(0, 0), Until: now.Add(time.Second).Truncate(time.Second), Email: in.Email}
	if task != nil {
		r.Task = task.ID
	}
	if in.Since != nil {
		r.Since = in.Since.Time(time.UTC)
	}
	if in.Until != nil {
		r.Until = in.Until.Time(time.UTC)
	}
	return r
}
