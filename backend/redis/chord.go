package redis

// Chords and saved groups, under Celery's keys and in its form, so that the parts of one chord may end in Go and in Python:
//
//	celery-taskset-meta-<group>.s  number of parts that complete it
//	celery-taskset-meta-<group>.t  number of parts added since
//	celery-taskset-meta-<group>.j  sorted set of "[1, task id, state, result]" by index, +inf without one
//	celery-taskset-meta-<group>.l  task that recorded the last part: ours, see recordScript
//	celery-taskset-meta-<group>    a saved group
//
// Celery: celery/backends/redis.py, on_chord_part_return.

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"

	"github.com/redis/rueidis"

	"github.com/umbel-go/umbel/backend"
	"github.com/umbel-go/umbel/codec"
	"github.com/umbel-go/umbel/protocol"
)

var _ backend.Chords = (*Backend)(nil)

// groupKey is Celery's prefix of groups.
const groupKey = "celery-taskset-meta-"

func (b *Backend) groupKey(id, part string) string { return b.settings.prefix + groupKey + id + part }

// recordScript adds a part and reports whether the chord is complete by it. Celery does this in a transaction and compares
// the count, so that a part that is delivered again while the chord is being joined joins it a second time. Here only the
// task that made the count complete is told so, as often as it asks: its message is delivered again when its worker died.
//
//	KEYS  .j .t .s .l
//	ARGV  score, part, task id, seconds to live or 0
const recordScript = `local j, t, s, l = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local new = redis.call('ZADD', j, ARGV[1], ARGV[2])
local n = redis.call('ZCOUNT', j, '-inf', '+inf')
local added, size = redis.call('GET', t), redis.call('GET', s)
local done = 0
if size and n == tonumber(size) + tonumber(added or '0') then
  if new == 1 then
    redis.call('SET', l, ARGV[3])
    done = 1
  elseif redis.call('GET', l) == ARGV[3] then
    done = 1
  end
end
if ARGV[4] ~= '0' then
  redis.call('EXPIRE', j, ARGV[4])
  redis.call('EXPIRE', t, ARGV[4])
  redis.call('EXPIRE', s, ARGV[4])
  redis.call('EXPIRE', l, ARGV[4])
end
return done`

var record = rueidis.NewLuaScript(recordScript)

// ExpectParts: see backend.Chords.
func (b *Backend) ExpectParts(ctx context.Context, group string, parts int) error {
	key, size := b.groupKey(group, ".s"), strconv.Itoa(parts)
	return b.chord(ctx, "begin", group, func(ctx context.Context) error {
		set := b.client.B().Set().Key(key).Value(size).Build()
		if b.settings.expires > 0 {
			set = b.client.B().Setex().Key(key).Seconds(b.settings.expires).Value(size).Build()
		}
		return b.all(ctx, set, b.client.B().Publish().Channel(key).Message(size).Build())
	})
}

// AddParts: see backend.Chords.
func (b *Backend) AddParts(ctx context.Context, group string, parts int) error {
	key := b.groupKey(group, ".t")
	// Not repeated when the answer is lost: the count may have been raised already.
	err := b.once(ctx, func(ctx context.Context) error {
		commands := []rueidis.Completed{b.client.B().Incrby().Key(key).Increment(int64(parts)).Build()}
		if b.settings.expires > 0 {
			commands = append(commands, b.client.B().Expire().Key(key).Seconds(b.settings.expires).Build())
		}
		return b.all(ctx, commands...)
	})
	if err != nil {
		return fmt.Errorf("add to chord %q in %s: %w", group, b.settings.endpoint.String(), b.settings.explain(b.reason(ctx, err)))
	}
	return nil
}

// RecordPart: see backend.Chords.
func (b *Backend) RecordPart(ctx context.Context, p backend.ChordPart) (complete bool, err error) {
	part, err := b.encodePart(p)
	if err != nil {
		return false, fmt.Errorf("record part %q of chord %q: %w", p.TaskID, p.Group, err)
	}
	score := "+inf"
	if p.HasIndex {
		score = strconv.Itoa(p.Index)
	}
	keys := []string{b.groupKey(p.Group, ".j"), b.groupKey(p.Group, ".t"), b.groupKey(p.Group, ".s"), b.groupKey(p.Group, ".l")}
	args := []string{score, string(part), p.TaskID, strconv.FormatInt(b.settings.expires, 10)}
	err = b.chord(ctx, "record a part of", p.Group, func(ctx context.Context) error {
		done, err := record.Exec(ctx, b.client, keys, args).AsInt64()
		complete = done == 1
		return err
	})
	return complete, err
}

// encodePart writes a part as Celery does, with result_serializer.
func (b *Backend) encodePart(p backend.ChordPart) ([]byte, error) {
	list := []any{1, p.TaskID, string(p.State), p.Result}
	if b.serializer != "json" {
		v, err := p.Result.Any()
		if err != nil {
			return nil, err
		}
		list[3] = v
	}
	e, err := codec.Marshal(b.serializer, list)
	return e.Body, err
}

func (b *Backend) decodePart(group, text string) (backend.ChordPart, error) {
	p := backend.ChordPart{Group: group}
	v, err := b.decodeValue(text)
	if err != nil {
		return p, err
	}
	items, err := listOf(v)
	if err != nil || len(items) != 4 {
		return p, fmt.Errorf("a part of chord %q should be [1, task id, state, result]: %v", group, err)
	}
	if err := items[1].Decode(&p.TaskID); err != nil {
		return p, err
	}
	if err := items[2].Decode(&p.State); err != nil {
		return p, err
	}
	p.Result = items[3]
	return p, nil
}

func (b *Backend) decodeValue(text string) (codec.Value, error) {
	if err := b.accept.Check(b.contentType); err != nil {
		return codec.Value{}, fmt.Errorf("%w: see result_accept_content", err)
	}
	return codec.UnmarshalValue(b.contentType, b.encoding, []byte(text))
}

func listOf(v codec.Value) ([]codec.Value, error) {
	if raw := v.Raw(); raw != nil {
		return codec.SplitArray(raw)
	}
	x, err := v.Any()
	list, ok := x.([]any)
	if err != nil || !ok {
		return nil, errors.Join(err, fmt.Errorf("want a list, got %T", x))
	}
	out := make([]codec.Value, len(list))
	for i := range list {
		out[i] = codec.Of(list[i])
	}
	return out, nil
}

// partsTogether is how many parts one command reads.
const partsTogether = 500

// ChordParts: see backend.Chords. The parts are read some hundreds at a time.
func (b *Backend) ChordParts(ctx context.Context, group string, each func(backend.ChordPart) error) error {
	for from := int64(0); ; from += partsTogether {
		var texts []rueidis.ZScore
		err := b.chord(ctx, "read", group, func(ctx context.Context) (err error) {
			texts, err = b.client.Do(ctx, b.client.B().Zrange().Key(b.groupKey(group, ".j")).
				Min(strconv.FormatInt(from, 10)).Max(strconv.FormatInt(from+partsTogether-1, 10)).Withscores().Build()).AsZScores()
			return err
		})
		if err != nil {
			return err
		}
		for _, z := range texts {
			p, err := b.decodePart(group, z.Member)
			if err != nil {
				return fmt.Errorf("read chord %q: %w", group, err)
			}
			if !math.IsInf(z.Score, 0) {
				p.Index, p.HasIndex = int(z.Score), true
			}
			if err := each(p); err != nil {
				return err
			}
		}
		if len(texts) < partsTogether {
			return nil
		}
	}
}

// ForgetChord: see backend.Chords.
func (b *Backend) ForgetChord(ctx context.Context, group string) error {
	return b.chord(ctx, "forget", group, func(ctx context.Context) error {
		return b.client.Do(ctx, b.client.B().Del().Key(b.groupKey(group, ".j"), b.groupKey(group, ".t"), b.groupKey(group, ".s"),
			b.groupKey(group, ".l")).Build()).Error()
	})
}

// SaveGroup: see backend.Chords.
func (b *Backend) SaveGroup(ctx context.Context, t protocol.ResultTuple) error {
	text, err := t.AppendJSON(nil)
	var e codec.Encoded
	if err == nil {
		var v any
		if v, err = codec.JSON(text).Any(); err == nil {
			e, err = codec.Marshal(b.serializer, map[string]any{"result": v})
		}
	}
	if err != nil {
		return fmt.Errorf("save group %q: %w", t.ID, err)
	}
	key := b.groupKey(t.ID, "")
	return b.chord(ctx, "save group of", t.ID, func(ctx context.Context) error {
		set := b.client.B().Set().Key(key).Value(string(e.Body)).Build()
		if b.settings.expires > 0 {
			set = b.client.B().Setex().Key(key).Seconds(b.settings.expires).Value(string(e.Body)).Build()
		}
		return b.all(ctx, set, b.client.B().Publish().Channel(key).Message(string(e.Body)).Build())
	})
}

// LoadGroup: see backend.Chords.
func (b *Backend) LoadGroup(ctx context.Context, id string) (protocol.ResultTuple, error) {
	var t protocol.ResultTuple
	var text string
	err := b.chord(ctx, "read group of", id, func(ctx context.Context) (err error) {
		text, err = b.client.Do(ctx, b.client.B().Get().Key(b.groupKey(id, "")).Build()).ToString()
		return err
	})
	if rueidis.IsRedisNil(err) {
		return t, fmt.Errorf("group %q: %w", id, backend.ErrNotFound)
	}
	if err != nil {
		return t, err
	}
	v, err := b.decodeValue(text)
	if err == nil {
		var saved struct {
			Result codec.Value `json:"result"`
		}
		if err = v.Decode(&saved); err == nil {
			t, err = protocol.DecodeResultTuple(saved.Result)
		}
	}
	if err != nil {
		return t, fmt.Errorf("read group %q: %w", id, err)
	}
	return t, nil
}

// ForgetGroup: see backend.Chords.
func (b *Backend) ForgetGroup(ctx context.Context, id string) error {
	return b.chord(ctx, "forget group of", id, func(ctx context.Context) error {
		return b.client.Do(ctx, b.client.B().Del().Key(b.groupKey(id, "")).Build()).Error()
	})
}

// all sends commands in one round trip and returns the first error.
func (b *Backend) all(ctx context.Context, commands ...rueidis.Completed) error {
	for _, r := range b.client.DoMulti(ctx, commands...) {
		if err := r.Error(); err != nil {
			return err
		}
	}
	return nil
}

func (b *Backend) chord(ctx context.Context, what, group string, call func(context.Context) error) error {
	err := b.do(ctx, call)
	if err != nil && !rueidis.IsRedisNil(err) {
		return fmt.Errorf("%s chord %q in %s: %w", what, group, b.settings.endpoint.String(), err)
	}
	return err
}
