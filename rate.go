package umbel

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/umbel-go/umbel/internal/setting"
)

// A Rate is how often something may happen, per second; 0 is as often as it likes.
type Rate float64

// A RateScope says whose starts a rate limit counts.
type RateScope = setting.RateScope

const (
	PerWorker RateScope = "worker"  // each worker's by itself: N workers start N times as many. The default, and Celery's only one
	Cluster   RateScope = "cluster" // those of all workers together, which take turns at the result store
)

// rateKeyHeader is the custom header that divides a task's rate limit.
const rateKeyHeader = "umbel_rate_key"

// RateKey makes the task's rate limit hold for each key by itself, such as a customer's number: one customer's thousand tasks
// do not make another's wait. Celery's clients say it by headers={"umbel_rate_key": …}.
func RateKey(key string) SendOption { return Header(rateKeyHeader, key) }

// ParseRate reads "10/s", "100/m", "1000/h" or a number per second; "" and 0 are no limit. Celery: rate_limit.
func ParseRate(text string) (Rate, error) {
	if text == "" {
		return 0, nil
	}
	count, unit, _ := strings.Cut(text, "/")
	n, err := strconv.ParseFloat(strings.TrimSpace(count), 64)
	if err != nil || !(n >= 0 && n <= 1e9) {
		return 0, fmt.Errorf("rate %q: want a number of tasks per second, or with /s, /m or /h, such as 100/m", text)
	}
	switch strings.TrimSpace(unit) {
	case "", "s":
		return Rate(n), nil
	case "m":
		return Rate(n / 60), nil
	case "h":
		return Rate(n / 3600), nil
	}
	return 0, fmt.Errorf("rate %q: unknown unit %q: want s, m or h", text, unit)
}

// String is the rate as ParseRate reads it, per second, minute or hour, whichever is the roundest; "" is no limit.
func (r Rate) String() string {
	if r <= 0 {
		return ""
	}
	for _, unit := range []struct {
		name    string
		seconds float64
	}{{"s", 1}, {"m", 60}, {"h", 3600}} {
		n := float64(r) * unit.seconds
		if whole := math.Round(n); whole >= 1 && math.Abs(n-whole) < 1e-9*n {
			return strconv.FormatFloat(whole, 'f', -1, 64) + "/" + unit.name
		}
	}
	return strconv.FormatFloat(float64(r), 'g', 6, 64) + "/s"
}

// Interval is the time between two tasks at this rate, 0 without limit.
func (r Rate) Interval() time.Duration {
	if r <= 0 {
		return 0
	}
	return time.Duration(float64(time.Second) / float64(r))
}

// RateKey is the key within which the task's rate limit holds; ok is false when the message names none.
func (r *Request) RateKey() (key string, ok bool) {
	if r.task == nil {
		return "", false
	}
	switch v := r.task.Headers[rateKeyHeader].(type) {
	case nil:
		return "", false
	case string:
		return v, true
	default:
		return fmt.Sprint(v), true
	}
}
