package codec

import (
	"errors"
	"fmt"
	"time"
)

// Naive is the location of a date-time that came without an offset, Python's naive datetime. Such a time reads as UTC;
// compare Location() with Naive to tell it from one that said UTC. A time in Naive is written without an offset.
var Naive = time.FixedZone("naive", 0) // the name keeps it apart from every other zone of offset 0, which Go may share

// A Date is a day of the calendar, Python's datetime.date. The zero Date is no day: it is written as null.
type Date struct {
	Year  int // 1 to 9999
	Month time.Month
	Day   int
}

// A TimeOfDay is a time on no particular day, Python's datetime.time.
type TimeOfDay struct {
	Hour, Minute, Second, Nanosecond int

	HasOffset bool // false is Python's naive time
	Offset    int  // seconds east of UTC
}

// String is Python's isoformat: 2024-01-02.
func (d Date) String() string { return string(appendDate(nil, d)) }

// MarshalText writes Python's isoformat, and nothing for the zero Date.
func (d Date) MarshalText() ([]byte, error) {
	if d == (Date{}) {
		return []byte{}, nil
	}
	if err := d.check(); err != nil {
		return nil, err
	}
	return appendDate(nil, d), nil
}

// UnmarshalText reads a date, or the date of a date-time. Empty text is the zero Date.
func (d *Date) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*d = Date{}
		return nil
	}
	p, err := parseDate(string(text))
	if err == nil {
		*d = p
	}
	return err
}

// Time is midnight of the date in loc.
func (d Date) Time(loc *time.Location) time.Time {
	return time.Date(d.Year, d.Month, d.Day, 0, 0, 0, 0, loc)
}

func (d Date) check() error {
	if d.Year < 1 || d.Year > 9999 || d.Month < 1 || d.Month > 12 || d.Day < 1 || d.Day > daysIn(d.Year, d.Month) {
		return fmt.Errorf("date %d-%d-%d does not exist between the years 1 and 9999", d.Year, d.Month, d.Day)
	}
	return nil
}

// String is Python's isoformat: 03:04:05.000006+00:00.
func (t TimeOfDay) String() string { return string(appendTimeOfDay(nil, t)) }

// MarshalText writes Python's isoformat.
func (t TimeOfDay) MarshalText() ([]byte, error) {
	if err := t.check(); err != nil {
		return nil, err
	}
	return appendTimeOfDay(nil, t), nil
}

// UnmarshalText reads a time of day with or without an offset.
func (t *TimeOfDay) UnmarshalText(text []byte) error {
	p, err := parseTimeOfDay(string(text))
	if err == nil {
		*t = p
	}
	return err
}

func (t TimeOfDay) check() error {
	if t.Hour < 0 || t.Hour > 23 || t.Minute < 0 || t.Minute > 59 || t.Second < 0 || t.Second > 59 ||
		t.Nanosecond < 0 || t.Nanosecond > 999_999_999 || t.Offset <= -86400 || t.Offset >= 86400 {
		return fmt.Errorf("time of day %d:%d:%d does not exist", t.Hour, t.Minute, t.Second)
	}
	return nil
}

func daysIn(year int, month time.Month) int {
	return time.Date(year, month+1, 0, 0, 0, 0, 0, time.UTC).Day()
}

// appendDateTime writes isoformat(sep): microseconds only when there are any, no offset for a naive time. What is finer
// than a microsecond is dropped, as Python has no place for it.
func appendDateTime(dst []byte, t time.Time, sep byte) ([]byte, error) {
	year, month, day := t.Date()
	if year < 1 || year > 9999 {
		return dst, fmt.Errorf("year %d is outside Python's 1 to 9999", year)
	}
	dst = appendDate(dst, Date{year, month, day})
	dst = append(dst, sep)
	clock := TimeOfDay{Nanosecond: t.Nanosecond()}
	clock.Hour, clock.Minute, clock.Second = t.Clock()
	if t.Location() != Naive {
		clock.HasOffset = true
		_, clock.Offset = t.Zone()
	}
	return appendTimeOfDay(dst, clock), nil
}

func appendDate(dst []byte, d Date) []byte {
	dst = appendTwo(dst, d.Year/100)
	dst = appendTwo(dst, d.Year%100)
	dst = append(dst, '-')
	dst = appendTwo(dst, int(d.Month))
	dst = append(dst, '-')
	return appendTwo(dst, d.Day)
}

func appendTimeOfDay(dst []byte, t TimeOfDay) []byte {
	dst = appendClock(dst, t.Hour, t.Minute)
	dst = append(dst, ':')
	dst = appendTwo(dst, t.Second)
	if us := t.Nanosecond / 1000; us > 0 {
		dst = append(dst, '.')
		dst = appendTwo(dst, us/10000)
		dst = appendTwo(dst, us/100%100)
		dst = appendTwo(dst, us%100)
	}
	if !t.HasOffset {
		return dst
	}
	off := t.Offset
	if off < 0 {
		dst, off = append(dst, '-'), -off
	} else {
		dst = append(dst, '+')
	}
	dst = appendClock(dst, off/3600, off/60%60)
	if s := off % 60; s > 0 {
		dst = append(dst, ':')
		dst = appendTwo(dst, s)
	}
	return dst
}

func appendClock(dst []byte, hour, minute int) []byte {
	dst = appendTwo(dst, hour)
	dst = append(dst, ':')
	return appendTwo(dst, minute)
}

func appendTwo(dst []byte, n int) []byte { return append(dst, byte('0'+n/10%10), byte('0'+n%10)) }

var errISO = errors.New("not an ISO 8601 text")

// parseDateTime reads what Python's datetime.fromisoformat reads of the forms that are in use: date, then "T" or a blank,
// then a time of day. A date alone is its midnight. Without an offset the location is Naive.
func parseDateTime(s string) (time.Time, error) {
	r := isoReader{rest: s}
	d, ok := r.date()
	var t TimeOfDay
	if ok && r.rest != "" {
		ok = r.skip('T') || r.skip('t') || r.skip(' ')
		if ok {
			t, ok = r.timeOfDay()
		}
	}
	if !ok || r.rest != "" {
		return time.Time{}, fmt.Errorf("read date-time %q: %w", clip(s), errISO)
	}
	loc := Naive
	if t.HasOffset {
		loc = zone(t.Offset)
	}
	return time.Date(d.Year, d.Month, d.Day, t.Hour, t.Minute, t.Second, t.Nanosecond, loc), nil
}

func zone(offset int) *time.Location {
	if offset == 0 {
		return time.UTC
	}
	return time.FixedZone("", offset)
}

func parseDate(s string) (Date, error) {
	r := isoReader{rest: s}
	if d, ok := r.date(); ok && r.rest == "" {
		return d, nil
	}
	t, err := parseDateTime(s)
	if err != nil {
		return Date{}, fmt.Errorf("read date %q: %w", clip(s), errISO)
	}
	year, month, day := t.Date()
	return Date{year, month, day}, nil
}

func parseTimeOfDay(s string) (TimeOfDay, error) {
	r := isoReader{rest: s}
	t, ok := r.timeOfDay()
	if !ok || r.rest != "" {
		return TimeOfDay{}, fmt.Errorf("read time of day %q: %w", clip(s), errISO)
	}
	return t, nil
}

// clip keeps what a sender wrote from filling an error.
func clip(s string) string {
	if len(s) > 64 {
		return s[:64] + "…"
	}
	return s
}

// An isoReader eats ISO 8601 text from the front.
type isoReader struct{ rest string }

func (r *isoReader) skip(c byte) bool {
	if r.rest == "" || r.rest[0] != c {
		return false
	}
	r.rest = r.rest[1:]
	return true
}

func (r *isoReader) digits(n int) (int, bool) {
	if len(r.rest) < n {
		return 0, false
	}
	v := 0
	for i := range n {
		c := r.rest[i]
		if c < '0' || c > '9' {
			return 0, false
		}
		v = v*10 + int(c-'0')
	}
	r.rest = r.rest[n:]
	return v, true
}

func (r *isoReader) date() (Date, bool) {
	year, ok1 := r.digits(4)
	dashed := r.skip('-')
	month, ok2 := r.digits(2)
	if dashed && !r.skip('-') {
		return Date{}, false
	}
	day, ok3 := r.digits(2)
	d := Date{year, time.Month(month), day}
	return d, ok1 && ok2 && ok3 && d.check() == nil
}

func (r *isoReader) timeOfDay() (t TimeOfDay, ok bool) {
	if t.Hour, t.Minute, t.Second, t.Nanosecond, ok = r.clock(); !ok {
		return t, false
	}
	switch {
	case r.skip('Z') || r.skip('z'):
		t.HasOffset = true
	case r.skip('+'):
		t.Offset, ok = r.offset()
		t.HasOffset = true
	case r.skip('-'):
		t.Offset, ok = r.offset()
		t.Offset = -t.Offset
		t.HasOffset = true
	}
	return t, ok && t.check() == nil
}

func (r *isoReader) offset() (int, bool) {
	hour, minute, second, _, ok := r.clock()
	return hour*3600 + minute*60 + second, ok && hour < 24 && minute < 60 && second < 60
}

// clock reads HH, HH:MM, HH:MM:SS or HH:MM:SS.fraction, with or without the colons.
func (r *isoReader) clock() (hour, minute, second, nano int, ok bool) {
	if hour, ok = r.digits(2); !ok {
		return
	}
	colon := r.skip(':')
	if minute, ok = r.digits(2); !ok {
		return hour, 0, 0, 0, !colon
	}
	if colon != r.skip(':') {
		return hour, minute, 0, 0, colon
	}
	if second, ok = r.digits(2); !ok {
		return hour, minute, 0, 0, !colon
	}
	if r.skip('.') || r.skip(',') {
		nano, ok = r.fraction()
	}
	return
}

func (r *isoReader) fraction() (nano int, ok bool) {
	n := 0
	for ; r.rest != "" && r.rest[0] >= '0' && r.rest[0] <= '9'; n++ {
		if n < 9 {
			nano = nano*10 + int(r.rest[0]-'0')
		}
		r.rest = r.rest[1:]
	}
	for i := n; i < 9; i++ {
		nano *= 10
	}
	return nano, n > 0
}
