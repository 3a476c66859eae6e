package redis

import (
	"context"
	"fmt"
	"strconv"

	"github.com/redis/rueidis"

	"github.com/umbel-go/umbel/backend"
	"github.com/umbel-go/umbel/protocol"
)

const (
	// longestDocument is the longest string Redis takes.
	longestDocument = 512 << 20

	// A batch is split where its commands or bytes become many: other callers' commands go in between, and Redis
	// keeps the whole of what it has received in memory.
	batchCommands = 500
	batchBytes    = 16 << 20

	// A document of its size or more travels alone: a server that takes only smaller ones (proto-max-bulk-len) hangs up,
	// and takes what is sent together with it along.
	batchLargest = 1 << 20
)

// A write is one document on its way to Redis.
type write struct {
	at   int // index in what the caller gave
	id   string
	key  string
	text []byte

	final bool // somebody may wait for it
}

// Store writes and publishes documents in order, a batch in one round trip; a document whose task has succeeded already
// is dropped by Redis itself.
func (b *Backend) Store(ctx context.Context, docs []*protocol.Result) []error {
	var errs []error
	fail := func(i int, err error) {
		if errs == nil {
			errs = make([]error, len(docs))
		}
		errs[i] = fmt.Errorf("store result of task %q in %s: %w", docs[i].TaskID, b.settings.endpoint.String(), err)
	}
	writes := make([]write, 0, len(docs))
	for i, d := range docs {
		if b.isClosed() {
			fail(i, errClosed)
			continue
		}
		e, err := protocol.EncodeResult(d, b.serializer)
		if err == nil && len(e.Body) > longestDocument {
			err = fmt.Errorf("the document has %d bytes, and Redis takes %d: store it elsewhere and return where", len(e.Body), longestDocument)
		}
		if err != nil {
			fail(i, backend.Unstorable(err))
			continue
		}
		writes = append(writes, write{i, d.TaskID, b.key(d.TaskID), e.Body, d.Status.Ready()})
	}
	for len(writes) > 0 {
		n := batchLength(writes)
		b.storeBatch(ctx, writes[:n], fail)
		writes = writes[n:]
	}
	return errs
}

func batchLength(writes []write) int {
	bytes := 0
	for i, w := range writes {
		bytes += len(w.text)
		if i > 0 && (i == batchCommands || bytes > batchBytes || len(w.text) >= batchLargest) {
			return i
		}
		if len(w.text) >= batchLargest {
			return i + 1
		}
	}
	return len(writes)
}

// storeBatch repeats what failed in transit. A repetition begins at the first such write and includes those after it, so
// that the order of writes to one key stays; writing the same document twice changes nothing.
func (b *Backend) storeBatch(ctx context.Context, pending []write, fail func(int, error)) {
	tries := b.settings.retry.begin()
	load, loaded := false, false
	for {
		results := b.send(ctx, pending, load)
		first, cause := -1, error(nil)
		for i, r := range results {
			err := r.Error()
			if err == nil || !b.repeatable(ctx, err) {
				continue
			}
			first, cause = i, err
			break
		}
		settled := len(pending)
		if first >= 0 {
			settled = first
		}
		for i, r := range results[:settled] {
			if err := r.Error(); err != nil {
				fail(pending[i].at, b.settings.refusal(b.reason(ctx, err)))
			} else if heard, err := r.AsInt64(); err == nil && heard == 0 && pending[i].final {
				b.unheard.add(pending[i].key)
			}
		}
		if first < 0 {
			return
		}
		pending = pending[first:]
		if noScript(cause) && !loaded {
			load, loaded = true, true // a new server, or the first write ever: no reason to wait
			continue
		}
		load, loaded = noScript(cause), false
		b.mend(cause)
		if !tries.again(ctx, b.closing) {
			for _, w := range pending {
				fail(w.at, b.settings.explain(b.reason(ctx, cause)))
			}
			return
		}
	}
}

func (b *Backend) repeatable(ctx context.Context, err error) bool {
	return ctx.Err() == nil && !b.isClosed() && (noScript(err) || b.settings.transient(err))
}

// send makes one round trip.
func (b *Backend) send(ctx context.Context, writes []write, load bool) []rueidis.RedisResult {
	ctx, cancel := context.WithTimeout(ctx, b.settings.socketTimeout)
	defer cancel()
	commands := make(rueidis.Commands, 0, len(writes)+1)
	if load {
		commands = append(commands, b.client.B().ScriptLoad().Script(storeScript).Build())
	}
	expires := strconv.FormatInt(b.settings.expires, 10)
	for _, w := range writes {
		// The client does not keep the text beyond its answer, and nobody writes to it any more.
		commands = append(commands, b.client.B().Evalsha().Sha1(b.script).Numkeys(1).Key(w.key).Arg(expires, rueidis.BinaryString(w.text)).Build())
	}
	results := b.client.DoMulti(ctx, commands...)
	if load {
		results = results[1:]
	}
	return results
}
