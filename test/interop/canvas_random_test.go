package interop

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/worker"
)

// canvasesOf says how many random canvases each fleet runs, in place of the few of every day, which are always the same ones;
// canvasSeed repeats a run.
const (
	canvasesOf = "UMBEL_TEST_CANVASES"
	canvasSeed = "UMBEL_TEST_SEED"
)

// Random canvases, built by either side, run by Go's workers, by Python's, and by both at once: each has the value that a
// plain evaluator works out, and each of its tasks ends as it must.
func TestRandomCanvasesHaveOneMeaning(t *testing.T) {
	w := newWorld(t)
	count, seed := 8, uint64(21)
	if n, err := strconv.Atoi(os.Getenv(canvasesOf)); err == nil {
		count, seed = n, rand.Uint64()
	}
	if n, err := strconv.ParseUint(os.Getenv(canvasSeed), 10, 64); err == nil {
		seed = n
	}
	t.Logf("%s=%d repeats this", canvasSeed, seed)
	stop := startGo(t, w.app, worker.Config{Queues: []string{"go", "py", "celery"}, Concurrency: 8})
	randomCanvases(t, w, "go", seed, count)
	stop()
	stop = startGo(t, w.app, worker.Config{Queues: []string{"go", "celery"}, Concurrency: 8})
	w.startWorker(t, "py", nil, "-Q", "py,celery", "-P", "prefork", "-c", "2")
	randomCanvases(t, w, "mixed", seed, count)
	stop()
	w.client.run(t, nil, `assert app.control.add_consumer("go", reply=True, timeout=60, limit=1)`)
	randomCanvases(t, w, "python", seed, count)
}

func randomCanvases(t *testing.T, w *world, fleet string, seed uint64, count int) {
	w.client.run(t, nil, buildCanvas)
	cases := make([]*randomCase, count)
	for i := range cases {
		cases[i] = newRandomCase(fleet, seed, uint64(i))
		cases[i].begin(t, w)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 8*time.Minute+time.Duration(count)*time.Second) // only decides how long a failing test takes
	defer cancel()
	for _, c := range cases {
		t.Run(fmt.Sprint(c.name, " built in ", c.side), func(t *testing.T) { c.check(ctx, t, w.app) })
	}
}

// A randomCase is one canvas and what must come of it.
type randomCase struct {
	*canvas
	name, fleet, side string
	value             any
	fine              bool
}

func newRandomCase(fleet string, seed, n uint64) *randomCase {
	r := rand.New(rand.NewPCG(seed, n))
	c := &randomCase{name: fmt.Sprintf("%s-%d", fleet, n), fleet: fleet, side: []string{"go", "python"}[n%2]}
	s := &sketch{Rand: r, name: c.name, queues: []string{"go", "py", "celery"}, fail: n%4 > 1, python: fleet != "go", spare: 1}
	if c.side == "python" {
		s.plain, s.flat, s.spare = true, s.python, 0
	}
	c.canvas = s.draw(5, 1+r.IntN(200))
	c.value, c.fine = c.canvas.value(nil)
	return c
}

func (c *randomCase) begin(t *testing.T, w *world) {
	t.Helper()
	if c.side == "python" {
		w.client.run(t, nil, "build(given[0]).apply_async(); None", c.canvas)
		return
	}
	if _, err := c.signature(w.app).Send(deadline(t)); err != nil {
		t.Fatalf("%s: %v", c, err)
	}
}

func (c *randomCase) check(ctx context.Context, t *testing.T, app *umbel.App) {
	last := c.Steps[len(c.Steps)-1]
	var got any
	err := app.Result(last.ID).Get(ctx, &got)
	var failed *umbel.TaskError
	switch {
	case c.fine && err != nil, !c.fine && !errors.As(err, &failed):
		t.Errorf("%v, want success: %v\n%s", err, c.fine, c)
	case c.fine && shown(got) != shown(c.value):
		t.Errorf("got  %s\nwant %s\n%s", shown(got), shown(c.value), c)
	}
	if t.Failed() {
		return
	}
	c.each(func(task *canvas) {
		for {
			state, err := app.Result(task.ID).State(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if state == task.state || !task.runs && state == umbel.Unknown && c.fleet != "go" {
				return // Python's workers do not tell of all that never runs
			}
			select {
			case <-time.After(20 * time.Millisecond):
			case <-ctx.Done():
				t.Fatalf("task %s ended as %s, want %s\n%s", task.ID, state, task.state, c)
			}
		}
	})
}

func shown(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// registerCanvasTasks registers in Go what tasks.py has in Python under the same names.
func registerCanvasTasks(app *umbel.App) {
	umbel.Register(app, "canvas.sum", func(_ context.Context, in umbel.Args) (float64, error) { return total([]any(in)), nil })
	umbel.Register(app, "canvas.list", func(_ context.Context, in umbel.Args) ([]any, error) { return []any(in), nil })
	umbel.Register(app, "canvas.boom", func(context.Context, umbel.Args) (any, error) { return nil, valueError("boom") })
}
