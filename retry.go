package umbel

import (
	"errors"
	"math"
	"math/rand/v2"
	"reflect"
	"time"
)

// Retry is a task's policy for errors: a TaskOption. An error that the policy covers makes the worker send the same task
// again, with the same id, to run after a delay; when Max retries are used up the task fails with that error.
//
// With Backoff the n-th retry waits Backoff·2ⁿ (n from 0), at most BackoffMax, and with Jitter a random part of that.
// Celery: autoretry_for, max_retries, retry_backoff, retry_backoff_max, retry_jitter, default_retry_delay.
type Retry struct {
	// Max is how many times a task is retried. 0 is Celery's default of 3; NoLimit is no limit; NoRetries is none.
	Max int

	// Delay is the wait before each retry. With Backoff it is the least one: no retry comes sooner. (Celery forgets countdown
	// in retry_kwargs when there is a retry_backoff.) Defaults to 3 minutes, with Backoff to 0. Celery: default_retry_delay,
	// countdown.
	Delay time.Duration

	// Backoff is the first delay, doubled for each further retry. 0: Delay is used.
	Backoff time.Duration

	// BackoffMax caps the delay of Backoff. Defaults to 10 minutes.
	BackoffMax time.Duration

	// Jitter draws each delay between 0 and what Backoff gives, so that many failures do not come back at once.
	Jitter bool

	// On lists what to retry: an error matches by errors.Is, or by its type: OfType. Empty: every error. OnFunc, when set,
	// decides as well.
	On     []error
	OnFunc func(error) bool

	// Never lists what not to retry, over On.
	Never []error
}

// Values that stand for an absent bound.
const (
	// NoLimit is a number without bound: of retries, of prefetched messages.
	NoLimit = -1

	// NoRetries, as Retry.Max, retries nothing.
	NoRetries = math.MinInt
)

const (
	defaultMaxRetries = 3
	defaultRetryDelay = 3 * time.Minute
	defaultBackoffMax = 10 * time.Minute
)

func (r Retry) applyTask(t *taskOptions) { t.retry = &r }

// Covers reports whether the policy retries err.
func (r Retry) Covers(err error) bool {
	if r.Max == NoRetries {
		return false
	}
	var perm *permanentError
	if errors.As(err, &perm) {
		return false
	}
	var arg *ArgumentError
	if errors.As(err, &arg) {
		return false // the same arguments will not fit the next time either
	}
	for _, never := range r.Never {
		if matches(err, never) {
			return false
		}
	}
	if len(r.On) == 0 && r.OnFunc == nil {
		return true
	}
	for _, on := range r.On {
		if matches(err, on) {
			return true
		}
	}
	return r.OnFunc != nil && r.OnFunc(err)
}

// OfType is an entry of Retry.On, Retry.Never or Expected that stands for every error of a type, as errors.As finds it:
// umbel.OfType[*net.OpError](). Celery: a class of exceptions in autoretry_for.
func OfType[T error]() error { return anyOf[T]{} }

type anyOf[T error] struct{}

func (anyOf[T]) Error() string { return "any error of type " + reflect.TypeFor[T]().String() }

func (anyOf[T]) matches(err error) bool {
	var t T
	return errors.As(err, &t)
}

// matches reports whether err is what is listed: itself, or one of its type.
func matches(err, listed error) bool {
	if of, is := listed.(interface{ matches(error) bool }); is {
		return of.matches(err)
	}
	return errors.Is(err, listed)
}

// Left reports whether one more retry is allowed after the given number of them.
func (r *Retry) Left(retries int) bool {
	limit := defaultMaxRetries
	if r != nil && r.Max != 0 {
		limit = r.Max
	}
	switch limit {
	case NoLimit:
		return true
	case NoRetries:
		return false
	}
	return retries < limit
}

// DelayFor is how long to wait before the retry that follows the given number of them.
func (r *Retry) DelayFor(retries int) time.Duration {
	if r == nil {
		return defaultRetryDelay
	}
	if r.Backoff <= 0 {
		if r.Delay > 0 {
			return r.Delay
		}
		return defaultRetryDelay
	}
	limit := r.BackoffMax
	if limit <= 0 {
		limit = defaultBackoffMax
	}
	d := limit
	if f := float64(r.Backoff) * math.Pow(2, float64(retries)); f < float64(limit) {
		d = time.Duration(f)
	}
	if r.Jitter {
		d = rand.N(d + 1)
	}
	return max(d, r.Delay)
}
