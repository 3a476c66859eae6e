package redis

// Records under keys of our own, which Celery does not know:
//
//	umbel-book-<book>  hash of name → "<unix milliseconds> <value>"; lives as long as its longest record

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/rueidis"

	"github.com/umbel-go/umbel/backend"
)

var _ backend.Ledger = (*Backend)(nil)

func (b *Backend) bookKey(book string) string { return b.settings.prefix + "umbel-book-" + book }

// recordsAtOnce is how many records one command writes: Redis serves nobody else meanwhile.
const recordsAtOnce = 500

// Record: see backend.Ledger. What is too much is dropped afterwards, by whoever wrote last.
func (b *Backend) Record(ctx context.Context, book string, records []backend.Record, most int) error {
	key := b.bookKey(book)
	for some := range slices.Chunk(records, recordsAtOnce) {
		err := b.do(ctx, func(ctx context.Context) error {
			set := b.client.B().Hset().Key(key).FieldValue()
			last := time.Time{}
			for _, r := range some {
				set = set.FieldValue(r.Name, strconv.FormatInt(r.Expires.UnixMilli(), 10)+" "+r.Value)
				if r.Expires.After(last) {
					last = r.Expires
				}
			}
			until := strconv.FormatInt(last.UnixMilli()+1000, 10)
			for _, r := range b.client.DoMulti(ctx, set.Build(), b.client.B().Arbitrary("EVAL").Args(prolongScript, "1").Keys(key).Args(until).Build()) {
				if err := r.Error(); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return b.bookError(ctx, "write into", book, err)
		}
	}
	var n int64
	err := b.do(ctx, func(ctx context.Context) (err error) {
		n, err = b.client.Do(ctx, b.client.B().Hlen().Key(key).Build()).AsInt64()
		return err
	})
	if err != nil || n <= int64(most) {
		return b.bookError(ctx, "write into", book, err)
	}
	all, gone, err := b.records(ctx, book)
	if err != nil {
		return err
	}
	for _, r := range all[:max(len(all)-most, 0)] {
		gone = append(gone, r.Name)
	}
	return b.Erase(ctx, book, gone)
}

// prolongScript lets a key live until then, unless it lives longer already.
const prolongScript = `local t = redis.call('PTTL', KEYS[1])
local now = redis.call('TIME')
local left = tonumber(ARGV[1]) - (tonumber(now[1]) * 1000 + math.floor(tonumber(now[2]) / 1000))
if left > t then redis.call('PEXPIRE', KEYS[1], left) end
return 1`

// Erase: see backend.Ledger.
func (b *Backend) Erase(ctx context.Context, book string, names []string) error {
	for some := range slices.Chunk(names, recordsAtOnce) {
		err := b.do(ctx, func(ctx context.Context) error {
			return b.client.Do(ctx, b.client.B().Hdel().Key(b.bookKey(book)).Field(some...).Build()).Error()
		})
		if err != nil {
			return b.bookError(ctx, "erase from", book, err)
		}
	}
	return nil
}

// Records: see backend.Ledger.
func (b *Backend) Records(ctx context.Context, book string) ([]backend.Record, error) {
	all, _, err := b.records(ctx, book)
	return all, err
}

// records are those that live, the first to expire first, and the names of those that do not.
func (b *Backend) records(ctx context.Context, book string) (all []backend.Record, gone []string, err error) {
	var fields map[string]string
	err = b.do(ctx, func(ctx context.Context) (err error) {
		fields, err = b.client.Do(ctx, b.client.B().Hgetall().Key(b.bookKey(book)).Build()).AsStrMap()
		return err
	})
	if err != nil && !rueidis.IsRedisNil(err) {
		return nil, nil, b.bookError(ctx, "read", book, err)
	}
	now := time.Now().UnixMilli()
	for name, text := range fields {
		until, value, _ := strings.Cut(text, " ")
		ms, err := strconv.ParseInt(until, 10, 64)
		if err != nil || ms <= now {
			gone = append(gone, name)
			continue
		}
		all = append(all, backend.Record{Name: name, Value: value, Expires: time.UnixMilli(ms)})
	}
	slices.SortFunc(all, func(a, b backend.Record) int {
		if c := a.Expires.Compare(b.Expires); c != 0 {
			return c
		}
		return strings.Compare(a.Name, b.Name)
	})
	return all, gone, nil
}

func (b *Backend) bookError(ctx context.Context, what, book string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s book %q in %s: %w", what, book, b.settings.endpoint.String(), b.settings.explain(b.reason(ctx, err)))
}
