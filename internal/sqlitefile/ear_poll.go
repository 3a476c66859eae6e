package sqlitefile

import (
	"sync"
	"time"
)

// A poller looks at the bell every pollEvery: 512 bytes of page cache, where the kernel cannot tell.
type poller struct {
	once sync.Once
	stop chan struct{}
	done chan struct{}
}

func startPoller(b *bell) *poller {
	p := &poller{stop: make(chan struct{}), done: make(chan struct{})}
	go func() {
		defer close(p.done)
		t := time.NewTicker(pollEvery)
		defer t.Stop()
		for {
			select {
			case <-t.C:
				b.hear()
			case <-p.stop:
				return
			}
		}
	}()
	return p
}

func (p *poller) close() error {
	p.once.Do(func() { close(p.stop) })
	<-p.done
	return nil
}
