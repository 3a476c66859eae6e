package soak

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

var (
	minutes = flag.Float64("minutes", 0, "how long faults strike; 0: each kind once or twice")
	seed    = flag.Uint64("seed", 0, "repeat the plan of this seed; 0: a new one")
	keep    = flag.String("keep", "", "an empty folder in which the ledger and all logs are left")
)

// underRace is set in binaries of the race detector. The lab is left out of its run: what it tries is what processes and
// servers do to each other, which shares no memory; the kill points run there as well.
var underRace bool

// heartbeat is short, so that a silent connection is found out within a run.
const heartbeat = 10 * time.Second

// verdicts are those of the runs; their sum is printed when all else has been said.
var verdicts tally

type tally struct {
	mu  sync.Mutex // guards what follows
	n   int
	sum verdict
}

func (t *tally) add(v verdict) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.n++
	t.sum = t.sum.plus(v)
}

func TestMain(m *testing.M) {
	play()
	flag.Parse()
	if f := flag.Lookup("test.parallel"); f.Value.String() == fmt.Sprint(runtime.GOMAXPROCS(0)) {
		_ = f.Value.Set("8") // crossings wait for processes and do not compute
	}
	code := m.Run()
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, "goleak:", err)
			code = 1
		}
	}
	if verdicts.n > 0 {
		fmt.Println(verdicts.sum)
	}
	os.Exit(code)
}
