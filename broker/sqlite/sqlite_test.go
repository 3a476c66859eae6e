package sqlite

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/broker/brokertest"
	"github.com/umbel-go/umbel/internal/sqlitefile"
)

func TestMain(m *testing.M) {
	play()
	goleak.VerifyTestMain(m)
}

func openURL(t testing.TB, url string) *Broker {
	t.Helper()
	b, err := broker.Open(t.Context(), broker.Config{URLs: []string{url}})
	if err != nil {
		t.Fatal(err)
	}
	return b.(*Broker)
}

// quick is a folder in memory where there is one: the tests make thousands of commits, and share the disk with others.
// What they kill are processes, not machines, so nothing is lost by it. Benchmarks use the disk.
func quick(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "umbel-test-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// fresh opens a broker on a new file.
func fresh(t testing.TB) *Broker {
	t.Helper()
	dir := t.TempDir()
	if _, ok := t.(*testing.T); ok {
		dir = quick(t)
	}
	b := openURL(t, "sqlite://"+filepath.Join(dir, "umbel.db"))
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

// apart opens a broker on a file as another process would: sharing nothing with others in this one.
func apart(t testing.TB, path string) *Broker {
	t.Helper()
	f, err := sqlitefile.Open(path, sqlitefile.Options{Alone: true})
	if err != nil {
		t.Fatal(err)
	}
	b, err := newBroker(t.Context(), f, defaultLease, broker.Config{}.WithDefaults().Log)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestConformance(t *testing.T) {
	brokertest.Suite{
		Open: func(t *testing.T) broker.Broker {
			return openURL(t, "sqlite://"+filepath.Join(quick(t), "umbel.db"))
		},
		Another: func(t *testing.T, first broker.Broker) broker.Broker {
			return apart(t, first.(*Broker).file.Path())
		},
		Counts: true,
	}.Run(t)
}

func TestConformanceOfBrokersThatShareAFileInOneProcess(t *testing.T) {
	brokertest.Suite{
		Open: func(t *testing.T) broker.Broker {
			return openURL(t, "sqlite://"+filepath.Join(quick(t), "umbel.db"))
		},
		Another: func(t *testing.T, first broker.Broker) broker.Broker {
			return openURL(t, "sqlite://"+first.(*Broker).file.Path())
		},
		Counts: true,
	}.Run(t)
}

// holdLock keeps the file's write lock until leave is closed.
func holdLock(b *Broker, held, leave chan struct{}) error {
	return b.file.Write(context.Background(), func(*sqlitefile.Tx) error {
		close(held)
		<-leave
		return nil
	})
}
