package solar

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// An event is a height of the sun, and whether it passes it upwards.
type event struct {
	name    string
	horizon float64 // degrees
	rising  bool
	disc    bool // its upper limb counts, not its centre
	transit bool
}

// A minute of arc by convention: what refraction lifts the sun at the horizon.
const refraction = 34.0 / 60

var events = []event{
	{name: "dawn_astronomical", horizon: -18, rising: true},
	{name: "dawn_nautical", horizon: -12, rising: true},
	{name: "dawn_civil", horizon: -6, rising: true},
	{name: "sunrise", horizon: -refraction, rising: true, disc: true},
	{name: "solar_noon", transit: true},
	{name: "sunset", horizon: -refraction, disc: true},
	{name: "dusk_civil", horizon: -6},
	{name: "dusk_nautical", horizon: -12},
	{name: "dusk_astronomical", horizon: -18},
}

// Events are the names that New takes, in the order of a day.
func Events() []string {
	names := make([]string, len(events))
	for i, e := range events {
		names[i] = e.name
	}
	return names
}

// A Solar is one event at one place. Celery: solar.
type Solar struct {
	event    *event
	lat, lon float64 // degrees, north and east positive
}

// New checks the event's name and the place: degrees, north and east positive.
func New(name string, lat, lon float64) (*Solar, error) {
	i := slices.IndexFunc(events, func(e event) bool { return e.name == name })
	switch {
	case i < 0:
		return nil, fmt.Errorf("solar event %q: known are %s", name, strings.Join(Events(), ", "))
	case !(lat >= -90 && lat <= 90):
		return nil, fmt.Errorf("solar %s: latitude %v is not between -90 and 90", name, lat)
	case !(lon >= -180 && lon <= 180):
		return nil, fmt.Errorf("solar %s: longitude %v is not between -180 and 180", name, lon)
	}
	return &Solar{event: &events[i], lat: lat, lon: lon}, nil
}

// String is the event and its place, as in "sunset 52.52 13.405".
func (s *Solar) String() string {
	return s.event.name + " " + strconv.FormatFloat(s.lat, 'f', -1, 64) + " " + strconv.FormatFloat(s.lon, 'f', -1, 64)
}

const (
	day       = 24 * time.Hour
	precision = time.Millisecond // much finer than the second that is returned, so that all searches return the same

	// nearPole is the last latitude that is taken as it is: closer to a pole the sun rises between two looks a day apart.
	nearPole = 89.6

	// longest is how far Next looks: at the poles the sun passes a height once a year.
	longest = 2 * 366
)

// Next is the first time after t, to the second, at which the event happens. On days without it (polar day and night) it
// looks further; it is zero when the event does not happen within two years.
func (s *Solar) Next(t time.Time) time.Time {
	from := t
	for range longest {
		at, ok := s.find(from)
		if at := at.Round(time.Second); ok && at.After(t) {
			return at
		}
		if ok { // the one that t was rounded from
			from = at.Add(time.Minute)
			continue
		}
		from = from.Add(day)
	}
	return time.Time{}
}

// find looks for the event in the day after from.
func (s *Solar) find(from time.Time) (at time.Time, ok bool) {
	lat, lon := max(-nearPole, min(s.lat, nearPole))*degree, s.lon*degree
	at = from
	for i := range 50 {
		sun := sunAt(at, lat, lon)
		target, happens := s.target(sun, lat)
		difference := target - sun.hourAngle
		if i == 0 {
			difference = ahead(difference)
		} else {
			difference = half(difference)
		}
		step := time.Duration(difference / turn * float64(day))
		if i > 0 && step.Abs() < precision {
			return at, happens
		}
		at = at.Add(step)
	}
	return at, false
}

// target is the hour angle at which the sun has the event's height; happens is false when it stays above or below.
func (s *Solar) target(sun sun, lat float64) (angle float64, happens bool) {
	if s.event.transit {
		return 0, true
	}
	height := s.event.horizon * degree
	if s.event.disc {
		height -= sun.radius
	}
	c := (math.Sin(height) - math.Sin(lat)*math.Sin(sun.declination)) / (math.Cos(lat) * math.Cos(sun.declination))
	switch {
	case c < -1:
		angle = math.Pi
	case c > 1:
		angle = 0
	default:
		angle, happens = math.Acos(c), true
	}
	if s.event.rising {
		angle = -angle
	}
	return angle, happens
}
