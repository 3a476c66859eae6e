package redis

// Schedules, in keys of our own:
//
//	celery-beat-<name>-lease     "<token> <holder>", expires with the lease
//	celery-beat-<name>-token     the last token that was given
//	celery-beat-<name>-entries   hash of records by name
//	celery-beat-<name>-states    the same
//	celery-beat-<name>-revision  number of writes of entries
//	celery-beat-tick-<task id>   message that claimed the id, expires
//
// A server that fails over to a replica which had not heard of the lease may give it twice; tokens and ticks are as safe as
// its last writes are.

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/rueidis"

	"github.com/umbel-go/umbel/backend"
)

var _ backend.Schedules = (*Backend)(nil)

func (b *Backend) beatKey(schedule, part string) string {
	return b.settings.prefix + "celery-beat-" + schedule + "-" + part
}

// KEYS lease, token; ARGV holder, milliseconds. Returns token, holder, milliseconds left.
var lead = rueidis.NewLuaScript(`local held = redis.call('GET', KEYS[1])
if held then
  local token, holder = string.match(held, '^(%d+) (.*)$')
  if holder == ARGV[1] then
    redis.call('PEXPIRE', KEYS[1], ARGV[2])
    return {token, holder, ARGV[2]}
  end
  return {token, holder, tostring(redis.call('PTTL', KEYS[1]))}
end
local token = redis.call('INCR', KEYS[2])
redis.call('SET', KEYS[1], token .. ' ' .. ARGV[1], 'PX', ARGV[2])
return {tostring(token), ARGV[1], ARGV[2]}`)

// KEYS lease; returns nothing, or as lead does.
var leader = rueidis.NewLuaScript(`local held = redis.call('GET', KEYS[1])
if not held then return {'0', '', '0'} end
local token, holder = string.match(held, '^(%d+) (.*)$')
return {token, holder, tostring(redis.call('PTTL', KEYS[1]))}`)

// KEYS lease; ARGV holder.
var resign = rueidis.NewLuaScript(`local held = redis.call('GET', KEYS[1])
if held and string.match(held, '^%d+ (.*)$') == ARGV[1] then redis.call('DEL', KEYS[1]) end
return 1`)

// KEYS lease, records, revision or ""; ARGV token or 0, number to set, name, value, …, names to remove, …
var writeRecords = rueidis.NewLuaScript(`if ARGV[1] ~= '0' then
  local held = redis.call('GET', KEYS[1])
  if not held or string.match(held, '^%d+') ~= ARGV[1] then return 0 end
end
local i = 3
for _ = 1, tonumber(ARGV[2]) do
  redis.call('HSET', KEYS[2], ARGV[i], ARGV[i + 1])
  i = i + 2
end
while i <= #ARGV do
  redis.call('HDEL', KEYS[2], ARGV[i])
  i = i + 1
end
if KEYS[3] then redis.call('INCR', KEYS[3]) end
return 1`)

// KEYS tick; ARGV message, milliseconds.
var claim = rueidis.NewLuaScript(`local first = redis.call('GET', KEYS[1])
if first then return first end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return ARGV[1]`)

func (b *Backend) schedule(ctx context.Context, what, schedule string, call func(context.Context) error) error {
	err := b.do(ctx, call)
	if err != nil && !rueidis.IsRedisNil(err) {
		return fmt.Errorf("%s schedule %q in %s: %w", what, schedule, b.settings.endpoint.String(), err)
	}
	return nil
}

func readLease(texts []string, err error) (l backend.Lease, _ error) {
	if err != nil {
		return l, err
	}
	if len(texts) != 3 {
		return l, fmt.Errorf("the lease has %d parts", len(texts))
	}
	token, err := strconv.ParseInt(texts[0], 10, 64)
	left, err2 := strconv.ParseInt(texts[2], 10, 64)
	return backend.Lease{Holder: texts[1], Token: token, Left: time.Duration(left) * time.Millisecond}, errors.Join(err, err2)
}

// Lead: see backend.Schedules.
func (b *Backend) Lead(ctx context.Context, schedule, holder string, ttl time.Duration) (l backend.Lease, err error) {
	err = b.schedule(ctx, "lead", schedule, func(ctx context.Context) (err error) {
		l, err = readLease(lead.Exec(ctx, b.client, []string{b.beatKey(schedule, "lease"), b.beatKey(schedule, "token")},
			[]string{holder, strconv.FormatInt(ttl.Milliseconds(), 10)}).AsStrSlice())
		return err
	})
	return l, err
}

// Leader: see backend.Schedules.
func (b *Backend) Leader(ctx context.Context, schedule string) (l backend.Lease, err error) {
	err = b.schedule(ctx, "read the leader of", schedule, func(ctx context.Context) (err error) {
		l, err = readLease(leader.Exec(ctx, b.client, []string{b.beatKey(schedule, "lease")}, nil).AsStrSlice())
		return err
	})
	return l, err
}

// Resign: see backend.Schedules.
func (b *Backend) Resign(ctx context.Context, schedule, holder string) error {
	return b.schedule(ctx, "resign from", schedule, func(ctx context.Context) error {
		return resign.Exec(ctx, b.client, []string{b.beatKey(schedule, "lease")}, []string{holder}).Error()
	})
}

// WriteSchedule: see backend.Schedules.
func (b *Backend) WriteSchedule(ctx context.Context, schedule string, kind backend.ScheduleKind, token int64, records map[string][]byte) error {
	keys := []string{b.beatKey(schedule, "lease"), b.beatKey(schedule, string(kind))}
	if kind == backend.ScheduleEntries {
		keys = append(keys, b.beatKey(schedule, "revision"))
	}
	args := []string{strconv.FormatInt(token, 10), ""}
	var gone []string
	for name, v := range records {
		if v == nil {
			gone = append(gone, name)
		} else {
			args = append(args, name, string(v))
		}
	}
	args[1] = strconv.Itoa(len(args)/2 - 1)
	return b.schedule(ctx, "write", schedule, func(ctx context.Context) error {
		done, err := writeRecords.Exec(ctx, b.client, keys, append(args, gone...)).AsInt64()
		if err == nil && done == 0 {
			return backend.ErrFenced
		}
		return err
	})
}

// ReadSchedule: see backend.Schedules.
func (b *Backend) ReadSchedule(ctx context.Context, schedule string, kind backend.ScheduleKind) (map[string][]byte, error) {
	records := make(map[string][]byte)
	err := b.schedule(ctx, "read", schedule, func(ctx context.Context) error {
		clear(records)
		cursor := uint64(0)
		for { // HGETALL of 100,000 would keep others waiting
			found, err := b.client.Do(ctx, b.client.B().Hscan().Key(b.beatKey(schedule, string(kind))).Cursor(cursor).Count(1000).Build()).AsScanEntry()
			if err != nil {
				return err
			}
			for i := 0; i+1 < len(found.Elements); i += 2 {
				records[found.Elements[i]] = []byte(found.Elements[i+1])
			}
			if cursor = found.Cursor; cursor == 0 {
				return nil
			}
		}
	})
	return records, err
}

// ScheduleRevision: see backend.Schedules.
func (b *Backend) ScheduleRevision(ctx context.Context, schedule string) (revision int64, err error) {
	err = b.schedule(ctx, "read the revision of", schedule, func(ctx context.Context) (err error) {
		revision, err = b.client.Do(ctx, b.client.B().Get().Key(b.beatKey(schedule, "revision")).Build()).AsInt64()
		return err
	})
	return revision, err
}

// ClaimTick: see backend.Schedules.
func (b *Backend) ClaimTick(ctx context.Context, id, message string, keep time.Duration) (first string, err error) {
	err = b.do(ctx, func(ctx context.Context) (err error) {
		first, err = claim.Exec(ctx, b.client, []string{b.settings.prefix + "celery-beat-tick-" + id},
			[]string{message, strconv.FormatInt(max(keep.Milliseconds(), 1), 10)}).ToString()
		return err
	})
	if err != nil {
		return "", fmt.Errorf("claim task %q in %s: %w", id, b.settings.endpoint.String(), err)
	}
	return first, nil
}
