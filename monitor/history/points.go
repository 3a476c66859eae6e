package history

import (
	"context"
	"fmt"
	"time"
)

// Points are how one thing went over time. Stretches in which nothing was counted have no point.
type Points struct {
	Metric, Label string
	Width         int64 // seconds of each stretch
	Points        []Point
}

// A Point is what was counted or measured in one stretch of time.
type Point struct {
	At     int64   // Unix seconds of its begin
	N      int64   // how often
	Sum    float64 // of values; Sum/N is their mean
	Peak   float64
	Spread *Spread // of seconds; nil for counts
}

// Gather joins stretches of time to wider ones, of step seconds.
func (p *Points) Gather(step int64) {
	if step <= p.Width {
		return
	}
	var out []Point
	for _, x := range p.Points {
		x.At = x.At / step * step
		if len(out) == 0 || out[len(out)-1].At != x.At {
			out = append(out, x)
			continue
		}
		last := &out[len(out)-1]
		last.N, last.Sum, last.Peak = last.N+x.N, last.Sum+x.Sum, max(last.Peak, x.Peak)
		if last.Spread != nil && x.Spread != nil {
			last.Spread.Merge(x.Spread)
		}
	}
	p.Points, p.Width = out, step
}

// StepFor is the multiple of width of which about 200 or fewer make up the time between two moments.
func StepFor(width int64, since, until time.Time) int64 {
	for _, times := range []int64{1, 2, 3, 6} {
		if until.Sub(since) <= time.Duration(200*times*width)*time.Second {
			return times * width
		}
	}
	return 12 * width
}

// WidthFor is the narrowest width, in seconds, whose points reach back to since and are no more than about a thousand.
func WidthFor(since, until, now time.Time) int64 {
	for _, w := range widths {
		if until.Sub(since) <= 1000*time.Duration(w.seconds)*time.Second && now.Sub(since) <= w.keep {
			return w.seconds
		}
	}
	return widths[len(widths)-1].seconds
}

// pointsMost bounds what one call reads.
const pointsMost = 20_000

// Points reads one metric between two times, the points of every label or of one.
func (s *Store) Points(ctx context.Context, metric string, label *string, width int64, since, until time.Time) ([]Points, error) {
	var out []Points
	query := `SELECT label, at, n, sum, peak, spread FROM points WHERE width = ? AND metric = ? AND at >= ? AND at < ?`
	args := []any{width, metric, since.Unix() / width * width, until.Unix() + 1}
	if label != nil {
		query += ` AND label = ?`
		args = append(args, clean(*label))
	}
	query += ` ORDER BY label, at LIMIT ?`
	args = append(args, pointsMost)
	err := s.db.read(ctx, func(t tx) error {
		out = nil
		var name, spread string
		var p Point
		return t.each(query, args, []any{&name, &p.At, &p.N, &p.Sum, &p.Peak, &spread}, func() error {
			if len(out) == 0 || out[len(out)-1].Label != name {
				out = append(out, Points{Metric: metric, Label: name, Width: width})
			}
			p.Spread = nil
			if spread != "" {
				p.Spread = parseSpread(spread)
			}
			last := &out[len(out)-1]
			last.Points = append(last.Points, p)
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("read points of %s: %w", metric, err)
	}
	return out, nil
}
