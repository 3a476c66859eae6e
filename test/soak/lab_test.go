package soak

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/umbel-go/umbel"
)

// A lab is one run: a site, members on it, and the plan that strikes them.
type lab struct {
	t       *testing.T
	site    *site
	seed    uint64
	dir     string // of the ledger and the logs
	ledger  *ledger
	app     *umbel.App // to read results and queues; straight to the servers
	members []*member
	faults  int

	stop    chan struct{} // closed when pauses are to end
	rolling sync.Mutex    // held while nodes are restarted in turn
}

const (
	workers   = 3
	producers = 2
	rate      = 20 // tasks a second of each producer
	warmUp    = 60 // tasks before anything goes wrong
)

func newLab(t *testing.T, s *site, seed uint64) *lab {
	l := &lab{t: t, site: s, seed: seed, dir: t.TempDir(), stop: make(chan struct{})}
	if *keep != "" {
		l.dir = filepath.Join(*keep, t.Name())
		if err := os.MkdirAll(l.dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(l.dir, "ledger.db")
	var err error
	if l.ledger, err = openLedger(path); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.ledger.close(); err != nil {
			t.Error(err)
		}
	})
	var direct []string
	for _, n := range s.nodes {
		direct = append(direct, n.URL())
	}
	l.app = newApp(t, config(direct, s.redis.URL(), s.quorum, deliveryLimit))
	add := func(role, name string, spare bool, change func(*part)) {
		m := &member{lab: l, name: name, role: role, spare: spare}
		var urls []string
		m.links, urls = s.links(t, len(l.members))
		m.part = part{Ledger: path, Brokers: urls, Redis: s.redis.URL(), Quorum: s.quorum, Limit: deliveryLimit}
		change(&m.part)
		l.members = append(l.members, m)
		m.start()
		t.Cleanup(func() { m.process().remove(t) })
	}
	for i := range workers {
		add("worker", fmt.Sprintf("w%d", i+1), i == 0, func(p *part) {
			p.Args = []string{"-c", "8"}
			if i == 1 { // in processes of its own
				p.Args = []string{"-c", "4", "-P", "process"}
			}
		})
	}
	for _, m := range l.members {
		if err := m.process().awaitReady(); err != nil {
			t.Fatal(err)
		}
	}
	l.warm(path, direct)
	for i := range producers {
		add("producer", fmt.Sprintf("p%d", i+1), false, func(p *part) { p.Producer = assignment{Seed: seed, Rate: rate} })
	}
	return l
}

// deliveryLimit is far above the default: that a task is given up since its workers were killed again and again is right, and
// tried elsewhere; here every task must come to its own end.
const deliveryLimit = 50

// warm sends a few tasks of each kind and waits for their end, so that what is made once is there.
func (l *lab) warm(path string, brokers []string) {
	p := part{Name: "warm", Ledger: path, Brokers: brokers, Redis: l.site.redis.URL(), Quorum: l.site.quorum, Limit: deliveryLimit,
		Producer: assignment{Seed: l.seed, Rate: 2 * rate, Most: warmUp}}
	c := start(l.t, "producer", &p)
	if err := c.awaitEnd(); err != nil {
		l.t.Fatal(err)
	}
	l.settle()
}

// pause waits, or less when the run is over.
func (l *lab) pause(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-l.stop:
	}
}

// await waits for what can only be asked, or gives up after a while.
func (l *lab) await(ok func() bool) {
	for deadline := time.Now().Add(patience); !ok() && time.Now().Before(deadline); {
		time.Sleep(200 * time.Millisecond)
	}
}

// strike carries out a plan: the short form, or as long as it is given.
func (l *lab) strike(p *plan, long time.Duration) {
	var aside sync.WaitGroup
	defer aside.Wait()
	defer close(l.stop)
	began := time.Now()
	for {
		s, over := p.next()
		if over && time.Since(began) >= long {
			return
		}
		l.pause(s.after)
		l.faults++
		r := rand.New(rand.NewPCG(s.seed, 0))
		l.t.Logf("%6.1fs %s", time.Since(began).Seconds(), s.fault.name())
		if s.aside {
			aside.Go(func() { s.fault.strike(l, r) })
			continue
		}
		s.fault.strike(l, r)
	}
}

// checkAlive finds out whether a process has left that nobody asked to.
func (l *lab) checkAlive() {
	l.t.Helper()
	for _, m := range l.members {
		c := m.process()
		select {
		case <-c.ended:
			l.t.Errorf("%s has left by itself (%v):\n%s", c.name, c.state, c.tail())
		default:
		}
	}
}

// leave lets the producers finish: each has sent what it set out to send when it is gone.
func (l *lab) leave(role string) {
	for _, m := range l.members {
		if m.role == role {
			m.leave()
		}
	}
}
