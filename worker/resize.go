package worker

// The size of a pool that runs: pool_grow, pool_shrink.

// limit is how many tasks run at once.
func (p *pool) limit() int { return int(p.size.Load()) }

// resize changes it. A larger pool takes what waits at once; a smaller one lets tasks end that run, and begins no more
// until fewer than size do.
func (p *pool) resize(size int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	before := p.size.Swap(int64(size))
	if int64(size) < before {
		p.shrinking.Store(true) // before the channel: who has the new one sees it
		next := make(chan struct{})
		close(*p.sized.Swap(&next))
	}
	select {
	case <-p.closed:
		return
	default:
	}
	for int64(p.live()) < min(int64(size), p.load.Load()) {
		p.add()
	}
}

// over reports whether a goroutine that has no task is one too many, and takes it off the count. If not, sized is closed
// when that is to be asked again.
func (p *pool) over(s *slot) (sized <-chan struct{}, over bool) {
	sized = *p.sized.Load()
	if !p.shrinking.Load() || s.lost.Load() {
		return sized, false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if int64(p.live()) <= p.size.Load() {
		p.shrinking.Store(false)
		return sized, false
	}
	p.remove(s)
	return nil, true
}

// resize changes how many tasks run at once, and with it how many deliveries are held of each queue.
func (w *Worker) resize(size int) {
	w.pool.resize(size)
	w.seats.resize(size)
	w.prefetchFor(size)
}

// mostAtOnce is how large a pool may be.
func (w *Worker) mostAtOnce() int {
	if w.Pool == poolProcess {
		return maxProcesses
	}
	return maxConcurrency
}

// prefetchFor has as many deliveries held of each queue as so many slots want.
func (w *Worker) prefetchFor(size int) {
	if w.PrefetchMultiplier <= 0 {
		return
	}
	prefetch := w.PrefetchMultiplier * size
	if w.prefetch == 0 || prefetch > maxPrefetch {
		return // no limit, or what AMQP cannot count
	}
	w.grown.Store(int64(prefetch - w.prefetch))
	for _, c := range w.activeConsumers() {
		select {
		case c.held.changed <- struct{}{}:
		default:
		}
	}
}

// prefetchNow is how many deliveries are held of each queue, 0 without limit.
func (w *Worker) prefetchNow() int {
	if w.prefetch == 0 {
		return 0
	}
	return w.prefetch + int(w.grown.Load())
}
