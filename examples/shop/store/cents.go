package store

import "fmt"

// Cents is an amount of money: floating point cannot hold 0.10.
type Cents int64

// String is the amount in whole units: 12.34.
func (c Cents) String() string {
	sign := ""
	if c < 0 {
		sign, c = "-", -c
	}
	return fmt.Sprintf("%s%d.%02d", sign, c/100, c%100)
}
