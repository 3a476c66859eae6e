package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// A Report is what is known of a finished report.
type Report struct {
	ID           int64
	Since, Until string // first day, and the day after the last: 2026-01-02
	File         string // name within the folder of reports
	Rows         int
	Bytes        int64
	SHA256       string // of the file, in hexadecimal
	Made         time.Time
	Expires      time.Time
}

const reportColumns = `id, since, until, file, rows, bytes, sha256, made, expires`

func scanReport(row interface{ Scan(...any) error }) (Report, error) {
	var r Report
	var made, expires int64
	err := row.Scan(&r.ID, &r.Since, &r.Until, &r.File, &r.Rows, &r.Bytes, &r.SHA256, &made, &expires)
	r.Made, r.Expires = time.Unix(made, 0).UTC(), time.Unix(expires, 0).UTC()
	return r, err
}

// Report reads one report.
func (s *Store) Report(ctx context.Context, id int64) (Report, error) {
	if err := s.open(ctx); err != nil {
		return Report{}, err
	}
	r, err := scanReport(s.read.QueryRowContext(ctx, `SELECT `+reportColumns+` FROM reports WHERE id = ?`, id))
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNotFound
	}
	if err != nil {
		return Report{}, fmt.Errorf("report %d: %w", id, err)
	}
	return r, nil
}

// NextReport is an id that no report has.
func (s *Store) NextReport(ctx context.Context) (int64, error) {
	if err := s.open(ctx); err != nil {
		return 0, err
	}
	var id int64
	if err := s.read.QueryRowContext(ctx, `SELECT coalesce(max(id), 0) + 1 FROM reports`).Scan(&id); err != nil {
		return 0, fmt.Errorf("next report: %w", err)
	}
	return id, nil
}

// AddReport writes a finished report, once: when there is one of this id already, that one is returned.
func (s *Store) AddReport(ctx context.Context, r Report) (Report, error) {
	var kept Report
	err := s.change(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO reports (`+reportColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
			r.ID, r.Since, r.Until, r.File, r.Rows, r.Bytes, r.SHA256, r.Made.Unix(), r.Expires.Unix())
		if err != nil {
			return err
		}
		kept, err = scanReport(tx.QueryRowContext(ctx, `SELECT `+reportColumns+` FROM reports WHERE id = ?`, r.ID))
		return err
	})
	if err != nil {
		return Report{}, fmt.Errorf("add report %d: %w", r.ID, err)
	}
	return kept, nil
}

// ExpiredReports are up to limit reports that expired before now and have an id above after, by id.
func (s *Store) ExpiredReports(ctx context.Context, now time.Time, after int64, limit int) ([]Report, error) {
	if err := s.open(ctx); err != nil {
		return nil, err
	}
	rows, err := s.read.QueryContext(ctx, `SELECT `+reportColumns+` FROM reports WHERE expires < ? AND id > ? ORDER BY id LIMIT ?`,
		now.Unix(), after, limit)
	if err != nil {
		return nil, fmt.Errorf("read expired reports: %w", err)
	}
	defer rows.Close()
	var expired []Report
	for rows.Next() {
		r, err := scanReport(rows)
		if err != nil {
			return nil, fmt.Errorf("read expired reports: %w", err)
		}
		expired = append(expired, r)
	}
	return expired, rows.Err()
}

// ForgetReports removes reports in one transaction and returns how many there were.
func (s *Store) ForgetReports(ctx context.Context, reports []Report) (int, error) {
	gone := 0
	err := s.change(ctx, func(tx *sql.Tx) error {
		for _, r := range reports {
			was, err := changed(tx.ExecContext(ctx, `DELETE FROM reports WHERE id = ?`, r.ID))
			if err != nil {
				return err
			}
			if was {
				gone++
			}
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("forget %d reports: %w", len(reports), err)
	}
	return gone, nil
}
