package cloudwatch

import (
	"context"
	"math"
	"strings"
	"time"
)

// Units, in CloudWatch's words.
const (
	Count          = "Count"
	Bytes          = "Bytes"
	Seconds        = "Seconds"
	CountPerSecond = "Count/Second"
)

// A Dimension is one name and value.
type Dimension struct{ Name, Value string }

// A Datum is one metric at one moment: a value, or several with how often each came.
type Datum struct {
	Name       string
	Unit       string
	Dimensions []Dimension
	Time       time.Time
	Value      float64
	Values     []float64 // in place of Value
	Counts     []float64
}

// A Sink takes what was collected.
type Sink interface {
	Put(ctx context.Context, namespace string, data []Datum) error
}

// Limits of CloudWatch.
const (
	dimensionsMost = 30
	nameMost       = 255
	valueMost      = 1024
	valuesMost     = 150
)

// tame makes a dimension's value one that CloudWatch takes: ASCII, not empty, not too long, no colon in front.
func tame(v string) string {
	v = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, v)
	if strings.TrimSpace(v) == "" {
		return "-"
	}
	if v[0] == ':' {
		v = "." + v[1:]
	}
	return v[:min(len(v), valueMost)]
}

// sound reports whether CloudWatch takes a number: it refuses what is no number, infinite, or nearly so.
func sound(v float64) bool {
	return !math.IsNaN(v) && math.Abs(v) < 1e108 && (v == 0 || math.Abs(v) > 1e-108)
}
