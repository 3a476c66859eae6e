package metric

import (
	"sync/atomic"
	"time"
)

// A Counter only grows. The zero value is ready.
type Counter struct{ n atomic.Int64 }

// Inc counts one more.
func (c *Counter) Inc() { c.n.Add(1) }

// Add counts n more.
func (c *Counter) Add(n int64) { c.n.Add(n) }

// Value is the count.
func (c *Counter) Value() float64 { return float64(c.n.Load()) }

// A Gauge goes up and down. The zero value is ready.
type Gauge struct{ n atomic.Int64 }

// Set makes it n.
func (g *Gauge) Set(n int64) { g.n.Store(n) }

// Add changes it by n.
func (g *Gauge) Add(n int64) { g.n.Add(n) }

// Value is the number.
func (g *Gauge) Value() float64 { return float64(g.n.Load()) }

// Bounds are the upper bounds of a histogram's buckets, ascending; what is larger has a bucket of its own.
type Bounds []time.Duration

// Durations are the bounds for how long something takes: 1 ms to an hour, fine where most tasks are.
var Durations = Bounds{time.Millisecond, 5 * time.Millisecond, 10 * time.Millisecond, 25 * time.Millisecond, 50 * time.Millisecond,
	100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond, time.Second, 2500 * time.Millisecond, 5 * time.Second,
	10 * time.Second, 30 * time.Second, time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour}

// A Histogram counts times by size, in buckets that are fixed when it is made.
type Histogram struct {
	bounds Bounds
	counts []atomic.Int64 // one more than bounds
	sum    atomic.Int64   // nanoseconds
}

// NewHistogram makes an empty one.
func NewHistogram(bounds Bounds) *Histogram {
	return &Histogram{bounds: bounds, counts: make([]atomic.Int64, len(bounds)+1)}
}

// Observe counts one time. Negative ones, of clocks that run apart, count as none.
func (h *Histogram) Observe(d time.Duration) {
	d = max(d, 0)
	i := 0
	for i < len(h.bounds) && d > h.bounds[i] {
		i++
	}
	h.counts[i].Add(1)
	h.sum.Add(int64(d))
}

// Merge adds what another one of the same bounds has.
func (h *Histogram) Merge(o *Histogram) {
	for i := range h.counts {
		h.counts[i].Add(o.counts[i].Load())
	}
	h.sum.Add(o.sum.Load())
}

// Buckets are how many were observed up to each bound; the last are larger than all, and stand at twice the largest.
func (h *Histogram) Buckets() (bounds []time.Duration, counts []int64) {
	bounds = append(append(bounds, h.bounds...), 2*h.bounds[len(h.bounds)-1])
	for i := range h.counts {
		counts = append(counts, h.counts[i].Load())
	}
	return bounds, counts
}

// Count is how many were observed.
func (h *Histogram) Count() (n int64) {
	for i := range h.counts {
		n += h.counts[i].Load()
	}
	return n
}

// Sum is all of them together.
func (h *Histogram) Sum() time.Duration { return time.Duration(h.sum.Load()) }
