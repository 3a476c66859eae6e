//go:build race

package soak

func init() { underRace = true }
