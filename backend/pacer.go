package backend

import (
	"context"
	"time"
)

// A Pacer is a Backend that spaces what a whole fleet does, by one clock for all. All but rpc:// can.
type Pacer interface {
	// Turns takes the next n turns of a series, which are an interval apart, and returns how long it is until the first of
	// them: 0 when the series has stood still for an interval. Nobody else gets these turns; those that were missed are
	// not made up for. Series of different names know nothing of each other, and nothing of one that stands still is kept.
	Turns(ctx context.Context, series string, interval time.Duration, n int) (time.Duration, error)
}
