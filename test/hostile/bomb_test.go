package hostile

import (
	"bytes"
	"context"
	"errors"
	"io"
	"runtime"
	"testing"
	"time"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zlib"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/codec"
	"github.com/umbel-go/umbel/internal/testenv"
	"github.com/umbel-go/umbel/protocol"
	"github.com/umbel-go/umbel/worker"
)

const (
	bombSize = 1 << 30
	limit    = 8 << 20
)

// TestABombIsRefusedInBoundedMemory: a message of which a gibibyte comes when it is unpacked goes through RabbitMQ to a
// worker that unpacks eight mebibytes at most. Both protocols: version 1 is unpacked before it is known what it is.
func TestABombIsRefusedInBoundedMemory(t *testing.T) {
	app := newApp(t, umbel.Config{BrokerURL: []string{testenv.RabbitMQ(t).URL()}, ResultBackend: "memory://bombs", AcceptDecompressedBytes: limit})
	bombs := umbel.Register(app, "hostile.bomb", func(context.Context, umbel.Args) (int, error) { return 1, nil })
	b, err := app.Broker(deadline(t))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := bombs.Send(deadline(t), nil); err != nil { // declares the queue
		t.Fatal(err)
	}
	w, stop := start(t, app, worker.Config{Concurrency: 1})
	for _, name := range []string{"gzip", "bzip2", "xz", "zstd", "brotli"} {
		t.Run(name, func(t *testing.T) {
			mime, packed := bombOf(t, name)
			env, err := protocol.EncodeTask(&protocol.Task{ID: "bomb-" + name, Name: "hostile.bomb"}, nil, protocol.EncodeOptions{Now: time.Now()})
			if err != nil {
				t.Fatal(err)
			}
			env.Headers["compression"], env.Body = mime, packed
			old := broker.Message{RoutingKey: "celery"} // protocol 1
			old.Properties = env.Properties
			old.Headers = protocol.Table{"compression": mime}
			old.Body = packed
			rejected := w.Stats().Rejected
			spent := allocated(func() {
				for _, m := range []*broker.Message{{Envelope: *env, RoutingKey: "celery"}, &old} {
					if err := b.Publish(deadline(t), m); err != nil {
						t.Fatal(err)
					}
				}
				err = app.Result("bomb-"+name).Get(deadline(t), nil)
				testenv.Await(t, "two refusals", func() bool { return w.Stats().Rejected == rejected+2 }, nil)
			})
			var failed *umbel.TaskError
			if !errors.As(err, &failed) || failed.Type != "DecodeError" {
				t.Errorf("the task ended with %v, want a DecodeError", err)
			}
			t.Logf("%d bytes, a gibibyte unpacked: %d KiB allocated for both, %v", len(packed), spent>>10, err)
			// For each: the limit and its doublings, the largest window a format may ask for, the message itself on its way.
			if spent > 2*64<<20 {
				t.Errorf("refusing it took %d MiB", spent>>20)
			}
		})
	}
	r, err := bombs.Send(deadline(t), umbel.Args{1})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Get(deadline(t)); err != nil {
		t.Errorf("after the bombs: %v", err)
	}
	stop()
}

// bombOf packs a gibibyte of zeros. Packing them all takes long, so one packed mebibyte is repeated: whole streams where
// the format lets them follow each other, else what the writer gives between two flushes.
func bombOf(t *testing.T, name string) (mime string, packed []byte) {
	t.Helper()
	zeros := make([]byte, 1<<20)
	mime, one, err := codec.Compress(name, zeros)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	var w interface {
		io.Writer
		Flush() error
	}
	switch name {
	case "gzip":
		w = zlib.NewWriter(&b)
	case "brotli":
		w = brotli.NewWriterOptions(&b, brotli.WriterOptions{Quality: 1, LGWin: 24})
	default:
		return mime, bytes.Repeat(one, bombSize>>20)
	}
	var ends []int
	for range 4 {
		if _, err := w.Write(zeros); err != nil {
			t.Fatal(err)
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		ends = append(ends, b.Len())
	}
	body := b.Bytes()
	return mime, append(bytes.Clone(body), bytes.Repeat(body[ends[2]:], bombSize>>20-4)...)
}

// allocated is how many bytes the process allocates while f runs, freed or not: no less than its memory grows by.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}
