package history

import (
	"context"
	"fmt"
	"time"
)

const (
	// trimEvery is how often the history is looked at for what is too old or too much.
	trimEvery = 30 * time.Second

	// trimMost is how many rows one transaction removes: others write meanwhile.
	trimMost = 2000
)

// Keep removes what is too old or too much, again and again until ctx ends.
func (s *Store) Keep(ctx context.Context) error {
	tick := time.NewTicker(trimEvery)
	defer tick.Stop()
	for {
		if _, err := s.Trim(ctx, time.Now()); err != nil && ctx.Err() == nil {
			s.config.Log.Error("cannot trim the history", "error", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// Trim removes the tasks that are too old, and the oldest ones while the history is too large, and returns their number.
func (s *Store) Trim(ctx context.Context, now time.Time) (removed int64, err error) {
	if s.config.Age > 0 {
		removed, err = s.dropBefore(ctx, now.Add(-s.config.Age).UnixMicro(), 1<<62)
	}
	if err == nil && s.config.Tasks > 0 {
		var n, all int64
		if all, err = s.Count(ctx); err == nil && all > s.config.Tasks {
			n, err = s.dropBefore(ctx, 1<<62, all-s.config.Tasks)
			removed += n
		}
	}
	if err == nil && s.config.Size > 0 {
		var n int64
		n, err = s.shrink(ctx)
		removed += n
	}
	if err == nil {
		err = s.dropPoints(ctx, now)
	}
	if err != nil {
		return removed, fmt.Errorf("trim history: %w", err)
	}
	return removed, nil
}

// dropBefore removes at most most of the oldest tasks, those before a place.
func (s *Store) dropBefore(ctx context.Context, before, most int64) (removed int64, err error) {
	for removed < most {
		var n int64
		err := s.db.write(ctx, func(t tx) (err error) {
			n, err = t.exec(`DELETE FROM tasks WHERE seq IN (SELECT seq FROM tasks WHERE seq < ? ORDER BY seq LIMIT ?)`, before,
				min(trimMost, most-removed))
			if _, indexed := s.db.since(); err != nil || !indexed || n == 0 {
				return err
			}
			var first int64 // of those that stay
			if err = t.each(`SELECT coalesce(min(seq), 0) FROM tasks`, nil, []any{&first}, nothing); err != nil {
				return err
			}
			if first == 0 {
				first = min(before, 1<<59)
			}
			return s.db.dropTexts(t, first*partsMost)
		})
		if err != nil {
			return removed, err
		}
		removed += n
		if n < trimMost {
			break
		}
	}
	return removed, nil
}

// shrink removes a share of the oldest tasks at a time until the history is small enough.
func (s *Store) shrink(ctx context.Context) (removed int64, err error) {
	for {
		size, err := s.db.size(ctx)
		if err != nil || size <= s.config.Size {
			return removed, err
		}
		all, err := s.Count(ctx)
		if err != nil || all == 0 {
			return removed, err
		}
		share := 1 - float64(s.config.Size)/float64(size)
		n, err := s.dropBefore(ctx, 1<<62, max(int64(float64(all)*min(share, 0.5)), 1))
		removed += n
		if err != nil || n == 0 {
			return removed, err
		}
	}
}

func (s *Store) dropPoints(ctx context.Context, now time.Time) error {
	for _, w := range widths {
		err := s.db.write(ctx, func(t tx) error {
			_, err := t.exec(`DELETE FROM points WHERE width = ? AND at < ?`, w.seconds, now.Add(-w.keep).Unix())
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Count is the number of tasks in the history.
func (s *Store) Count(ctx context.Context) (n int64, err error) {
	err = s.db.read(ctx, func(t tx) error {
		n = 0
		return t.each(`SELECT count(*) FROM tasks`, nil, []any{&n}, nothing)
	})
	return n, err
}
