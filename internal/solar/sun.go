package solar

import (
	"math"
	"time"
)

const (
	degree    = math.Pi / 180
	arcSecond = degree / 3600
	turn      = 2 * math.Pi
)

// A sun is where the sun stands for an observer at one moment.
type sun struct {
	declination float64 // radians, as seen from the observer
	hourAngle   float64 // radians from the meridian, west positive, within half a turn
	radius      float64 // radians that its disc is wide from the centre
}

// sunAt computes the apparent place of the sun for an observer at sea level; lat and lon in radians, east positive.
func sunAt(at time.Time, lat, lon float64) sun {
	ut := julian(at)
	day := ut + deltaT(at)/86400
	t := (day - 2451545) / 36525 // Julian centuries of dynamical time
	tau := t / 10

	distance := sum(tau, distance0, distance1)
	longitude := sum(tau, longitude0, longitude1, longitude2, longitude3, longitude4) + math.Pi
	latitude := -sum(tau, latitude0, latitude1)
	// From the dynamical to the FK5 equinox.
	longitude -= 0.09033 * arcSecond
	psi, eps := nutation(t)
	longitude += psi - 20.4898*arcSecond/distance

	sinE, cosE := math.Sincos(eps)
	sinL, cosL := math.Sincos(longitude)
	ascension := math.Atan2(sinL*cosE-math.Tan(latitude)*sinE, cosL)
	declination := math.Asin(math.Sin(latitude)*cosE + math.Cos(latitude)*sinE*sinL)

	c := (ut - 2451545) / 36525
	sidereal := (280.46061837+360.98564736629*(ut-2451545)+c*c*(0.000387933-c/38710000))*degree + psi*cosE
	hour := sidereal + lon - ascension

	// Parallax: the observer does not stand at the earth's centre.
	u := math.Atan(0.99664719 * math.Tan(lat))
	x, y := math.Cos(u), 0.99664719*math.Sin(u)
	parallax := math.Sin(8.794*arcSecond) / distance
	shift := math.Atan2(-x*parallax*math.Sin(hour), math.Cos(declination)-x*parallax*math.Cos(hour))
	declination = math.Atan2((math.Sin(declination)-y*parallax)*math.Cos(shift), math.Cos(declination)-x*parallax*math.Cos(hour))
	hour -= shift
	return sun{declination: declination, hourAngle: half(hour), radius: 959.63 * arcSecond / distance}
}

// julian is the Julian day of a moment.
func julian(t time.Time) float64 {
	return 2440587.5 + (float64(t.Unix())+float64(t.Nanosecond())/1e9)/86400
}

// deltaT is how many seconds dynamical time is ahead of universal time. It need not be exact: a second of it is a twentieth
// of a second of arc.
func deltaT(at time.Time) float64 { return 64 + max(-10, 0.33*(float64(at.Year())-2000)) }

// nutation is that of the longitude, and the true obliquity, in radians.
func nutation(t float64) (psi, eps float64) {
	d := (297.85036 + t*(445267.111480-t*0.0019142)) * degree
	m := (357.52772 + t*(35999.050340-t*0.0001603)) * degree
	n := (134.96298 + t*(477198.867398+t*0.0086972)) * degree
	f := (93.27191 + t*(483202.017538-t*0.0036825)) * degree
	o := (125.04452 - t*(1934.136261-t*0.0020708)) * degree
	for _, w := range wobbles {
		s, c := math.Sincos(w.d*d + w.m*m + w.n*n + w.f*f + w.o*o)
		psi += (w.psi + w.psiT*t) * s
		eps += (w.eps + w.epsT*t) * c
	}
	mean := 23.4392911*3600 - t*(46.8150+t*(0.00059-t*0.001813))
	return psi * 1e-4 * arcSecond, (mean + eps*1e-4) * arcSecond
}

// half brings an angle to the half turn on either side of zero.
func half(a float64) float64 {
	a = math.Mod(a, turn)
	switch {
	case a > math.Pi:
		return a - turn
	case a < -math.Pi:
		return a + turn
	}
	return a
}

// ahead brings an angle between zero and a whole turn.
func ahead(a float64) float64 {
	if a = math.Mod(a, turn); a < 0 {
		a += turn
	}
	return a
}
