package memory

import (
	"context"
	"crypto/rand"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/broker/brokertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// names remembers the space of each broker that the suite opened, so that another can join it.
var names sync.Map

func open(t *testing.T, url string) *Broker {
	t.Helper()
	b, err := broker.Open(context.Background(), broker.Config{URLs: []string{url}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return b.(*Broker)
}

func suite() brokertest.Suite {
	return brokertest.Suite{
		Counts: true,
		Open: func(t *testing.T) broker.Broker {
			url := "memory://" + rand.Text()
			b := open(t, url)
			names.Store(b, url)
			return b
		},
		Another: func(t *testing.T, first broker.Broker) broker.Broker {
			url, _ := names.Load(first)
			return open(t, url.(string))
		},
	}
}

func TestConformance(t *testing.T) { suite().Run(t) }

func TestConformanceInVirtualTime(t *testing.T) {
	s := suite()
	s.Bubble = true
	s.Run(t)
}
