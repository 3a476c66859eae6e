// Command bench measures Umbel beside a bare AMQP client, Python's Celery, asynq and machinery on this machine, and writes
// what it found into a page of the manual.
//
//	runner ──starts──► RabbitMQ, Redis (private, loopback, thrown away)
//	   │ fills a queue, then starts
//	   ▼
//	contender: a process of its own, this program again or Python ──"mark first", "mark last"──► runner reads its CPU
//
// It is a module of its own, so that nobody who builds Umbel compiles the others.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

func main() {
	if len(os.Args) > 2 && os.Args[1] == "contend" {
		if err := contend(os.Args[2], os.Args[3:]); err != nil {
			fmt.Fprintln(os.Stderr, os.Args[2]+":", err)
			os.Exit(1)
		}
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := measure(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1)
	}
}

// flags say how much is measured.
type flags struct {
	out     string
	rounds  int
	tasks   int
	celery  int
	sqlite  int
	waiting int
	latency int
	monitor int
	rate    int
	chord   int
	entries int
	fleet   int
	only    string
	profile string
	quick   bool
}

func parseFlags() (f flags, err error) {
	flag.StringVar(&f.out, "o", "", "write the figures into this `FILE`, between its two marker comments; default: print them")
	flag.IntVar(&f.rounds, "rounds", 5, "measure everything `N` times, in turn")
	flag.IntVar(&f.tasks, "tasks", 100_000, "`N` tasks for everyone but those below")
	flag.IntVar(&f.celery, "celery-tasks", 20_000, "`N` tasks for Celery, whose rate is the same for any number")
	flag.IntVar(&f.sqlite, "sqlite-tasks", 20_000, "`N` tasks on the embedded broker")
	flag.IntVar(&f.waiting, "waiting", 10_000, "`N` tasks that wait in handlers")
	flag.IntVar(&f.latency, "latency", 1_000, "`N` tasks sent one by one to an idle worker")
	flag.IntVar(&f.rate, "monitor-rate", 0, "`N` tasks a second at most while the monitor watches; 0: as many as the worker can")
	flag.IntVar(&f.monitor, "monitor-tasks", 50_000, "`N` tasks that the monitor watches; a million take about four minutes")
	flag.IntVar(&f.chord, "chord", 10_000, "`N` members of a chord")
	flag.IntVar(&f.entries, "entries", 100_000, "`N` entries of a schedule")
	flag.IntVar(&f.fleet, "fleet", 200, "`N` workers on one broker; a thousand take about three minutes")
	flag.StringVar(&f.only, "only", "", "measure only what has a name that begins with one of these, by `NAME,NAME`")
	flag.StringVar(&f.profile, "profile", "", "write CPU and allocation profiles of the Go contenders into this `DIR`, which costs them a few per cent")
	flag.BoolVar(&f.quick, "quick", false, "one round of a tenth: does it work at all?")
	flag.Parse()
	if flag.NArg() > 0 {
		return f, fmt.Errorf("unexpected argument %q", flag.Arg(0))
	}
	if f.out != "" && (f.only != "" || f.profile != "" || f.quick) {
		return f, fmt.Errorf("-o writes the page of the manual, which is for whole runs: leave out -only, -profile and -quick, or -o")
	}
	if f.quick {
		f.rounds = 1
		for _, n := range []*int{&f.tasks, &f.celery, &f.sqlite, &f.latency, &f.monitor, &f.chord, &f.entries, &f.fleet} {
			*n /= 10
		}
	}
	for _, n := range []int{f.rounds, f.tasks, f.celery, f.sqlite, f.waiting, f.latency, f.monitor, f.chord, f.entries, f.fleet} {
		if n < 1 || n > 10_000_000 {
			return f, fmt.Errorf("%d is out of range: want 1 to 10000000", n)
		}
	}
	return f, nil
}

// wants reports whether a contender was asked for.
func (f *flags) wants(name string) bool {
	if f.only == "" {
		return true
	}
	for part := range strings.SplitSeq(f.only, ",") {
		if strings.HasPrefix(name, part) {
			return true
		}
	}
	return false
}
