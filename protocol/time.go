package protocol

import (
	"errors"
	"strconv"
	"time"

	"github.com/umbel-go/umbel/codec"
)

// Times on the wire are ISO 8601 as Python's datetime.isoformat writes them: six digits of fraction or none, an offset
// "+00:00" rather than "Z", and no offset at all for what Python calls a naive time.

// FormatTime writes t as Python's isoformat does. Times are cut to microseconds, which are left out when zero. A time in
// codec.Naive is written without offset.
func FormatTime(t time.Time) string {
	var buf [40]byte
	return string(appendTime(buf[:0], t))
}

func appendTime(dst []byte, t time.Time) []byte {
	year, month, day := t.Date()
	if year < 0 || year > 9999 { // no Python reads it; keep what can be kept
		return t.AppendFormat(dst, time.RFC3339Nano)
	}
	hour, minute, second := t.Clock()
	dst = append(dst, byte('0'+year/1000), byte('0'+year/100%10), byte('0'+year/10%10), byte('0'+year%10), '-')
	dst = append(appendTwo(dst, int(month)), '-')
	dst = append(appendTwo(dst, day), 'T')
	dst = append(appendTwo(dst, hour), ':')
	dst = append(appendTwo(dst, minute), ':')
	dst = appendTwo(dst, second)
	if micro := t.Nanosecond() / 1000; micro != 0 {
		dst = append(dst, '.')
		dst = appendTwo(dst, micro/10000)
		dst = appendTwo(dst, micro/100%100)
		dst = appendTwo(dst, micro%100)
	}
	if t.Location() == codec.Naive {
		return dst
	}
	_, offset := t.Zone()
	sign := byte('+')
	if offset < 0 {
		sign, offset = '-', -offset
	}
	dst = append(appendTwo(append(dst, sign), offset/3600), ':')
	dst = appendTwo(dst, offset/60%60)
	if s := offset % 60; s != 0 {
		dst = appendTwo(append(dst, ':'), s)
	}
	return dst
}

func appendTwo(dst []byte, n int) []byte { return append(dst, byte('0'+n/10), byte('0'+n%10)) }

// ParseTime reads an ISO 8601 time, with the date and time in extended (2024-01-02T03:04:05) or basic (20240102T030405)
// form, any fraction, and an offset or none. Without an offset the time is UTC and its location is codec.Naive, so that
// it can be told apart and is written back as it came. A date alone is its midnight.
func ParseTime(s string) (time.Time, error) {
	p := timeText{s: s}
	t, ok := p.read()
	if !ok {
		return time.Time{}, errors.New(quote(s) + " is not an ISO 8601 time such as 2024-01-02T03:04:05.678901+00:00")
	}
	return t, nil
}

// quote shows text of unknown length in an error.
func quote(s string) string {
	const most = 80
	if len(s) > most {
		return strconv.Quote(s[:most]) + "…"
	}
	return strconv.Quote(s)
}

// timeText reads a time from left to right.
type timeText struct {
	s string
	i int
}

func (p *timeText) read() (time.Time, bool) {
	year, ok := p.digits(4)
	if !ok || year == 0 {
		return time.Time{}, false
	}
	month, day, ok := p.pair('-')
	if !ok || month < 1 || month > 12 || day < 1 || day > daysIn(year, time.Month(month)) {
		return time.Time{}, false
	}
	if p.i == len(p.s) {
		return time.Date(year, time.Month(month), day, 0, 0, 0, 0, codec.Naive), true
	}
	if !p.skip('T') && !p.skip('t') && !p.skip(' ') {
		return time.Time{}, false
	}
	clock, nano, ok := p.clock()
	if !ok || clock > 24*3600 || clock == 24*3600 && nano > 0 {
		return time.Time{}, false
	}
	loc, ok := p.offset()
	if !ok || p.i != len(p.s) {
		return time.Time{}, false
	}
	t := time.Date(year, time.Month(month), day, 0, 0, clock, nano, loc)
	return t, t.Year() <= 9999 // 24:00 on the last day Python knows
}

// pair reads two numbers of two digits that both or neither have sep before them: the month and day of a date.
func (p *timeText) pair(sep byte) (a, b int, ok bool) {
	extended := p.skip(sep)
	if a, ok = p.digits(2); !ok {
		return 0, 0, false
	}
	if extended && !p.skip(sep) {
		return 0, 0, false
	}
	b, ok = p.digits(2)
	return a, b, ok
}

// clock reads HH[[:]MM[[:]SS[.fraction]]] into seconds and nanoseconds.
func (p *timeText) clock() (seconds, nano int, ok bool) {
	hour, ok := p.digits(2)
	if !ok || hour > 24 {
		return 0, 0, false
	}
	seconds = hour * 3600
	extended := p.skip(':')
	if !extended && !p.digit() {
		return seconds, 0, true
	}
	minute, ok := p.digits(2)
	if !ok || minute > 59 {
		return 0, 0, false
	}
	seconds += minute * 60
	if extended && !p.skip(':') || !extended && !p.digit() {
		return seconds, 0, true
	}
	second, ok := p.digits(2)
	if !ok || second > 59 {
		return 0, 0, false
	}
	seconds += second
	if !p.skip('.') && !p.skip(',') {
		return seconds, 0, true
	}
	if !p.digit() {
		return 0, 0, false
	}
	for unit := 100_000_000; p.digit(); p.i++ {
		nano += int(p.s[p.i]-'0') * unit
		unit /= 10
	}
	return seconds, nano, true
}

// offset reads Z or ±HH[[:]MM[[:]SS]]; nothing is codec.Naive.
func (p *timeText) offset() (*time.Location, bool) {
	if p.i == len(p.s) {
		return codec.Naive, true
	}
	if p.skip('Z') || p.skip('z') {
		return time.UTC, true
	}
	sign := 1
	if p.skip('-') {
		sign = -1
	} else if !p.skip('+') {
		return nil, false
	}
	seconds, nano, ok := p.clock()
	if !ok || nano != 0 || seconds >= 24*3600 {
		return nil, false
	}
	if seconds == 0 {
		return time.UTC, true
	}
	return time.FixedZone("", sign*seconds), true
}

func (p *timeText) digit() bool { return p.i < len(p.s) && p.s[p.i] >= '0' && p.s[p.i] <= '9' }

func (p *timeText) digits(n int) (v int, ok bool) {
	for range n {
		if !p.digit() {
			return 0, false
		}
		v = v*10 + int(p.s[p.i]-'0')
		p.i++
	}
	return v, true
}

func (p *timeText) skip(c byte) bool {
	if p.i < len(p.s) && p.s[p.i] == c {
		p.i++
		return true
	}
	return false
}

func daysIn(year int, month time.Month) int {
	return time.Date(year, month+1, 0, 0, 0, 0, 0, time.UTC).Day()
}
