package history

import (
	"math"
	"strconv"
	"strings"
)

// spreadFrom is the upper bound of the first class of a Spread, in seconds, and spreadStep the ratio from one to the next:
// its classes reach from 100 µs to a day, and a percentile is within a tenth of the truth.
const (
	spreadFrom    = 1e-4
	spreadClasses = 120
)

var spreadStep = math.Pow(2, 0.25)

// A Spread is how values are distributed: a histogram whose classes grow by a fixed ratio.
type Spread struct{ n [spreadClasses]uint32 }

// Add counts a value in seconds.
func (s *Spread) Add(v float64) {
	i := 0
	if v > spreadFrom {
		i = min(int(math.Ceil(math.Log(v/spreadFrom)/math.Log(spreadStep))), spreadClasses-1)
	}
	s.n[i]++
}

// Merge adds the counts of another one.
func (s *Spread) Merge(o *Spread) {
	for i := range s.n {
		s.n[i] += o.n[i]
	}
}

// Count is how many values were added.
func (s *Spread) Count() (n int64) {
	for _, c := range s.n {
		n += int64(c)
	}
	return n
}

// Quantile is the value that a share q of all values does not exceed, in seconds; 0 when there are none.
func (s *Spread) Quantile(q float64) float64 {
	all := s.Count()
	if all == 0 {
		return 0
	}
	want, seen := int64(math.Ceil(q*float64(all))), int64(0)
	for i, c := range s.n {
		if seen += int64(c); seen >= want && c > 0 {
			upper := spreadFrom * math.Pow(spreadStep, float64(i))
			return upper / math.Sqrt(spreadStep) // the middle of the class
		}
	}
	return 0
}

// String is the form in which a spread is stored: "class:count …".
func (s *Spread) String() string {
	var b strings.Builder
	for i, c := range s.n {
		if c > 0 {
			if b.Len() > 0 {
				b.WriteByte(' ')
			}
			b.WriteString(strconv.Itoa(i) + ":" + strconv.FormatUint(uint64(c), 10))
		}
	}
	return b.String()
}

func parseSpread(text string) *Spread {
	s := new(Spread)
	for part := range strings.FieldsSeq(text) {
		class, count, _ := strings.Cut(part, ":")
		i, err := strconv.Atoi(class)
		n, err2 := strconv.ParseUint(count, 10, 32)
		if err == nil && err2 == nil && i >= 0 && i < spreadClasses {
			s.n[i] += uint32(n)
		}
	}
	return s
}
