package amqp

import (
	"context"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/umbel-go/umbel/broker"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// open opens a broker that is closed when the test ends.
func open(t testing.TB, url string, change ...func(*broker.Config)) *Broker {
	t.Helper()
	b, err := tryOpen(url, change...)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return b
}

func tryOpen(url string, change ...func(*broker.Config)) (*Broker, error) {
	c := broker.Config{URLs: []string{url}}
	for _, f := range change {
		f(&c)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	b, err := broker.Open(ctx, c)
	if err != nil {
		return nil, err
	}
	return b.(*Broker), nil
}
