package once_test

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // driver "pgx"
	"go.uber.org/goleak"
	_ "modernc.org/sqlite" // driver "sqlite"

	"github.com/umbel-go/umbel"
	_ "github.com/umbel-go/umbel/backend/memory"
	_ "github.com/umbel-go/umbel/broker/memory"
	"github.com/umbel-go/umbel/internal/testenv"
	"github.com/umbel-go/umbel/once"
	"github.com/umbel-go/umbel/worker"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// stores runs a test on each database.
func stores(t *testing.T, test func(*testing.T, *sql.DB)) {
	for name, dsn := range map[string]func(*testing.T) (driver, dsn string){
		"sqlite": func(t *testing.T) (string, string) {
			return "sqlite", "file:" + filepath.Join(t.TempDir(), "bank.db") + "?_pragma=busy_timeout(60000)&_pragma=journal_mode(WAL)&_txlock=immediate"
		},
		"postgres": func(t *testing.T) (string, string) { return "pgx", testenv.Postgres(t).URL() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			driver, where := dsn(t)
			db, err := sql.Open(driver, where)
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			for range 2 {
				if err := once.Prepare(t.Context(), db); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := db.ExecContext(t.Context(), `CREATE TABLE account (balance BIGINT); INSERT INTO account VALUES (0)`); err != nil {
				t.Fatal(err)
			}
			test(t, db)
		})
	}
}

func deposit(ctx context.Context) func(tx *sql.Tx) error {
	return func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE account SET balance = balance + 1`)
		return err
	}
}

func balance(t *testing.T, db *sql.DB) (n int) {
	t.Helper()
	if err := db.QueryRow(`SELECT balance FROM account`).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestWhatIsDoneOnceIsDoneOnce(t *testing.T) {
	t.Parallel()
	stores(t, func(t *testing.T, db *sql.DB) {
		ctx := t.Context()
		var all sync.WaitGroup
		var mu sync.Mutex
		firsts := 0
		for range 10 { // at once
			all.Go(func() {
				done, err := once.Do(ctx, db, "task-1", deposit(ctx))
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				if done {
					firsts++
				}
			})
		}
		all.Wait()
		if n := balance(t, db); n != 1 || firsts != 1 {
			t.Errorf("done %d times, and %d were told that they did it", n, firsts)
		}

		// What fails is not noted, and what it did is undone.
		failed := errors.New("no such account")
		done, err := once.Do(ctx, db, "task-2", func(tx *sql.Tx) error { return errors.Join(deposit(ctx)(tx), failed) })
		if done || !errors.Is(err, failed) || balance(t, db) != 1 {
			t.Errorf("done %v, %v, balance %d", done, err, balance(t, db))
		}
		if done, err := once.Do(ctx, db, "task-2", deposit(ctx)); !done || err != nil || balance(t, db) != 2 {
			t.Errorf("at the second attempt: done %v, %v, balance %d", done, err, balance(t, db))
		}
		if _, err := once.Do(ctx, db, "", deposit(ctx)); err == nil {
			t.Error("without a name it would be done for one task of all")
		}
		if n, err := once.Forget(ctx, db, time.Now().Add(-time.Hour)); n != 0 || err != nil {
			t.Errorf("forgot %d of the last hour, %v", n, err)
		}
		if n, err := once.Forget(ctx, db, time.Now().Add(time.Hour)); n != 2 || err != nil {
			t.Errorf("forgot %d, %v, want 2", n, err)
		}
	})
}

// A worker runs the same task again and again, as after a crash: the money moves once.
func TestAnEffectHappensOnceHoweverOftenItsTaskRuns(t *testing.T) {
	t.Parallel()
	stores(t, func(t *testing.T, db *sql.DB) {
		space := "memory://" + filepath.Base(t.Name()) + "-once"
		app := umbel.New("bank", umbel.WithConfig(umbel.Config{BrokerURL: []string{space}, ResultBackend: space}),
			umbel.WithLogger(slog.New(slog.DiscardHandler)))
		defer app.Close()
		task := umbel.Register(app, "bank.deposit", func(ctx context.Context, _ struct{}) (bool, error) {
			return once.Do(ctx, db, umbel.RequestFrom(ctx).ID, deposit(ctx))
		}, umbel.AcksLate())
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		ready, ended := make(chan struct{}), make(chan error, 1)
		w := worker.New(app, worker.Config{Concurrency: 4, OnReady: func() { close(ready) }})
		running, stop := context.WithCancel(context.Background())
		go func() { ended <- w.Run(running) }()
		defer func() {
			stop()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}()
		<-ready
		for range 5 { // a sender that was never sure
			r, err := task.Send(ctx, struct{}{}, umbel.TaskID("order-7"))
			if err != nil {
				t.Fatal(err)
			}
			if err := r.Forget(ctx); err != nil { // else the first result would be taken for this one
				t.Fatal(err)
			}
		}
		for w.Stats().Succeeded < 5 {
			select {
			case <-ctx.Done():
				t.Fatalf("only %+v", w.Stats())
			case <-time.After(5 * time.Millisecond):
			}
		}
		if n := balance(t, db); n != 1 {
			t.Errorf("the money has moved %d times", n)
		}
	})
}
