package schedule

import (
	"time"

	"github.com/umbel-go/umbel/internal/crontab"
	"github.com/umbel-go/umbel/internal/solar"
)

// A Crontab is a crontab on the clocks of one place. Celery: crontab.
type Crontab struct {
	*crontab.Crontab
	loc *time.Location
}

// NewCrontab hangs a crontab's clocks somewhere.
func NewCrontab(c *crontab.Crontab, loc *time.Location) *Crontab {
	return &Crontab{Crontab: c, loc: loc}
}

// After is the first matching minute later than t.
func (c *Crontab) After(_, t time.Time) time.Time { return c.Next(t, c.loc) }

// Solar is an event of the sun. Celery: solar.
type Solar struct{ *solar.Solar }

// After is the first event later than t.
func (s Solar) After(_, t time.Time) time.Time { return s.Next(t) }

// Once is due a single time.
type Once time.Time

// After is that time while it lies ahead.
func (o Once) After(_, t time.Time) time.Time {
	if at := time.Time(o); at.After(t) {
		return at
	}
	return time.Time{}
}

func (o Once) String() string { return time.Time(o).Format(time.RFC3339Nano) }
