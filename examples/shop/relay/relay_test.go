package relay_test

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/examples/shop/relay"
	"github.com/umbel-go/umbel/examples/shop/store"
	"github.com/umbel-go/umbel/internal/testenv"
	"github.com/umbel-go/umbel/protocol"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A post takes what the app sends, or refuses it.
type post struct {
	mu     sync.Mutex // guards what follows
	ids    []string
	broken error
}

func setup(t *testing.T) (*relay.Relay, *store.Store, *post) {
	t.Helper()
	p := &post{}
	app := umbel.New("test", umbel.WithConfig(umbel.Config{BrokerURL: []string{"memory://" + t.Name()}}))
	app.Intercept(func(_ context.Context, m *broker.Message) error {
		task, err := protocol.DecodeTask(&m.Envelope, protocol.DecodeOptions{})
		if err != nil {
			return err
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.broken == nil {
			p.ids = append(p.ids, task.ID)
		}
		return p.broken
	})
	s := store.New(filepath.Join(t.TempDir(), "shop.db"))
	t.Cleanup(func() { _ = s.Close() })
	return relay.New(app, s), s, p
}

func request(t *testing.T, s *store.Store, n int) {
	t.Helper()
	for range n {
		if _, _, err := s.RequestReport(t.Context(), store.Report{}, store.Key{}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestWhatWaitsIsSentOnceAndInOrder(t *testing.T) {
	r, s, p := setup(t)
	request(t, s, 5)
	for _, want := range []int{5, 0} {
		if n, err := r.Once(t.Context()); err != nil || n != want {
			t.Errorf("sent %d, %v, want %d", n, err, want)
		}
	}
	for i, id := range p.ids {
		if row, err := s.Report(t.Context(), int64(i+1)); err != nil || row.Task != id {
			t.Errorf("report %d has task %s, %v; %s was sent", i+1, row.Task, err, id)
		}
	}
}

func TestABrokerThatIsAwayIsTriedAgain(t *testing.T) {
	r, s, p := setup(t)
	r.Every = time.Nanosecond
	p.broken = errors.New("no broker")
	request(t, s, 2)
	if n, err := r.Once(t.Context()); n != 0 || !errors.Is(err, p.broken) {
		t.Errorf("sent %d, %v", n, err)
	}
	p.broken = nil
	sent := 0
	for begun := time.Now(); sent < 2 && time.Since(begun) < time.Minute; { // a row waits until the next millisecond
		n, err := r.Once(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		sent += n
	}
	if len(p.ids) != 2 {
		t.Errorf("sent %v", p.ids)
	}
}

// A relay that dies between the broker's yes and its note leaves the row to another, which sends the same task again.
func TestARelayThatDiesLeavesItsRowsToAnother(t *testing.T) {
	r, s, p := setup(t)
	request(t, s, 1)
	claimed, err := s.ClaimOutgoing(t.Context(), time.Now().Add(-time.Hour), r.Lease, 10) // an hour ago
	if err != nil || len(claimed) != 1 {
		t.Fatal(claimed, err)
	}
	if n, err := r.Once(t.Context()); err != nil || n != 1 || p.ids[0] != claimed[0].TaskID {
		t.Errorf("sent %d (%v), %v, want the task that was claimed, %s", n, p.ids, err, claimed[0].TaskID)
	}
}

func TestARelayRunsUntilItIsTold(t *testing.T) {
	r, s, p := setup(t)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	request(t, s, 120) // more than one batch
	r.Nudge()
	testenv.Await(t, "the outbox is empty", func() bool {
		n, _, err := s.Outbox(t.Context())
		return err == nil && n == 0
	}, nil)
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.ids) != 120 {
		t.Errorf("sent %d, want 120", len(p.ids))
	}
}
