// Package brokertest is the one suite that every broker driver passes: each sentence of the contract in package broker,
// as a test.
//
//	func TestConformance(t *testing.T) {
//		brokertest.Run(t, func(t *testing.T) broker.Broker { return open(t) })
//	}
//
// The suite reads the driver's Traits and leaves out what they do not claim, saying so. Its tests wait on events, each
// against a deadline; where a broker has no event to wait for (a queue that vanishes some time after its last consumer)
// they look again until the deadline. Names are fresh for each test, so that tests may share a server.
package brokertest

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/protocol"
)

// Run runs the suite with nothing but brokers to open. Each call of open gives a broker of its own; the suite closes it.
func Run(t *testing.T, open func(t *testing.T) broker.Broker) {
	t.Helper()
	Suite{Open: open}.Run(t)
}

// A Suite says what the driver under test can do beyond its Traits. Only Open is required.
type Suite struct {
	// Open opens a broker. Each call gives one of its own; the suite closes it.
	Open func(t *testing.T) broker.Broker

	// Another opens a second broker on the same server, file or space as the first, as another process would; the first
	// may be closed by then. Without it, tests that need one are left out.
	Another func(t *testing.T, first broker.Broker) broker.Broker

	// Arguments are added to every lasting shared queue that the suite declares: x-queue-type, for one.
	Arguments protocol.Table

	// Counts says that Delivery.Deliveries is exact on those queues. Otherwise 0 is let pass.
	Counts bool

	// Bubble runs each test inside testing/synctest. The driver must have the trait VirtualTime.
	Bubble bool

	// Skip leaves out tests by name, each with the reason that the report shows.
	Skip map[string]string

	// Timeout bounds one test. Defaults to 20 s.
	Timeout time.Duration
}

// Run runs every test of the suite, one after the other.
func (s Suite) Run(t *testing.T) {
	if s.Timeout <= 0 {
		s.Timeout = 20 * time.Second
	}
	known := make(map[string]bool)
	for _, group := range groups {
		for _, c := range group {
			known[c.name] = true
		}
	}
	for name := range s.Skip {
		if !known[name] {
			t.Errorf("Suite.Skip names %q, which is no test of this suite", name)
		}
	}
	for _, group := range groups {
		for _, c := range group {
			t.Run(c.name, func(t *testing.T) {
				if why := s.Skip[c.name]; why != "" {
					t.Skip(why)
				}
				if s.Bubble {
					synctest.Test(t, func(t *testing.T) { s.one(t, c) })
				} else {
					s.one(t, c)
				}
			})
		}
	}
}

// A test is one sentence of the contract.
type test struct {
	name string
	run  func(*env)
}

// groups hold the tests, a group per file.
var groups = [][]test{
	publishing, cargo, routes, consuming, settling, windows, orders, expiring, deadLetters, limits, declaring, broadcasts,
	counting, browsing, delays, schedules, losses, crowds, loads, names, lastings, closings,
}

func (s Suite) one(t *testing.T, c test) {
	ctx, cancel := context.WithTimeout(context.Background(), s.Timeout)
	t.Cleanup(cancel)
	e := &env{T: t, suite: s, ctx: ctx}
	e.b = e.open()
	c.run(e)
}
