package worker

import "sync"

// What a run is to those who may take its delivery from it. It goes waiting → taken → over; while it is in delay's hands it
// is delayed.
const (
	runWaiting int32 = iota // for a slot
	runDelayed              // for its ETA or its turn; delay moves it in and out, under its lock
	runTaken                // by a slot, or by whoever settles it instead
	runOver                 // settled, or another message's affair
)

// claim takes a waiting run; false when it has been handed back meanwhile.
func (r *run) claim() bool { return r.state.CompareAndSwap(runWaiting, runTaken) }

// withdraw ends a waiting run that is to be handed back; false when somebody has taken it.
func (r *run) withdraw() bool { return r.state.CompareAndSwap(runWaiting, runOver) }

// over says that the run's delivery is nobody's affair any more.
func (r *run) over() { r.state.Store(runOver) }

// A ledger lists a consumer's runs whose deliveries are unsettled, for the lease: those that wait as well as those that run.
// Runs that are over are left in it until it has grown to twice what is alive, or the lease comes by, so that a run costs it
// one append and no removal. nil lists nothing.
//
// Consumers append, on the driver's goroutine; the lease reads.
type ledger struct {
	consumer *consumer

	mu   sync.Mutex // guards runs; hardly ever contended
	runs []*run
}

func (l *ledger) add(r *run) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.runs) == cap(l.runs) {
		if l.sweepLocked(); 2*len(l.runs) >= cap(l.runs) {
			l.runs = append(make([]*run, 0, max(64, 2*cap(l.runs))), l.runs...)
		}
	}
	l.runs = append(l.runs, r)
}

// list is what is alive now.
func (l *ledger) list() []*run {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sweepLocked()
	if c := cap(l.runs); c > 64 && len(l.runs) < c/8 {
		l.runs = append(make([]*run, 0, c/4), l.runs...) // after a burst
	}
	return append([]*run(nil), l.runs...)
}

func (l *ledger) sweepLocked() {
	kept := l.runs[:0]
	for _, r := range l.runs {
		switch r.state.Load() {
		case runOver:
		case runWaiting, runDelayed:
			if r.came == l.consumer.epoch.Load() { // else the broker hands it out again
				kept = append(kept, r)
			}
		default:
			kept = append(kept, r)
		}
	}
	clear(l.runs[len(kept):])
	l.runs = kept
}
