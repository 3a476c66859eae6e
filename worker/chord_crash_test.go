//go:build unix

package worker_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/internal/testenv"
	"github.com/umbel-go/umbel/worker"

	_ "github.com/umbel-go/umbel/backend/redis"
)

// crashing is set for the test program that runs as a worker to be killed: the URLs of its broker and result store, and the file
// that its tasks write to.
const crashing = "UMBEL_TEST_CRASHING_WORKER"

// chordsOf says how many chords of how many parts, such as 1000x100, in place of the few of every day.
const chordsOf = "UMBEL_TEST_CHORDS"

const slots = 4 // of each worker

func crashingApp(urls string) *umbel.App {
	f := strings.Fields(urls)
	app := umbel.New("crash", umbel.WithLogger(slog.New(slog.DiscardHandler)), umbel.WithConfig(umbel.Config{BrokerURL: []string{f[0]},
		ResultBackend: f[1], TaskDeliveryLimit: umbel.NoLimit, WorkerDeduplicateSuccessfulTasks: true}))
	note := func(what string) error {
		out, err := os.OpenFile(f[2], os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(out, what)
		return errors.Join(err, out.Close())
	}
	umbel.Register(app, "part", func(_ context.Context, n int) (int, error) {
		if err := note("part"); err != nil {
			return 0, err
		}
		if n < 0 {
			return 0, errBoom
		}
		return n, nil
	}, umbel.AcksLate())
	umbel.Register(app, "body", func(ctx context.Context, in []int) (int, error) {
		return len(in), note("body " + umbel.RequestFrom(ctx).ID)
	}, umbel.AcksLate())
	umbel.RegisterErrback(app, "failed", func(_ context.Context, r *umbel.Request, _ umbel.Fault) error { return note("errback " + r.ID) })
	return app
}

func crashingWorker(urls string) int {
	app := crashingApp(urls)
	defer app.Close()
	ctx, cancel := context.WithCancel(context.Background())
	go func() { // ends with the test
		_, _ = os.Stdin.Read(make([]byte, 1))
		cancel()
	}()
	if err := worker.New(app, worker.Config{Concurrency: slots}).Run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// Chords on RabbitMQ and Redis whose workers are killed at random. Each ends by its body, with all results, or by its errback;
// never by neither or both. What is sent or runs a second time is explained by a kill: it fell between the doing and the ack.
func TestChordsEndOnceWhileTheirWorkersAreKilled(t *testing.T) {
	chords, parts := 30, 20
	if s := os.Getenv(chordsOf); s != "" {
		if _, err := fmt.Sscanf(s, "%dx%d", &chords, &parts); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(t.TempDir(), "notes")
	urls := testenv.RabbitMQ(t).URL() + " " + testenv.Redis(t).URL() + " " + file
	app := crashingApp(urls)
	t.Cleanup(func() { _ = app.Close() })
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Minute+time.Duration(chords)*time.Second)
	defer cancel()

	ends := make([]*umbel.AsyncResult, chords)
	for i := range ends {
		members := make([]umbel.Step, parts)
		for n := range members {
			members[n] = app.Signature("part", umbel.Args{n})
		}
		if i%4 == 0 {
			members[rand.IntN(parts)] = app.Signature("part", umbel.Args{-1})
		}
		var err error
		ends[i], err = umbel.Chord(umbel.Group(members...), app.Signature("body", nil)).OnError(app.Signature("failed", nil)).Send(ctx)
		if err != nil {
			t.Fatal(err)
		}
	}
	crew := make([]*exec.Cmd, 3)
	hire := func(i int) {
		c := exec.Command(os.Args[0])
		c.Env = append(os.Environ(), crashing+"="+urls)
		c.Stderr = os.Stderr
		c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		if _, err := c.StdinPipe(); err != nil {
			t.Fatal(err)
		}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		crew[i] = c
	}
	dismiss := func(i int) {
		_ = crew[i].Process.Kill()
		_ = crew[i].Wait() // it was killed
	}
	for i := range crew {
		hire(i)
		defer func() { dismiss(i) }()
	}
	noted := func() string {
		text, err := os.ReadFile(file)
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		return string(text)
	}
	ended := make(chan error, 1)
	go func() {
		for i, r := range ends {
			var n int
			err := r.Get(ctx, &n)
			var failed *umbel.TaskError
			switch {
			case ctx.Err() != nil:
				ended <- fmt.Errorf("chord %d has not ended: %w", i, err)
				return
			case i%4 != 0 && (err != nil || n != parts):
				ended <- fmt.Errorf("chord %d gave %d, %v", i, n, err)
				return
			case i%4 == 0 && (!errors.As(err, &failed) || failed.Type != "ChordError"):
				ended <- fmt.Errorf("chord %d gave %v, want a ChordError", i, err)
				return
			}
		}
		ended <- nil
	}()
	kills, next := 0, 0
	for over := false; !over; {
		select {
		case err := <-ended:
			if err != nil {
				t.Fatal(err)
			}
			over = true
		case <-time.After(2 * time.Millisecond): // a file does not tell of its growth
			if n := bytes.Count([]byte(noted()), []byte("\n")); n > next {
				next = n + max(40, chords*parts/200)
				i := rand.IntN(len(crew))
				dismiss(i)
				kills++
				hire(i)
			}
		}
	}
	// Errbacks are called after the body's document is stored.
	count := func() map[string]int {
		all := make(map[string]int)
		for line := range strings.Lines(noted()) {
			all[strings.TrimSpace(line)]++
		}
		return all
	}
	failing := (chords + 3) / 4
	for {
		n := 0
		for line := range count() {
			if strings.HasPrefix(line, "errback ") {
				n++
			}
		}
		if n == failing {
			break
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%d errbacks were called, want %d", n, failing)
		case <-time.After(10 * time.Millisecond):
		}
	}
	all, again := count(), 0
	for i, r := range ends {
		body, errback := all["body "+r.ID()], all["errback "+r.ID()]
		if i%4 == 0 && body > 0 || i%4 != 0 && errback > 0 || body+errback == 0 {
			t.Errorf("chord %d: its body ran %d times and its errback %d times", i, body, errback)
		}
		again += body + errback - 1
	}
	t.Logf("%d chords of %d, %d kills: %d bodies and errbacks ran again, %d parts ran %d times", chords, parts, kills, again, chords*parts, all["part"])
	if again > kills*slots || kills == 0 { // a kill explains what ran at that moment
		t.Errorf("%d bodies and errbacks ran again under %d kills", again, kills)
	}
}
