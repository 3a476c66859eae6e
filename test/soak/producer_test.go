package soak

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/broker"
)

// An assignment is what a producer is to send.
type assignment struct {
	Seed  uint64
	Rate  int    // tasks a second
	Most  int    // 0: until told to stop
	Again string // send this one id, of kind Kind, which somebody set out to send before; nothing else
	Kind  string
}

const (
	senders   = 4                // of one producer; one that waits holds up no other
	sendLimit = 15 * time.Second // one attempt
	sendPause = 200 * time.Millisecond
)

// producerRole sends tasks until it is told to stop, and each until it is confirmed: it is the caller who has to decide about
// what may have arrived, and this one prefers twice to never.
func producerRole(p *part) int {
	crash := newCrash(p.Kill, nil)
	crash.wrapDrivers()
	app := umbel.New("soak", umbel.WithConfig(p.config()), umbel.WithLogger((&watchedLog{p: p}).logger()))
	var once sync.Once
	stop := make(chan struct{})
	go p.told(func(line string) {
		if line == "stop" {
			once.Do(func() { close(stop) })
		}
	})
	p.say("ready")
	if a := p.Producer; a.Again != "" {
		p.send(app, a.Again, kindNamed(a.Kind), rand.New(rand.NewPCG(1, 1)))
	} else {
		p.sendMany(app, stop)
	}
	if err := app.Close(); err != nil {
		fmt.Fprintln(os.Stderr, "soak: close app:", err)
		return 1
	}
	_ = p.ledger.close()
	return 0
}

func (p *part) sendMany(app *umbel.App, stop <-chan struct{}) {
	name := fnv.New64a()
	name.Write([]byte(p.Name))
	tick := time.NewTicker(time.Second / time.Duration(p.Producer.Rate))
	defer tick.Stop()
	var all sync.WaitGroup
	var sent atomic.Int64
	for g := range senders {
		all.Go(func() {
			r := rand.New(rand.NewPCG(p.Producer.Seed, name.Sum64()+uint64(g)))
			for {
				select {
				case <-stop:
					return
				case <-tick.C:
				}
				n := sent.Add(1)
				if p.Producer.Most > 0 && n > int64(p.Producer.Most) {
					return
				}
				k := draw(r)
				id := fmt.Sprintf("%s-%s-%d", k.name, p.Name, n)
				p.ledger.intends(id, k.name)
				p.send(app, id, k, r)
			}
		})
	}
	all.Wait()
}

// send repeats a task until it is confirmed.
func (p *part) send(app *umbel.App, id string, k kind, r *rand.Rand) {
	queue := queueA
	if r.IntN(2) == 0 {
		queue = queueB
	}
	options := []umbel.SendOption{umbel.TaskID(id), umbel.Queue(queue)}
	if k.send != nil {
		options = append(options, k.send(r)...)
	}
	for {
		ctx, cancel := context.WithTimeout(context.Background(), sendLimit)
		_, err := app.Send(ctx, "soak."+k.name, umbel.Args{1}, options...)
		cancel()
		if err == nil {
			p.ledger.confirms(id)
			return
		}
		fmt.Fprintln(os.Stderr, "soak:", id, err)
		if !errors.Is(err, broker.ErrNotSent) {
			p.ledger.wonders(id)
		}
		time.Sleep(sendPause) // what refused it needs a while
	}
}
