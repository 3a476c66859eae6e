package backendtest

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/umbel-go/umbel/backend"
	"github.com/umbel-go/umbel/backend/memory"
	"github.com/umbel-go/umbel/protocol"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A faulty is a sound backend with one thing altered.
type faulty struct {
	backend.Backend
	store    func(ctx context.Context, docs []*protocol.Result) []error
	get      func(ctx context.Context, id string) (*protocol.Result, error)
	many     func(ctx context.Context, ids []string) (map[string]*protocol.Result, error)
	watch    func(ctx context.Context, ids []string, notify func(*protocol.Result)) (func(), error)
	forget   func(ctx context.Context, ids []string) error
	cleanup  func(ctx context.Context) (int, error)
	close    func() error
	closures int
}

func (f *faulty) Store(ctx context.Context, docs []*protocol.Result) []error {
	if f.store != nil {
		return f.store(ctx, docs)
	}
	return f.Backend.Store(ctx, docs)
}

func (f *faulty) Get(ctx context.Context, id string) (*protocol.Result, error) {
	if f.get != nil {
		return f.get(ctx, id)
	}
	return f.Backend.Get(ctx, id)
}

func (f *faulty) GetMany(ctx context.Context, ids []string) (map[string]*protocol.Result, error) {
	if f.many != nil {
		return f.many(ctx, ids)
	}
	return f.Backend.GetMany(ctx, ids)
}

func (f *faulty) Watch(ctx context.Context, ids []string, notify func(*protocol.Result)) (func(), error) {
	if f.watch != nil {
		return f.watch(ctx, ids, notify)
	}
	return f.Backend.Watch(ctx, ids, notify)
}

func (f *faulty) Forget(ctx context.Context, ids []string) error {
	if f.forget != nil {
		return f.forget(ctx, ids)
	}
	return f.Backend.Forget(ctx, ids)
}

func (f *faulty) Cleanup(ctx context.Context) (int, error) {
	if f.cleanup != nil {
		return f.cleanup(ctx)
	}
	return f.Backend.Cleanup(ctx)
}

func (f *faulty) Close() error {
	if f.close != nil {
		return f.close()
	}
	return f.Backend.Close()
}

// A fault is what is altered, and the test of the suite that must find it.
type fault struct {
	test  string
	alter func(f *faulty)
}

func init() { maps.Copy(faults, scheduleFaults) }

var faults = map[string]fault{
	"overwrites SUCCESS": {"contract/store/SUCCESS_is_never_overwritten$", func(f *faulty) {
		f.store = func(ctx context.Context, docs []*protocol.Result) []error {
			for _, d := range docs {
				f.Backend.Forget(ctx, []string{d.TaskID})
			}
			return f.Backend.Store(ctx, docs)
		}
	}},
	"overwrites nothing": {"contract/store/every_state_but_SUCCESS", func(f *faulty) {
		f.store = func(ctx context.Context, docs []*protocol.Result) []error {
			return f.Backend.Store(ctx, slices.DeleteFunc(slices.Clone(docs), func(d *protocol.Result) bool {
				_, err := f.Backend.Get(ctx, d.TaskID)
				return err == nil
			}))
		}
	}},
	"writes a batch backwards": {"contract/store/a_batch_is_written_in_order", func(f *faulty) {
		f.store = func(ctx context.Context, docs []*protocol.Result) []error {
			back := slices.Clone(docs)
			slices.Reverse(back)
			return f.Backend.Store(ctx, back)
		}
	}},
	"loses the end of a batch": {"contract/store/a_batch_of_a_thousand", func(f *faulty) {
		f.store = func(ctx context.Context, docs []*protocol.Result) []error {
			return f.Backend.Store(ctx, docs[:min(len(docs), 999)])
		}
	}},
	"says all is well with a slice": {"contract/store/all_well_is_nil", func(f *faulty) {
		f.store = func(ctx context.Context, docs []*protocol.Result) []error {
			f.Backend.Store(ctx, docs)
			return make([]error, len(docs))
		}
	}},
	"does not say what can never be stored": {"contract/store/a_document_that_can_never", func(f *faulty) {
		f.store = func(ctx context.Context, docs []*protocol.Result) []error {
			errs := f.Backend.Store(ctx, docs)
			for i, err := range errs {
				if err != nil {
					errs[i] = errors.New(err.Error())
				}
			}
			return errs
		}
	}},
	"calls every error final": {"contract/store/an_error_that_may_pass", func(f *faulty) {
		f.store = func(ctx context.Context, docs []*protocol.Result) []error {
			errs := f.Backend.Store(ctx, docs)
			for i, err := range errs {
				if err != nil {
					errs[i] = backend.Unstorable(err)
				}
			}
			return errs
		}
	}},
	"knows unknown ids": {"contract/read/an_unknown_id", func(f *faulty) {
		f.get = func(_ context.Context, id string) (*protocol.Result, error) {
			return &protocol.Result{TaskID: id, Status: protocol.Pending}, nil
		}
	}},
	"reads only the first thousand": {"contract/read/many_of_10", func(f *faulty) {
		f.many = func(ctx context.Context, ids []string) (map[string]*protocol.Result, error) {
			return f.Backend.GetMany(ctx, ids[:min(len(ids), 1000)])
		}
	}},
	"has nil for unknown ids": {"contract/read/unknown_ids", func(f *faulty) {
		f.many = func(ctx context.Context, ids []string) (map[string]*protocol.Result, error) {
			m, err := f.Backend.GetMany(ctx, ids)
			for _, id := range ids {
				if _, ok := m[id]; !ok {
					m[id] = nil
				}
			}
			return m, err
		}
	}},
	"loses tracebacks": {"contract/document/every_state", func(f *faulty) {
		f.get = func(ctx context.Context, id string) (*protocol.Result, error) {
			r, err := f.Backend.Get(ctx, id)
			if r != nil {
				r.Traceback = ""
			}
			return r, err
		}
	}},
	"loses extended fields": {"contract/document/every_field", func(f *faulty) {
		f.get = func(ctx context.Context, id string) (*protocol.Result, error) {
			r, err := f.Backend.Get(ctx, id)
			if r != nil {
				r.Extended = nil
			}
			return r, err
		}
	}},
	"keeps the caller's document": {"contract/document/what_the_caller_does", func(f *faulty) {
		kept := make(map[string]*protocol.Result)
		f.store = func(_ context.Context, docs []*protocol.Result) []error {
			for _, d := range docs {
				kept[d.TaskID] = d
			}
			return nil
		}
		f.get = func(_ context.Context, id string) (*protocol.Result, error) { return kept[id], nil }
	}},
	"forgets nothing": {"contract/forget/forgotten_documents", func(f *faulty) {
		f.forget = func(context.Context, []string) error { return nil }
	}},
	"counts what it did not clean up": {"contract/forget/cleaning_up", func(f *faulty) {
		f.cleanup = func(context.Context) (int, error) { return 1, nil }
	}},
	"tells nothing of before": {"contract/watch/a_document_stored_before", func(f *faulty) {
		f.watch = func(ctx context.Context, ids []string, notify func(*protocol.Result)) (func(), error) {
			f.Backend.Forget(ctx, ids)
			return f.Backend.Watch(ctx, ids, notify)
		}
	}},
	"tells nothing of later": {"contract/watch/a_document_stored_later", func(f *faulty) {
		f.watch = func(ctx context.Context, ids []string, notify func(*protocol.Result)) (func(), error) {
			stop, err := f.Backend.Watch(ctx, ids, notify)
			if err == nil {
				stop()
			}
			return stop, err
		}
	}},
	"ends a watch with its context": {"contract/watch/a_watcher_outlives", func(f *faulty) {
		f.watch = func(ctx context.Context, ids []string, notify func(*protocol.Result)) (func(), error) {
			return f.Backend.Watch(ctx, ids, func(r *protocol.Result) {
				if ctx.Err() == nil {
					notify(r)
				}
			})
		}
	}},
	"tells after stop": {"contract/watch/after_stop", func(f *faulty) {
		f.watch = func(ctx context.Context, ids []string, notify func(*protocol.Result)) (func(), error) {
			_, err := f.Backend.Watch(ctx, ids, notify)
			return func() {}, err
		}
	}},
	"tells what a SUCCESS made void": {"contract/watch/a_write_that", func(f *faulty) {
		var told []func(*protocol.Result)
		f.watch = func(ctx context.Context, ids []string, notify func(*protocol.Result)) (func(), error) {
			told = append(told, notify)
			return f.Backend.Watch(ctx, ids, notify)
		}
		f.store = func(ctx context.Context, docs []*protocol.Result) []error {
			errs := f.Backend.Store(ctx, docs)
			for _, notify := range told {
				for _, d := range docs {
					notify(d)
				}
			}
			return errs
		}
	}},
	"stops all watchers at once": {"contract/watch/stopping_one", func(f *faulty) {
		var stops []func()
		f.watch = func(ctx context.Context, ids []string, notify func(*protocol.Result)) (func(), error) {
			stop, err := f.Backend.Watch(ctx, ids, notify)
			stops = append(stops, stop)
			return func() {
				for _, stop := range stops {
					stop()
				}
			}, err
		}
	}},
	"expires nothing": {"contract/peer/an_expired_document", nil},
	"leaks a goroutine": {"close/unused", func(f *faulty) {
		go func() { select {} }()
	}},
	"closes but once": {"close/twice", func(f *faulty) {
		f.close = func() error {
			if f.closures++; f.closures > 1 {
				return context.Canceled
			}
			return f.Backend.Close()
		}
	}},
	"works after Close": {"close/what_is_called", func(f *faulty) {
		f.store = func(context.Context, []*protocol.Result) []error { return nil }
	}},
}

// TestTheSuiteFindsFaults runs the suite in a process of its own over each faulty backend: it must fail there, and only
// there.
func TestTheSuiteFindsFaults(t *testing.T) {
	for _, name := range append(slices.Sorted(maps.Keys(faults)), "") {
		t.Run(cmp.Or(name, "is sound"), func(t *testing.T) {
			t.Parallel()
			cmd := exec.Command(os.Args[0], "-test.run=^TestFaulty$/"+faults[name].test, "-test.v")
			cmd.Env = append(os.Environ(), "UMBEL_TEST_FAULT="+name, "UMBEL_TEST_FAULTY=1")
			out, err := cmd.CombinedOutput()
			switch {
			case name == "" && err != nil:
				t.Fatalf("the suite fails over a sound backend: %v\n%s", err, out)
			case name != "" && err == nil:
				t.Fatalf("the suite passes over a backend that %s\n%s", name, out)
			case name != "" && !strings.Contains(string(out), "--- FAIL: TestFaulty/"+strings.TrimSuffix(faults[name].test, "$")):
				t.Fatalf("the suite fails elsewhere over a backend that %s\n%s", name, out)
			}
		})
	}
}

// TestFaulty is the suite over the altered backend, for the process that TestTheSuiteFindsFaults starts.
func TestFaulty(t *testing.T) {
	if os.Getenv("UMBEL_TEST_FAULTY") == "" {
		t.Skip("run by TestTheSuiteFindsFaults")
	}
	name := os.Getenv("UMBEL_TEST_FAULT")
	limit = 10 * time.Second
	if name != "" {
		limit = 2 * time.Second
	}
	open := func(t *testing.T, c backend.Config) backend.Backend {
		c.URL = "memory://" + strings.NewReplacer("/", ".", "#", ".").Replace(t.Name())
		if name == "expires nothing" {
			c.Expires = -1
		}
		b, err := memory.Open(context.Background(), c)
		if err != nil {
			t.Fatal(err)
		}
		f := &faulty{Backend: b}
		if alter := faults[name].alter; alter != nil {
			alter(f)
		}
		s := &faultySchedules{Schedules: b.(backend.Schedules)}
		if alter := alterSchedules[name]; alter != nil {
			alter(s)
		}
		return struct {
			backend.Backend
			backend.Schedules
		}{f, s}
	}
	Run(t, func(t *testing.T) backend.Backend { return open(t, backend.Config{}) }, Options{Peer: open})
}
