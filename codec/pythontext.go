package codec

import (
	"fmt"
	"math"
	"time"
)

// Python's repr of single values.

func pythonBool(b bool) string {
	if b {
		return "True"
	}
	return "False"
}

func pythonFloat(f float64, bits int) string {
	switch {
	case math.IsNaN(f):
		return "nan"
	case math.IsInf(f, 1):
		return "inf"
	case math.IsInf(f, -1):
		return "-inf"
	}
	return string(appendFloatRepr(nil, f, bits))
}

func pythonDateTime(t time.Time) string {
	clock := TimeOfDay{Nanosecond: t.Nanosecond(), HasOffset: t.Location() != Naive}
	clock.Hour, clock.Minute, clock.Second = t.Clock()
	_, clock.Offset = t.Zone()
	return fmt.Sprintf("datetime.datetime(%d, %d, %d, %s)", t.Year(), t.Month(), t.Day(), pythonClock(clock))
}

// pythonClock is the arguments of a time's repr: seconds and microseconds only where there are any.
func pythonClock(t TimeOfDay) string {
	s := fmt.Sprintf("%d, %d", t.Hour, t.Minute)
	us := t.Nanosecond / 1000
	if t.Second != 0 || us != 0 {
		s += fmt.Sprintf(", %d", t.Second)
	}
	if us != 0 {
		s += fmt.Sprintf(", %d", us)
	}
	switch {
	case !t.HasOffset:
	case t.Offset == 0:
		s += ", tzinfo=datetime.timezone.utc"
	case t.Offset < 0:
		s += fmt.Sprintf(", tzinfo=datetime.timezone(datetime.timedelta(days=-1, seconds=%d))", 86400+t.Offset)
	default:
		s += fmt.Sprintf(", tzinfo=datetime.timezone(datetime.timedelta(seconds=%d))", t.Offset)
	}
	return s
}
