package sqlite

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/internal/sqlitefile"
)

// closeWait bounds how long Close waits for consumers: for a write under way and a Deliver that is running.
const closeWait = 15 * time.Second

// A Broker is one process's link to the file. It implements broker.Broker.
type Broker struct {
	file  *sqlitefile.File
	log   *slog.Logger
	lease time.Duration // how long an owner may be silent

	// Used inside writes only, on the file's writer goroutine.
	topo     *topology
	topoSeq  uint64
	aliveSeq uint64 // in this transaction
	aliveID  int64  // this owner's row was seen
	burials  int    // depth of dead letters that overflow queues

	armed    atomic.Int64  // when the keeper wakes by itself, Unix ms; written inside writes only
	wake     chan struct{} // cap 1: the keeper has something to do
	departed chan struct{} // cap 1: some process has closed the file
	quit     chan struct{} // closed by Close: the keeper ends
	kept     chan struct{} // closed by the keeper as it ends

	sweeping  sync.Mutex         // held during a sweep; guards sightings
	sightings map[int64]sighting // of other owners

	owning sync.Mutex // held while this broker registers as an owner

	mu        sync.Mutex // guards the rest; never held across a call to the file
	owner     int64
	release   func() // ends our sign of life
	consumers map[*consumer]struct{}
	closing   bool

	once sync.Once
	done chan struct{}
	err  error // of Close
}

// newBroker starts a broker on an open file, which it closes in the end, also when it fails.
func newBroker(ctx context.Context, f *sqlitefile.File, lease time.Duration, log *slog.Logger) (*Broker, error) {
	if err := f.Migrate(ctx, component, migrations); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	b := &Broker{file: f, log: log, lease: lease,
		wake: make(chan struct{}, 1), departed: make(chan struct{}, 1), quit: make(chan struct{}), kept: make(chan struct{}),
		consumers: make(map[*consumer]struct{}), done: make(chan struct{})}
	b.armed.Store(never)
	b.startKeeper()
	return b, nil
}

// Traits implements broker.Broker.
func (b *Broker) Traits() broker.Traits {
	return broker.Traits{Durable: true, Delay: true, MaxPriority: math.MaxUint8, Redelivery: true}
}

// Done implements broker.Broker. A file does not go away: only Close ends this broker.
func (b *Broker) Done() <-chan struct{} { return b.done }

// Err implements broker.Broker.
func (b *Broker) Err() error { return nil }

// usable is ErrClosed once Close has begun.
func (b *Broker) usable() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closing {
		return broker.ErrClosed
	}
	return nil
}

// Consume implements broker.Broker.
func (b *Broker) Consume(ctx context.Context, s broker.Subscription) (broker.Consumer, error) {
	switch {
	case s.Deliver == nil:
		return nil, fmt.Errorf("consume from queue %q: the subscription has no Deliver", s.Queue)
	case s.Prefetch < 0:
		return nil, fmt.Errorf("consume from queue %q: prefetch %d is negative", s.Queue, s.Prefetch)
	}
	if err := b.usable(); err != nil {
		return nil, err
	}
	if s.Tag == "" {
		s.Tag = "umbel." + uuid.NewString()
	}
	c := newConsumer(b, s)
	var err error
	if c.s, err = b.register(ctx, c); err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closing {
		return nil, broker.ErrClosed // Close removes the registration with the owner
	}
	b.consumers[c] = struct{}{}
	c.start()
	return c, nil
}

func (b *Broker) remove(c *consumer) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.consumers, c)
}

func (b *Broker) list() []*consumer {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Collect(maps.Keys(b.consumers))
}

// Close implements broker.Broker. It waits for a Deliver that is running, so Deliver must not call it.
func (b *Broker) Close() error {
	b.once.Do(func() {
		b.err = b.close()
		close(b.done)
	})
	return b.err
}

func (b *Broker) close() error {
	b.mu.Lock()
	b.closing = true
	b.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), closeWait)
	defer cancel()
	var errs []error
	consumers := b.list()
	for _, c := range consumers {
		c.rise(closing)
	}
	for _, c := range consumers {
		errs = append(errs, c.Close(ctx))
	}
	close(b.quit)
	<-b.kept
	b.owning.Lock() // nobody registers any more: Consume asks usable, and fails when the file is closed
	defer b.owning.Unlock()
	if id := b.ownerID(); id != 0 {
		err := b.file.Write(ctx, func(tx *sqlitefile.Tx) error {
			if err := b.evict(tx, id); err != nil {
				return err
			}
			tx.Ring(keeperTopic) // others take over the alarms
			_, err := b.recover(tx, 1<<20, nowMillis())
			return err
		})
		if err != nil {
			errs = append(errs, fmt.Errorf("close broker: what it held comes back when others notice: %w", err))
		}
		b.disown(id)
	}
	errs = append(errs, b.file.Close())
	return errors.Join(errs...)
}
