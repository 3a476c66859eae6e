package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// A ReportState is how far a report has come:
//
//	requested ──► running ──► ready ──► removed when it has expired
//	    │  └────────►│└────► failed ──► (running again, when somebody tries again)
//	    └────────────┴─────► cancelled
type ReportState string

const (
	Requested ReportState = "requested" // written down; its task waits
	Running   ReportState = "running"   // a worker writes it
	Ready     ReportState = "ready"     // the file is whole
	Failed    ReportState = "failed"    // given up
	Cancelled ReportState = "cancelled" // nobody wants it any more
)

// Final tells whether nothing more will happen to a report by itself.
func (s ReportState) Final() bool { return s == Ready || s == Failed || s == Cancelled }

// A Report is a request for a file of orders, and what became of it. Which orders belong to it is decided when it is
// requested: every attempt to write it reads the same days.
type Report struct {
	ID           int64
	State        ReportState
	Task         string // id of the task that writes it
	Requested    time.Time
	Since, Until time.Time // of the orders' placing; Until is not included
	Email        string    // who is told; "" for nobody
	File         string    // name of the object
	Rows         int
	Bytes        int64
	SHA256       string // of the file, in hexadecimal
	Made         time.Time
	Expires      time.Time
	Error        string // why it has failed
}

// GenerateReport is the task that writes a requested report.
const GenerateReport = "apps.reports.tasks.generate_report"

const reportColumns = `id, state, task, requested, since, until, email, file, rows, bytes, sha256, made, expires, error`

func scanReport(row scanner) (Report, error) {
	var r Report
	var requested, since, until, made, expires int64
	err := row.Scan(&r.ID, &r.State, &r.Task, &requested, &since, &until, &r.Email, &r.File, &r.Rows, &r.Bytes, &r.SHA256, &made, &expires, &r.Error)
	r.Requested, r.Since, r.Until = time.Unix(requested, 0).UTC(), time.Unix(since, 0).UTC(), time.Unix(until, 0).UTC()
	r.Made, r.Expires = time.Unix(made, 0).UTC(), time.Unix(expires, 0).UTC()
	return r, err
}

func (t *tx) insertReport(ctx context.Context, r Report) (first bool, err error) {
	return t.changes(ctx, `INSERT INTO reports (`+reportColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
		r.ID, r.State, r.Task, r.Requested.Unix(), r.Since.Unix(), r.Until.Unix(), r.Email, r.File, r.Rows, r.Bytes, r.SHA256,
		unix(r.Made), unix(r.Expires), r.Error)
}

// unix is 0 for the zero time.
func unix(at time.Time) int64 {
	if at.IsZero() {
		return 0
	}
	return at.Unix()
}

// RequestReport writes a request down: the report and its task in the outbox are one transaction. The second request of a
// key returns the first's report. Of r Since, Until and Email count.
func (s *Store) RequestReport(ctx context.Context, r Report, key Key) (id int64, first bool, err error) {
	err = s.change(ctx, func(t *tx) error {
		id, first, err = t.once(ctx, "report", key, func() (int64, error) {
			id, err := t.nextReport(ctx)
			if err != nil {
				return 0, err
			}
			kwargs := map[string]any{"report_id": json.Number(fmt.Sprint(id))}
			if r.Email != "" {
				kwargs["email"] = r.Email
			}
			r.ID, r.State, r.Requested = id, Requested, time.Now()
			if r.Task, err = t.enqueue(ctx, GenerateReport, kwargs); err != nil {
				return 0, err
			}
			if _, err := t.insertReport(ctx, r); err != nil {
				return 0, err
			}
			return id, t.note(ctx, ReportRequested, reportObject(id), string(Requested), Detail{})
		})
		return err
	})
	if err != nil {
		return 0, false, fmt.Errorf("request a report: %w", err)
	}
	return id, first, nil
}

// nextReport is an id that no report has or has had.
func (t *tx) nextReport(ctx context.Context) (id int64, err error) {
	err = t.row(ctx, `INSERT INTO counters (name, n) VALUES ('report', 1) ON CONFLICT (name) DO UPDATE SET n = counters.n + 1 RETURNING n`).Scan(&id)
	return id, err
}

// tookReport remembers an id that somebody else has chosen.
func (t *tx) tookReport(ctx context.Context, id int64) error {
	return t.exec(ctx, `INSERT INTO counters (name, n) VALUES ('report', ?)
		ON CONFLICT (name) DO UPDATE SET n = CASE WHEN counters.n < excluded.n THEN excluded.n ELSE counters.n END`, id)
}

// NextReport reserves an id for somebody who sends the task without a request.
func (s *Store) NextReport(ctx context.Context) (id int64, err error) {
	err = s.change(ctx, func(t *tx) error { id, err = t.nextReport(ctx); return err })
	if err != nil {
		return 0, fmt.Errorf("next report: %w", err)
	}
	return id, nil
}

// Report reads one report.
func (s *Store) Report(ctx context.Context, id int64) (r Report, err error) {
	row, err := s.row(ctx, `SELECT `+reportColumns+` FROM reports WHERE id = ?`, id)
	if err == nil {
		r, err = scanReport(row)
	}
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNotFound
	}
	if err != nil {
		return Report{}, fmt.Errorf("report %d: %w", id, err)
	}
	return r, nil
}

// ReportOf is the report that a task writes, 0 for none.
func (s *Store) ReportOf(ctx context.Context, task string) (id int64, err error) {
	row, err := s.row(ctx, `SELECT coalesce(max(id), 0) FROM reports WHERE task = ?`, task)
	if err == nil {
		err = row.Scan(&id)
	}
	if err != nil {
		return 0, fmt.Errorf("report of task %s: %w", task, err)
	}
	return id, nil
}

// LatestReports are up to limit reports with an id below before (0: the latest), the latest first.
func (s *Store) LatestReports(ctx context.Context, before int64, limit int) ([]Report, error) {
	if before <= 0 {
		before = 1 << 62
	}
	return s.reports(ctx, `id < ? ORDER BY id DESC LIMIT ?`, before, limit)
}

func (s *Store) reports(ctx context.Context, where string, args ...any) ([]Report, error) {
	var all []Report
	err := s.rows(ctx, func(row scanner) error {
		r, err := scanReport(row)
		all = append(all, r)
		return err
	}, `SELECT `+reportColumns+` FROM reports WHERE `+where, args...)
	if err != nil {
		return nil, fmt.Errorf("read reports: %w", err)
	}
	return all, nil
}

// BeginReport notes that a worker begins to write a report, and returns it as it is known: one that is ready or cancelled
// stays as it is. One that nobody has requested (its task was sent by itself) is written down as r.
func (s *Store) BeginReport(ctx context.Context, r Report) (kept Report, err error) {
	err = s.change(ctx, func(t *tx) error {
		r.State = Running
		began, err := t.insertReport(ctx, r)
		if err != nil {
			return err
		}
		if began {
			err = t.tookReport(ctx, r.ID)
		} else {
			began, err = t.changes(ctx, `UPDATE reports SET state = ?, error = '' WHERE id = ? AND state IN (?, ?)`, Running, r.ID, Requested, Failed)
		}
		if err != nil {
			return err
		}
		if began {
			if err := t.note(ctx, ReportBegun, reportObject(r.ID), string(Running), Detail{}); err != nil {
				return err
			}
		}
		kept, err = scanReport(t.row(ctx, `SELECT `+reportColumns+` FROM reports WHERE id = ?`, r.ID))
		return err
	})
	if err != nil {
		return Report{}, fmt.Errorf("begin report %d: %w", r.ID, err)
	}
	return kept, nil
}

// FinishReport notes the file of a report, once: one that is ready stays as it is. It returns what is kept. A report that
// was cancelled or has gone meanwhile stays so.
func (s *Store) FinishReport(ctx context.Context, r Report) (kept Report, err error) {
	err = s.change(ctx, func(t *tx) error {
		first, err := t.changes(ctx, `UPDATE reports SET state = ?, file = ?, rows = ?, bytes = ?, sha256 = ?, made = ?, expires = ?, error = ''
			WHERE id = ? AND state IN (?, ?, ?)`, Ready, r.File, r.Rows, r.Bytes, r.SHA256, r.Made.Unix(), r.Expires.Unix(), r.ID, Requested, Running, Failed)
		if err != nil {
			return err
		}
		if first {
			d := Detail{File: r.File, Rows: r.Rows, Bytes: r.Bytes, SHA256: r.SHA256}
			if err := t.note(ctx, ReportReady, reportObject(r.ID), string(Ready), d); err != nil {
				return err
			}
		}
		kept, err = scanReport(t.row(ctx, `SELECT `+reportColumns+` FROM reports WHERE id = ?`, r.ID))
		if errors.Is(err, sql.ErrNoRows) {
			err = ErrNotFound
		}
		return err
	})
	if err != nil {
		return Report{}, fmt.Errorf("finish report %d: %w", r.ID, err)
	}
	return kept, nil
}

// FailReport notes why a report was given up.
func (s *Store) FailReport(ctx context.Context, id int64, why string) error {
	_, err := s.end(ctx, id, Failed, ReportFailed, why)
	return err
}

// CancelReport notes that nobody wants a report any more. It returns false for one that has ended.
func (s *Store) CancelReport(ctx context.Context, id int64) (bool, error) {
	return s.end(ctx, id, Cancelled, ReportCancelled, "")
}

func (s *Store) end(ctx context.Context, id int64, state ReportState, action, why string) (ended bool, err error) {
	err = s.change(ctx, func(t *tx) error {
		ended, err = t.changes(ctx, `UPDATE reports SET state = ?, error = ? WHERE id = ? AND state IN (?, ?)`, state, why, id, Requested, Running)
		if err != nil || !ended {
			return err
		}
		return t.note(ctx, action, reportObject(id), string(state), Detail{})
	})
	if err != nil {
		return false, fmt.Errorf("report %d: %w", id, err)
	}
	return ended, nil
}

// ExpiredReports are up to limit reports that expired before now and have an id above after, by id: ready ones past their
// day, and all others that were requested longer ago than keep.
func (s *Store) ExpiredReports(ctx context.Context, now time.Time, keep time.Duration, after int64, limit int) ([]Report, error) {
	return s.reports(ctx, `id > ? AND ((state = ? AND expires < ?) OR (state <> ? AND requested < ?)) ORDER BY id LIMIT ?`,
		after, Ready, now.Unix(), Ready, now.Add(-keep).Unix(), limit)
}

// ForgetReports removes reports in one transaction and returns how many there were.
func (s *Store) ForgetReports(ctx context.Context, reports []Report) (gone int, err error) {
	err = s.change(ctx, func(t *tx) error {
		for _, r := range reports {
			was, err := t.changes(ctx, `DELETE FROM reports WHERE id = ?`, r.ID)
			if err != nil {
				return err
			}
			if was {
				gone++
				if err := t.note(ctx, ReportExpired, reportObject(r.ID), "removed", Detail{File: r.File}); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("forget %d reports: %w", len(reports), err)
	}
	return gone, nil
}
