package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"sync/atomic"
	"syscall"
	"time"
)

// A brief tells a contender what to do.
type brief struct {
	name        string
	n           int // tasks
	concurrency int
	prefetch    int
	amqp        string // URL
	redis       string // host:port
	results     string // URL of the result store; "disabled": none
	queue       string
	dir         string // for files
	profile     string
	rate        int // tasks a second at most; 0: as many as it can
}

func (b *brief) bind(f *flag.FlagSet) {
	f.IntVar(&b.n, "n", 0, "")
	f.IntVar(&b.concurrency, "concurrency", 0, "")
	f.IntVar(&b.prefetch, "prefetch", 0, "")
	f.StringVar(&b.amqp, "amqp", "", "")
	f.StringVar(&b.redis, "redis", "", "")
	f.StringVar(&b.results, "results", "disabled", "")
	f.StringVar(&b.queue, "queue", "", "")
	f.StringVar(&b.dir, "dir", "", "")
	f.StringVar(&b.profile, "profile", "", "")
	f.IntVar(&b.rate, "rate", 0, "")
}

func (b *brief) args() []string {
	return []string{"contend", b.name, "-n", fmt.Sprint(b.n), "-concurrency", fmt.Sprint(b.concurrency), "-prefetch", fmt.Sprint(b.prefetch),
		"-amqp", b.amqp, "-redis", b.redis, "-results", b.results, "-queue", b.queue, "-dir", b.dir, "-profile", b.profile, "-rate", fmt.Sprint(b.rate)}
}

// contenders by name. Each runs until its tasks are done and ctx is cancelled.
var contenders = map[string]func(ctx context.Context, b *brief, t *tally) error{
	"bare-work":       bareWork,
	"umbel-work":      umbelWork,
	"asynq-work":      asynqWork,
	"machinery":       machineryWork,
	"bare-send":       bareSend,
	"bare-window":     bareWindow,
	"umbel-send":      umbelSend,
	"umbel-latency":   umbelLatency,
	"umbel-sqlite":    umbelSQLite,
	"umbel-waiting":   umbelWaiting,
	"umbel-told":      umbelTold,
	"umbel-workflows": umbelWorkflows,
	"umbel-beat":      umbelBeat,
	"umbel-fleet":     umbelFleet,
}

func contend(name string, args []string) error {
	run := contenders[name]
	if run == nil {
		return fmt.Errorf("no such contender")
	}
	b := &brief{name: name}
	f := flag.NewFlagSet(name, flag.ContinueOnError)
	b.bind(f)
	if err := f.Parse(args); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	t := &tally{target: int64(b.n), profile: b.profile, name: name}
	if b.results != "disabled" {
		t.name += "-results"
	}
	return run(ctx, b, t)
}

// A tally counts tasks as they start and tells the runner of the first and the last.
type tally struct {
	target  int64
	count   atomic.Int64
	name    string
	profile string // folder, "" for none
}

// one counts a task.
func (t *tally) one() {
	switch t.count.Add(1) {
	case 1:
		t.first()
	case t.target:
		t.last()
	}
}

func (t *tally) first() {
	say("first", float64(time.Now().UnixNano()))
	if t.profile == "" {
		return
	}
	runtime.MemProfileRate = 16 << 10
	f, err := os.Create(filepath.Join(t.profile, t.name+".cpu"))
	if err == nil {
		err = pprof.StartCPUProfile(f)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
}

func (t *tally) last() {
	say("last", float64(time.Now().UnixNano()))
	if t.profile == "" {
		return
	}
	pprof.StopCPUProfile()
	runtime.GC() // the profile tells of what lived then, too
	f, err := os.Create(filepath.Join(t.profile, t.name+".allocs"))
	if err == nil {
		err = pprof.Lookup("allocs").WriteTo(f, 0)
		f.Close()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
}

func say(name string, value float64) { fmt.Printf("mark %s %.0f\n", name, value) }
