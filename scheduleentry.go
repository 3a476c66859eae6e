package umbel

import (
	"fmt"
	"time"

	"github.com/umbel-go/umbel/internal/schedule"
)

// TickHeader is the header of every message that a scheduler sends: the due time, a blank, and a name of this one message. A
// due time that was sent twice, because a scheduler died in between, has one task id; workers run the message that comes
// first, and drop the other.
const TickHeader = "umbel_tick"

// A ScheduleEntry is one task that package beat sends by schedule. Celery: an entry of beat_schedule.
type ScheduleEntry struct {
	// Name is the entry's own; of two with one name the later source wins.
	Name string

	// Task is the name of the task to send, registered here or anywhere.
	Task string

	// Schedule says when: seconds ("30"), a duration ("1h30m"), five crontab fields ("0 4 * * mon-fri"), an event of the sun
	// at a latitude and longitude ("sunset 52.52 13.405"), or one time ("2026-12-24T18:00:00Z").
	Schedule string

	// Args and Kwargs are the task's arguments.
	Args   []any
	Kwargs map[string]any

	// Options are publish options by Celery's names: queue, exchange, routing_key, priority, expires and countdown (seconds
	// from when it is sent), serializer, compression, headers, time_limit, soft_time_limit, ignore_result, delivery_mode,
	// shadow.
	Options map[string]any

	// Relative rounds an interval's times down to its whole days, hours, minutes or seconds. Celery: relative.
	Relative bool

	// Timezone is the zone of the schedule's clocks. Defaults to the setting timezone.
	Timezone string

	// Start and End bound the due times; zero is no bound. An interval counts from Start, which is its first due time.
	Start, End time.Time

	// Jitter delays each sending by up to this much, by a fixed amount for each due time. Defaults to 0.
	Jitter time.Duration

	// Disabled entries are not sent, and what would have been due meanwhile is not made up for. In files: enabled: false.
	Disabled bool

	// Overlap says what happens while the entry's previous task has not ended: "allow" (the default) sends all the same,
	// "skip" does not send, "queue" sends once when it has ended, "cancel" revokes the previous one first. All but allow need
	// a result store.
	Overlap string

	// Missed says what becomes of due times at which no scheduler was at work: "last" (the default, as in Celery) sends for
	// the latest, "all" for each, "skip" for none.
	Missed string

	// Deadline is how late a task may still be sent. Defaults to beat_cron_starting_deadline for crontabs, else to no limit;
	// for Missed "skip" to 10 s.
	Deadline time.Duration
}

// Check says what is wrong with the entry, all of it.
func (e ScheduleEntry) Check() error {
	if err := schedule.Entry(e).Check(time.UTC); err != nil {
		return fmt.Errorf("entry %q: %w", e.Name, err)
	}
	return nil
}

// Location is the zone of the app's schedules. Celery: app.timezone.
func (c Config) Location() (*time.Location, error) {
	if c.Timezone != "" {
		return time.LoadLocation(c.Timezone)
	}
	if !deref(c.EnableUTC, true) {
		return time.Local, nil
	}
	return time.UTC, nil
}
