package schedule

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A reader gathers what is wrong with an entry.
type reader struct{ errs []*FieldError }

func (r *reader) fail(key, format string, args ...any) {
	r.errs = append(r.errs, &FieldError{Key: key, Text: fmt.Sprintf(format, args...)})
}

func (r *reader) unknown(name, within string, known []string) {
	key := within + name
	r.errs = append(r.errs, &FieldError{Key: key, Text: "is not known: known are " + strings.Join(known, ", "), Unknown: name, Known: known})
}

func (r *reader) text(key string, v any) string {
	s, ok := v.(string)
	if !ok || s == "" {
		r.fail(key, "%v is not text", v)
	}
	return s
}

func (r *reader) boolean(key string, v any) bool {
	b, ok := v.(bool)
	if !ok {
		r.fail(key, "%v is not true or false", v)
	}
	return b
}

func (r *reader) oneOf(key string, v any, words ...string) string {
	s, _ := v.(string)
	if !slices.Contains(words, s) {
		r.fail(key, "%v is not one of %s", v, strings.Join(words, ", "))
	}
	return s
}

func (r *reader) list(key string, v any) []any {
	l, ok := v.([]any)
	if !ok {
		r.fail(key, "%v is not a list", v)
	}
	return l
}

func (r *reader) table(key string, v any) map[string]any {
	m, ok := v.(map[string]any)
	if !ok {
		r.fail(key, "%v is not a map", v)
	}
	return m
}

// span reads a number of seconds, or a duration.
func span(v any) (time.Duration, bool) {
	if s, ok := v.(string); ok {
		return duration(s)
	}
	if f, ok := number(v); ok {
		return duration(strconv.FormatFloat(f, 'g', -1, 64))
	}
	return 0, false
}

func number(v any) (float64, bool) {
	switch v := v.(type) {
	case int:
		return float64(v), true
	case int64:
		return float64(v), true
	case float64:
		return v, !math.IsNaN(v)
	}
	return 0, false
}

func (r *reader) seconds(key string, v any) time.Duration {
	d, ok := span(v)
	if !ok || d <= 0 {
		r.fail(key, "%v is not a time: write seconds, or a duration such as 90s or 15m", v)
	}
	return d
}

func (r *reader) time(key string, v any, loc *time.Location) time.Time {
	s, _ := v.(string)
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04Z07:00"} {
		if t, err := time.Parse(layout, strings.Replace(s, " ", "T", 1)); err == nil {
			return t
		}
	}
	for _, layout := range []string{"2006-01-02T15:04:05", "2006-01-02T15:04", time.DateOnly} {
		if t, err := time.ParseInLocation(layout, strings.Replace(s, " ", "T", 1), loc); err == nil {
			return t
		}
	}
	r.fail(key, "%v is not a time such as 2026-12-24T18:00:00+01:00", v)
	return time.Time{}
}

// schedule turns the forms of a schedule into its text.
func (r *reader) schedule(key string, v any) string {
	switch v := v.(type) {
	case string:
		return v
	case map[string]any:
		return r.kind(key, v)
	}
	if f, ok := number(v); ok {
		return strconv.FormatFloat(f, 'f', -1, 64)
	}
	r.fail(key, "%v is no schedule: want %s", v, forms)
	return ""
}

var (
	crontabKeys = []string{"minute", "hour", "day_of_month", "month_of_year", "day_of_week"} // in the order of Line
	solarKeys   = []string{"event", "lat", "lon"}
)

// kind reads a schedule that is written as a map: of crontab's or solar's arguments, or of one of the kinds' names.
func (r *reader) kind(key string, m map[string]any) string {
	if len(m) == 1 {
		for name, v := range m {
			inner, isMap := v.(map[string]any)
			switch {
			case name == "crontab" && isMap:
				return r.words(key, inner, crontabKeys, "*")
			case name == "solar" && isMap:
				return r.words(key, inner, solarKeys, "")
			case name == "crontab" || name == "solar" || name == "every" || name == "at":
				return r.schedule(key+"."+name, v)
			}
		}
	}
	if m["event"] != nil {
		return r.words(key, m, solarKeys, "")
	}
	return r.words(key, m, crontabKeys, "*")
}

func (r *reader) words(key string, m map[string]any, known []string, missing string) string {
	for _, name := range slices.Sorted(maps.Keys(m)) {
		if !slices.Contains(known, name) {
			r.unknown(name, key+".", known)
			return ""
		}
	}
	words := make([]string, len(known))
	for i, name := range known {
		word := r.word(key+"."+name, m[name])
		if word == "" {
			if word = missing; word == "" {
				r.fail(key, "%s is missing", name)
				return ""
			}
		}
		words[i] = word
	}
	return strings.Join(words, " ")
}

// word is one argument: text, a number, or a list of either.
func (r *reader) word(key string, v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return strings.Join(strings.Fields(v), "")
	case []any:
		parts := make([]string, len(v))
		for i, x := range v {
			parts[i] = r.word(key, x)
		}
		return strings.Join(parts, ",")
	}
	if f, ok := number(v); ok {
		return strconv.FormatFloat(f, 'f', -1, 64)
	}
	r.fail(key, "%v is not text or a number", v)
	return ""
}

// sendOptions are the options of an entry.
var sendOptions = []string{"queue", "exchange", "routing_key", "priority", "expires", "countdown", "serializer", "compression",
	"headers", "time_limit", "soft_time_limit", "ignore_result", "delivery_mode", "shadow"}

// moot are options of Celery's that say nothing here: publishing always retries and is always mandatory.
var moot = []string{"retry", "retry_policy", "mandatory", "immediate", "add_to_parent", "exchange_type"}

func (r *reader) options(m map[string]any) {
	for _, name := range slices.Sorted(maps.Keys(m)) {
		v, key := m[name], "options."+name
		if v == nil {
			continue
		}
		switch name {
		case "queue", "routing_key", "serializer", "compression", "shadow":
			r.text(key, v)
		case "exchange":
			if _, ok := v.(string); !ok {
				r.fail(key, "%v is not text", v)
			}
		case "priority":
			if f, ok := number(v); !ok || f != math.Trunc(f) || f < 0 || f > 255 {
				r.fail(key, "%v is not a whole number from 0 to 255", v)
			}
		case "expires", "countdown", "time_limit", "soft_time_limit":
			r.seconds(key, v)
		case "headers":
			r.table(key, v)
		case "ignore_result":
			r.boolean(key, v)
		case "delivery_mode":
			if f, _ := number(v); f != 1 && f != 2 && v != "transient" && v != "persistent" {
				r.fail(key, "%v is not 1 (transient) or 2 (persistent)", v)
			}
		default:
			if !slices.Contains(moot, name) {
				r.unknown(name, "options.", sendOptions)
			}
		}
	}
}

// Seconds is an option that Read has taken for a time.
func Seconds(v any) time.Duration { d, _ := span(v); return d }

// Number is an option that Read has taken for a number.
func Number(v any) float64 { f, _ := number(v); return f }
