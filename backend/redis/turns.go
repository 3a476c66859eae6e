package redis

// Turns of series, under keys of our own, which Celery does not know:
//
//	umbel-turns-<series>  unix microseconds of the next turn; expires with it

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/rueidis"

	"github.com/umbel-go/umbel/backend"
)

var _ backend.Pacer = (*Backend)(nil)

// KEYS series; ARGV microseconds of all turns together. Returns microseconds until the first.
var turns = rueidis.NewLuaScript(`local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
local first = tonumber(redis.call('GET', KEYS[1]) or '0')
if first < now then first = now end
local next = first + ARGV[1]
redis.call('SET', KEYS[1], string.format('%.0f', next), 'PX', string.format('%.0f', math.ceil((next - now) / 1000)))
return string.format('%.0f', first - now)`)

// Turns: see backend.Pacer.
func (b *Backend) Turns(ctx context.Context, series string, interval time.Duration, n int) (time.Duration, error) {
	span := max(interval*time.Duration(n), time.Millisecond)
	var wait int64
	err := b.do(ctx, func(ctx context.Context) error {
		text, err := turns.Exec(ctx, b.client, []string{b.settings.prefix + "umbel-turns-" + series},
			[]string{strconv.FormatInt(span.Microseconds(), 10)}).ToString()
		if err != nil {
			return err
		}
		wait, err = strconv.ParseInt(text, 10, 64)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("take turns of %q in %s: %w", series, b.settings.endpoint.String(), b.settings.explain(b.reason(ctx, err)))
	}
	return time.Duration(wait) * time.Microsecond, nil
}
