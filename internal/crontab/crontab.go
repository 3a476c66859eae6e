package crontab

import (
	"cmp"
	"fmt"
	"math/bits"
	"strings"
)

// A Crontab is a set of minutes. It is small: a hundred thousand of them are a few megabytes.
type Crontab struct {
	minute    uint64
	hour, day uint32
	month     uint16
	weekday   uint8
	spec      string // the fields as Line takes them
}

// Fields are a crontab's five fields as they are written. An empty one is "*".
type Fields struct {
	Minute, Hour, DayOfWeek, DayOfMonth, MonthOfYear string
}

// Line reads the usual five fields: minute, hour, day of month, month, day of week. Celery: crontab.from_string.
func Line(text string) (*Crontab, error) {
	f := strings.Fields(text)
	if len(f) != 5 {
		return nil, fmt.Errorf("crontab %q has %d fields: want five: minute, hour, day of month, month, day of week", text, len(f))
	}
	return New(Fields{Minute: f[0], Hour: f[1], DayOfMonth: f[2], MonthOfYear: f[3], DayOfWeek: f[4]})
}

// New reads five fields. Days that never come, such as 31 February, are an error.
func New(f Fields) (*Crontab, error) {
	c := &Crontab{}
	var words []string
	for _, p := range []struct {
		field *field
		text  string
		put   func(uint64)
	}{
		{&minutes, f.Minute, func(b uint64) { c.minute = b }},
		{&hours, f.Hour, func(b uint64) { c.hour = uint32(b) }},
		{&days, f.DayOfMonth, func(b uint64) { c.day = uint32(b) }},
		{&months, f.MonthOfYear, func(b uint64) { c.month = uint16(b) }},
		{&daysOfWeek, f.DayOfWeek, func(b uint64) { c.weekday = uint8(b) }},
	} {
		text := cmp.Or(strings.TrimSpace(p.text), "*")
		set, err := p.field.parse(text)
		if err != nil {
			return nil, fmt.Errorf("crontab: %w", err)
		}
		p.put(set)
		words = append(words, strings.Join(strings.Fields(text), "")) // what is valid has blanks beside commas only
	}
	c.spec = strings.Join(words, " ")
	if !c.possible() {
		return nil, fmt.Errorf("crontab %q is never due: no month of these has such a day", c.spec)
	}
	return c, nil
}

// String is the crontab as Line takes it.
func (c *Crontab) String() string { return c.spec }

var monthDays = [13]int{0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31}

// possible reports whether one of the months has one of the days.
func (c *Crontab) possible() bool {
	first := bits.TrailingZeros32(c.day)
	for m := 1; m <= 12; m++ {
		if c.month&(1<<m) != 0 && first <= monthDays[m] {
			return true
		}
	}
	return false
}
