package crontab

import (
	"fmt"
	"strconv"
	"strings"
)

// A field is one of the five. Its values are a set of bits.
type field struct {
	name     string
	min, max int
	names    string // three letters each, the first is min; "" where only numbers are taken
}

const (
	dayNames   = "sunmontuewedthufrisat"
	monthNames = "janfebmaraprmayjunjulaugsepoctnovdec"
)

var (
	minutes    = field{"minute", 0, 59, ""}
	hours      = field{"hour", 0, 23, ""}
	daysOfWeek = field{"day_of_week", 0, 6, dayNames}
	days       = field{"day_of_month", 1, 31, ""}
	months     = field{"month_of_year", 1, 12, monthNames}
)

func (f *field) fail(text, format string, args ...any) error {
	return fmt.Errorf("%s %q: %s", f.name, text, fmt.Sprintf(format, args...))
}

// parse reads a field.
func (f *field) parse(text string) (set uint64, err error) {
	for part := range strings.SplitSeq(text, ",") {
		bits, err := f.part(text, strings.TrimSpace(part))
		if err != nil {
			return 0, err
		}
		set |= bits
	}
	return set, nil
}

func (f *field) part(text, part string) (uint64, error) {
	if part == "" {
		return 0, f.fail(text, "nothing stands between two commas: want *, a number, a range or */n")
	}
	span, stepText, stepped := strings.Cut(part, "/")
	step := 1
	if stepped {
		n, err := strconv.Atoi(stepText)
		if err != nil || n < 1 || stepText[0] == '+' {
			return 0, f.fail(text, "the step %q is not a number from 1", stepText)
		}
		step = n
	}
	first, last := f.min, f.max
	if span != "*" {
		from, to, ranged := strings.Cut(span, "-")
		if stepped && !ranged {
			return 0, f.fail(text, "a step needs * or a range before it: */%d, or %s-%d/%d", step, span, f.max, step)
		}
		var err error
		if first, err = f.value(text, from); err != nil {
			return 0, err
		}
		last = first
		if ranged {
			if last, err = f.value(text, to); err != nil {
				return 0, err
			}
		}
	}
	size := f.max - f.min + 1
	length := (last-first+size)%size + 1
	var set uint64
	for i := 0; i < length; i += step {
		set |= 1 << (f.min + (first-f.min+i)%size)
		if step > size {
			break // i must not overflow
		}
	}
	return set, nil
}

// value reads a number or a name.
func (f *field) value(text, word string) (int, error) {
	if n, err := strconv.Atoi(word); err == nil && word[0] != '+' && word[0] != '-' {
		if n < f.min || n > f.max {
			if f.names == dayNames && n == 7 {
				return 0, f.fail(text, "7 is out of range: Sunday is 0")
			}
			return 0, f.fail(text, "%d is out of range: it goes from %d to %d", n, f.min, f.max)
		}
		return n, nil
	}
	if len(word) >= 3 && f.names != "" {
		short := strings.ToLower(word[:3])
		for i := 0; i < len(f.names); i += 3 {
			if f.names[i:i+3] == short && letters(word) {
				return f.min + i/3, nil
			}
		}
	}
	if f.names != "" {
		return 0, f.fail(text, "%q is neither a number from %d to %d nor a name such as %s", word, f.min, f.max, f.names[3:6])
	}
	return 0, f.fail(text, "%q is not a number from %d to %d", word, f.min, f.max)
}

func letters(word string) bool {
	for _, c := range word {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
			return false
		}
	}
	return true
}
