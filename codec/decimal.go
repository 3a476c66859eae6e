package codec

import (
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
)

// A Decimal is the text of Python's decimal.Decimal: "1.50", "-3E+2", "NaN". Its digits are kept as they came; give it to
// the decimal library of your choice. The zero Decimal is no number: it is written as null.
type Decimal string

// Float is the nearest float64, infinite beyond its range.
func (d Decimal) Float() (float64, error) {
	if !d.valid() {
		return 0, fmt.Errorf("read decimal %q: not a number", clip(string(d)))
	}
	s := strings.ToLower(string(d))
	if strings.Contains(s, "nan") {
		return math.NaN(), nil
	}
	f, _ := strconv.ParseFloat(s, 64) // out of range gives the infinity wanted here
	return f, nil
}

// integer is the whole number d stands for; false when it has a fraction or is absurdly long.
func (d Decimal) integer() (*big.Int, bool) {
	s := string(d)
	if !d.valid() || strings.ContainsAny(s, "nNiI") { // NaN, Infinity
		return nil, false
	}
	mantissa, exponent := s, 0
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		e, err := strconv.Atoi(s[i+1:])
		if err != nil {
			return nil, false
		}
		mantissa, exponent = s[:i], e
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	digits := whole + fraction
	exponent -= len(fraction)
	for exponent < 0 && strings.HasSuffix(digits, "0") {
		digits, exponent = digits[:len(digits)-1], exponent+1
	}
	if strings.Trim(digits, "+-0") == "" {
		return new(big.Int), true
	}
	if exponent < 0 || exponent > maxDigits || len(digits)+exponent > maxDigits {
		return nil, false
	}
	return new(big.Int).SetString(digits+strings.Repeat("0", exponent), 10)
}

// valid follows the grammar of Python's decimal constructor, without underscores.
func (d Decimal) valid() bool {
	s := string(d)
	if s != "" && (s[0] == '+' || s[0] == '-') {
		s = s[1:]
	}
	lower := strings.ToLower(s)
	switch lower {
	case "inf", "infinity":
		return true
	}
	if rest, ok := strings.CutPrefix(strings.TrimPrefix(lower, "s"), "nan"); ok {
		return strings.Trim(rest, "0123456789") == ""
	}
	mantissa, exponent, hasExponent := strings.Cut(lower, "e")
	if hasExponent {
		if exponent != "" && (exponent[0] == '+' || exponent[0] == '-') {
			exponent = exponent[1:]
		}
		if exponent == "" || strings.Trim(exponent, "0123456789") != "" {
			return false
		}
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	return whole+fraction != "" && strings.Trim(whole+fraction, "0123456789") == ""
}
