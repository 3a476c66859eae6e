package scaling

import (
	"cmp"
	"fmt"
	"time"
)

// A Config says what is wanted of a queue's workers. The zero value is a good one.
type Config struct {
	// Wait is the time within which all that waits in a queue shall have begun. Defaults to a minute.
	Wait time.Duration

	// Utilization is the share of the slots that steady work may take; the rest is for chance. Defaults to 0.75.
	Utilization float64

	// Backlog is how many messages, waiting and running, one worker may have where nobody knows how long they take. Defaults to 100.
	Backlog int

	// Min and Max bound the workers of a queue. Default to 1 and 100; NoWorkers as Min allows none while there is nothing to do.
	Min, Max int

	// Settle is how long fewer workers must have been enough before fewer are advised. Defaults to 5 minutes.
	Settle time.Duration

	// Grace is how long a worker that is told to stop may take: the stop timeout of ECS, the termination grace period of
	// Kubernetes. A worker with tasks that take longer stays until they have ended. Defaults to 30 s.
	Grace time.Duration

	// Slots is how many tasks a worker is thought to run at once while none has told. Defaults to 1.
	Slots int
}

// NoWorkers, as Config.Min, lets an idle queue have none.
const NoWorkers = -1

func (c Config) withDefaults() Config {
	c.Wait = cmp.Or(c.Wait, time.Minute)
	c.Utilization = cmp.Or(c.Utilization, 0.75)
	c.Backlog = cmp.Or(c.Backlog, 100)
	c.Min = max(cmp.Or(c.Min, 1), 0)
	c.Max = max(cmp.Or(c.Max, 100), c.Min)
	c.Settle = cmp.Or(c.Settle, 5*time.Minute)
	c.Grace = cmp.Or(c.Grace, 30*time.Second)
	c.Slots = cmp.Or(c.Slots, 1)
	return c
}

// Check says what makes no sense.
func (c Config) Check() error {
	switch {
	case c.Wait < 0 || c.Settle < 0 || c.Grace < 0:
		return fmt.Errorf("scaling: wait %v, settle %v, grace %v: want no negative time", c.Wait, c.Settle, c.Grace)
	case c.Utilization < 0 || c.Utilization > 1:
		return fmt.Errorf("scaling: utilization %v: want a share of 1", c.Utilization)
	case c.Backlog < 0 || c.Slots < 0 || c.Min < NoWorkers || c.Max < 0 || c.Max > 0 && c.Max < c.Min:
		return fmt.Errorf("scaling: from %d to %d workers, %d messages and %d slots each: want positive numbers, the larger one last", c.Min, c.Max, c.Backlog, c.Slots)
	}
	return nil
}
