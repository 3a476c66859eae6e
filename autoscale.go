package umbel

import (
	"fmt"
	"strconv"
	"strings"
)

// Autoscale reads WorkerAutoscale: the largest and the smallest number of tasks at once, both 0 for none. As in Celery the
// order does not matter, and one number is the largest, beside 0.
func (c Config) Autoscale() (most, least int, err error) {
	if c.WorkerAutoscale == "" {
		return 0, 0, nil
	}
	first, second, two := strings.Cut(c.WorkerAutoscale, ",")
	if most, err = strconv.Atoi(strings.TrimSpace(first)); err == nil && two {
		least, err = strconv.Atoi(strings.TrimSpace(second))
	}
	if most < least {
		most, least = least, most
	}
	if err != nil || most < 1 || least < 0 {
		return 0, 0, fmt.Errorf("%q is no range: want MAX,MIN, such as 10,3", c.WorkerAutoscale)
	}
	return most, least, nil
}
