package crontab

import (
	"math/bits"
	"time"
)

// Next is the first due time after t on the clocks of loc. It is zero when none comes within the 400 years after which the
// calendar repeats itself.
//
// A time that a clock change skips is taken with the offset before the change: 02:30 is then the moment that is called
// 03:30. Of an hour that comes twice the first is taken; the second only when t lies within it. Celery: crontab.remaining_delta, with zoneinfo's fold=0.
func (c *Crontab) Next(t time.Time, loc *time.Location) time.Time {
	w := t.In(loc)
	year, month, day := w.Date()
	hour, minute := w.Hour(), w.Minute()
	for range 1 << 20 {
		var ok bool
		if year, month, day, hour, minute, ok = c.following(year, month, day, hour, minute); !ok {
			return time.Time{}
		}
		for _, at := range moments(year, month, day, hour, minute, loc) {
			if at.After(t) {
				return at
			}
		}
		// Both passes of this wall time are over: t is in the second pass of a repeated hour, or beyond a skipped one.
	}
	return time.Time{}
}

// following is the first match after a minute on the wall clock.
func (c *Crontab) following(year int, month time.Month, day, hour, minute int) (int, time.Month, int, int, int, bool) {
	if c.matches(year, month, day) {
		if c.hour&(1<<hour) != 0 {
			if m := above(c.minute, minute); m >= 0 {
				return year, month, day, hour, m, true
			}
		}
		if h := above(uint64(c.hour), hour); h >= 0 {
			return year, month, day, h, bits.TrailingZeros64(c.minute), true
		}
	}
	last := year + 400
	for {
		switch day++; {
		case c.month&(1<<month) == 0 || day > daysIn(year, month):
			day = 0
			if month++; month > 12 {
				month = 1
				if year++; year > last {
					return 0, 0, 0, 0, 0, false
				}
			}
		case c.matches(year, month, day):
			return year, month, day, bits.TrailingZeros32(c.hour), bits.TrailingZeros64(c.minute), true
		}
	}
}

func (c *Crontab) matches(year int, month time.Month, day int) bool {
	return c.month&(1<<month) != 0 && c.day&(1<<day) != 0 &&
		c.weekday&(1<<time.Date(year, month, day, 0, 0, 0, 0, time.UTC).Weekday()) != 0
}

// above is the lowest member of a set that is larger than v, or -1.
func above(set uint64, v int) int {
	rest := set >> (v + 1) << (v + 1)
	if rest == 0 {
		return -1
	}
	return bits.TrailingZeros64(rest)
}

func daysIn(year int, month time.Month) int {
	if month == time.February && (year%4 != 0 || year%100 == 0 && year%400 != 0) {
		return 28
	}
	return monthDays[month]
}

// moments are the instants at which the clocks of loc show a time: one, or two in an hour that comes twice, the first
// first. A time that is skipped has the one that it would have had without the change.
func moments(year int, month time.Month, day, hour, minute int, loc *time.Location) []time.Time {
	wall := time.Date(year, month, day, hour, minute, 0, 0, time.UTC)
	near := time.Date(year, month, day, hour, minute, 0, 0, loc)
	before, after := near.ZoneBounds()
	_, offset := near.Zone()
	offsets := [3]int{offset, offset, offset} // around the change before, here, and around the change after
	if !before.IsZero() {
		_, offsets[0] = before.Add(-time.Second).Zone()
	}
	if !after.IsZero() {
		_, offsets[2] = after.Zone()
	}
	var found []time.Time
	for i, o := range offsets {
		if i > 0 && o == offsets[i-1] {
			continue
		}
		at := wall.Add(-time.Duration(o) * time.Second).In(loc)
		if _, shown := at.Zone(); shown == o && (len(found) == 0 || !found[0].Equal(at)) {
			found = append(found, at)
		}
	}
	switch len(found) {
	case 2:
		if found[1].Before(found[0]) {
			found[0], found[1] = found[1], found[0]
		}
	case 0: // skipped: which change skips it?
		o := offset
		if !before.IsZero() && wall.Before(before.Add(time.Duration(offset)*time.Second).UTC()) {
			o = offsets[0]
		}
		found = append(found, wall.Add(-time.Duration(o)*time.Second).In(loc))
	}
	return found
}
