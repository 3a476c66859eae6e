package redis

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/umbel-go/umbel/backend"
	"github.com/umbel-go/umbel/internal/testenv"
	"github.com/umbel-go/umbel/protocol"
)

// Each document costs what is measured as ns/op, cpu-ns/op (CPU time of this process) and
// redis-cpu-ns/op (of the server).
//
//	go test -run '^$' -bench . -benchtime 20000x ./backend/redis

func BenchmarkStore(b *testing.B) {
	r := testenv.OwnRedis(b)
	store := dial(b, backend.Config{URL: r.URL()})
	for _, n := range []int{1, 64} {
		b.Run(fmt.Sprintf("goroutines=%d", n), func(b *testing.B) {
			spread(b, r, n, func(id string) error {
				errs := store.Store(context.Background(), []*protocol.Result{success(id)})
				if errs != nil {
					return errs[0]
				}
				return nil
			})
		})
	}
	b.Run("batches of 100", func(b *testing.B) {
		defer cpu(b, r)()
		b.ReportAllocs()
		batch := make([]*protocol.Result, 0, 100)
		flush := func() {
			if errs := store.Store(context.Background(), batch); errs != nil {
				b.Fatal(errs[0])
			}
			batch = batch[:0]
		}
		i := 0
		for b.Loop() {
			i++
			if batch = append(batch, success(strconv.Itoa(i))); len(batch) == cap(batch) {
				flush()
			}
		}
		flush()
	})
}

// BenchmarkBare is the least that Celery's protocol asks of a client: SETEX and PUBLISH, pipelined, without a look at
// what is there.
func BenchmarkBare(b *testing.B) {
	r := testenv.OwnRedis(b)
	store := dial(b, backend.Config{URL: r.URL()})
	c := store.client
	pair := func(dst rueidis.Commands, id string) rueidis.Commands {
		text, err := protocol.AppendResult(nil, success(id))
		if err != nil {
			b.Fatal(err)
		}
		key, doc := store.key(id), rueidis.BinaryString(text)
		return append(dst, c.B().Setex().Key(key).Seconds(86400).Value(doc).Build(), c.B().Publish().Channel(key).Message(doc).Build())
	}
	send := func(cmds rueidis.Commands) error {
		for _, r := range c.DoMulti(context.Background(), cmds...) {
			if err := r.Error(); err != nil {
				return err
			}
		}
		return nil
	}
	for _, n := range []int{1, 64} {
		b.Run(fmt.Sprintf("goroutines=%d", n), func(b *testing.B) {
			spread(b, r, n, func(id string) error { return send(pair(nil, id)) })
		})
	}
	b.Run("batches of 100", func(b *testing.B) {
		defer cpu(b, r)()
		b.ReportAllocs()
		var batch rueidis.Commands
		i := 0
		for b.Loop() {
			i++
			if batch = pair(batch, strconv.Itoa(i)); len(batch) == 200 {
				if err := send(batch); err != nil {
					b.Fatal(err)
				}
				batch = batch[:0]
			}
		}
		if err := send(batch); err != nil && len(batch) > 0 {
			b.Fatal(err)
		}
	})
}

// spread calls store from n goroutines.
func spread(b *testing.B, r *testenv.OwnRedisServer, n int, store func(id string) error) {
	defer cpu(b, r)()
	b.ReportAllocs()
	var next atomic.Int64
	todo, failed := make(chan struct{}, 1024), make(chan error, n)
	for range n {
		go func() {
			var err error
			for range todo {
				if err == nil {
					err = store(strconv.FormatInt(next.Add(1), 10))
				}
			}
			failed <- err
		}()
	}
	for b.Loop() {
		todo <- struct{}{}
	}
	close(todo)
	for range n {
		if err := <-failed; err != nil {
			b.Fatal(err)
		}
	}
}

// cpu reports the CPU time of this process and of Redis per operation.
func cpu(b *testing.B, r *testenv.OwnRedisServer) func() {
	r.Do("FLUSHALL") // or all were there already, and dropped
	ours, theirs := usage(), serverUsage(r)
	return func() {
		n := float64(max(1, b.N))
		b.ReportMetric(float64(usage()-ours)/n, "cpu-ns/op")
		b.ReportMetric(float64(serverUsage(r)-theirs)/n, "redis-cpu-ns/op")
	}
}

func usage() time.Duration {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func serverUsage(r *testenv.OwnRedisServer) time.Duration {
	var sum float64
	for line := range strings.Lines(r.Do("INFO", "cpu").(string)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		if name == "used_cpu_sys" || name == "used_cpu_user" {
			f, _ := strconv.ParseFloat(value, 64)
			sum += f
		}
	}
	return time.Duration(sum * float64(time.Second))
}
