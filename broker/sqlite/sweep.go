package sqlite

import (
	"context"
	"errors"
	"time"

	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/internal/sqlitefile"
)

// beat shows that this owner is alive, for systems and cases where the sign of life cannot.
func (b *Broker) beat() {
	id := b.ownerID()
	if id == 0 {
		return
	}
	var there bool
	err := b.file.Write(context.Background(), func(tx *sqlitefile.Tx) error {
		r, err := tx.Exec("UPDATE broker_owner SET beat = beat + 1 WHERE id = ?", id)
		there = r.Rows > 0
		return err
	})
	if err != nil {
		b.log.Warn("cannot write the heartbeat", "error", err)
		return
	}
	if !there {
		for _, c := range b.list() {
			c.verify()
		}
	}
}

// A sighting is the last change of an owner's heartbeat that this process has seen, by its own clock.
type sighting struct {
	beat  int64
	since time.Time
}

func (b *Broker) sweepNow() {
	if err := b.sweep(context.Background()); err != nil && !errors.Is(err, broker.ErrClosed) && !errors.Is(err, sqlitefile.ErrClosed) {
		b.log.Warn("cannot look for dead consumers", "error", err)
	}
}

// sweep evicts owners that are dead: their sign of life is gone, or their heartbeat has stood still for the lease. The
// clock is our own, so that nobody's clock being set, or a night's sleep of the machine, kills the living.
func (b *Broker) sweep(ctx context.Context) error {
	b.sweeping.Lock()
	defer b.sweeping.Unlock()
	var dead []int64
	seen := make(map[int64]sighting)
	own := b.ownerID()
	err := b.file.Read(ctx, func(tx *sqlitefile.Tx) error {
		rows, err := tx.Query("SELECT id, lock, beat FROM broker_owner")
		if err != nil {
			return err
		}
		for rows.Next() {
			var id, lock, beat int64
			if err := rows.Scan(&id, &lock, &beat); err != nil {
				return err
			}
			if id == own {
				continue
			}
			s := b.sightings[id]
			if s.since.IsZero() || s.beat != beat {
				s = sighting{beat: beat, since: time.Now()}
			}
			seen[id] = s
			alive, known := b.file.Alive(id)
			if known && !alive && lock == b.file.LockID() || time.Since(s.since) > b.lease {
				dead = append(dead, id)
			}
		}
		return rows.Err()
	})
	if err != nil {
		return err
	}
	b.sightings = seen
	if len(dead) == 0 {
		return nil
	}
	more := true
	for more {
		err = b.file.Write(ctx, func(tx *sqlitefile.Tx) (err error) {
			for _, id := range dead {
				if err := b.evict(tx, id); err != nil {
					return err
				}
			}
			more, err = b.recover(tx, 8, nowMillis())
			return err
		})
		if err != nil {
			return err
		}
		dead = nil
	}
	b.log.Info("took back the deliveries of consumers that are gone")
	return nil
}
