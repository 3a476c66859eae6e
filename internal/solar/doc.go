// Package solar says when the sun rises, culminates and sets. It reads no clock.
//
// The earth's place is that of the shortened VSOP87 series (to about an arc second, which is a fifteenth of a second of time),
// with nutation and aberration; observers stand at sea level, in a world without refraction but for the 34 minutes of arc
// that the horizon of sunrise and sunset has by convention.
//
// Sources: J. Meeus, Astronomical Algorithms, chapters 12, 22, 25 and 32; I. Reda and A. Andreas, Solar Position Algorithm
// (NREL/TP-560-34302). Celery asks the library ephem; both agree to a second.
package solar
