package reports_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/examples/shop/notifications"
	"github.com/umbel-go/umbel/examples/shop/objects"
	"github.com/umbel-go/umbel/examples/shop/reports"
	"github.com/umbel-go/umbel/examples/shop/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type fixture struct {
	*reports.Tasks
	app            *umbel.App
	store          *store.Store
	folder, outbox string
}

func setup(t *testing.T) *fixture {
	t.Helper()
	dir := t.TempDir()
	f := &fixture{app: umbel.New("test", umbel.WithConfig(umbel.Config{BrokerURL: []string{"memory://" + t.Name()}})),
		store: store.New(filepath.Join(dir, "shop.db")), folder: filepath.Join(dir, "reports"), outbox: filepath.Join(dir, "outbox")}
	f.app.Eager(true)
	f.Tasks = reports.Register(f.app, f.store, objects.Folder(f.folder), notifications.Register(f.app, notifications.Outbox(f.outbox), f.store))
	t.Cleanup(func() { _ = f.store.Close() })
	return f
}

// books fills three days of January with an order each; the second customer's name is a formula.
func (f *fixture) books(t *testing.T) {
	t.Helper()
	if err := f.store.Stock(t.Context(), []store.Article{{SKU: "dill", Name: "Dill, mammoth", Price: 250}}); err != nil {
		t.Fatal(err)
	}
	day := time.Date(2026, 1, 1, 12, 30, 0, 0, time.UTC)
	err := f.store.ImportOrders(t.Context(), []store.Order{
		{Customer: "ada@example.com", SKU: "dill", Quantity: 2, Total: 500, State: store.Paid, Placed: day, Payment: "PAY-1"},
		{Customer: `=HYPERLINK("x","y")`, SKU: "dill", Quantity: 1, Total: 250, State: store.SoldOut, Placed: day.Add(24 * time.Hour)},
		{Customer: "eve@example.com", SKU: "dill", Quantity: 3, Total: 750, State: store.Paid, Placed: day.Add(48 * time.Hour), Payment: "PAY-3"},
	})
	if err != nil {
		t.Fatal(err)
	}
}

func (f *fixture) files(t *testing.T) []string {
	t.Helper()
	entries, err := os.ReadDir(f.folder)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func (f *fixture) generate(t *testing.T, in reports.Report) (reports.Summary, error) {
	t.Helper()
	r, err := f.Generate.Send(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	return r.Get(t.Context())
}

func TestAReportHoldsTheOrdersOfItsDays(t *testing.T) {
	f := setup(t)
	f.books(t)
	for name, c := range map[string]struct {
		since, until *umbel.Date
		want         []string
	}{
		"all days": {nil, nil, []string{
			`1,2026-01-01T12:30:00Z,ada@example.com,dill,2,5.00,paid,PAY-1`,
			`2,2026-01-02T12:30:00Z,"'=HYPERLINK(""x"",""y"")",dill,1,2.50,sold_out,`,
			`3,2026-01-03T12:30:00Z,eve@example.com,dill,3,7.50,paid,PAY-3`}},
		"from the first up to the third": {&umbel.Date{Year: 2026, Month: 1, Day: 1}, &umbel.Date{Year: 2026, Month: 1, Day: 3}, []string{
			`1,2026-01-01T12:30:00Z,ada@example.com,dill,2,5.00,paid,PAY-1`,
			`2,2026-01-02T12:30:00Z,"'=HYPERLINK(""x"",""y"")",dill,1,2.50,sold_out,`}},
		"another year": {nil, &umbel.Date{Year: 2025, Month: 1, Day: 1}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			id, err := f.store.NextReport(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			made, err := f.generate(t, reports.Report{ID: id, Since: c.since, Until: c.until})
			if err != nil {
				t.Fatal(err)
			}
			text, err := os.ReadFile(filepath.Join(f.folder, made.File))
			if err != nil {
				t.Fatal(err)
			}
			want := strings.Join(append([]string{"order,placed,customer,article,quantity,total,state,payment"}, c.want...), "\n") + "\n"
			if string(text) != want {
				t.Errorf("file:\n%swant:\n%s", text, want)
			}
			sum := sha256.Sum256(text)
			if made.SHA256 != hex.EncodeToString(sum[:]) || made.Bytes != int64(len(text)) || made.Rows != len(c.want) {
				t.Errorf("%+v does not describe a file of %d bytes", made, len(text))
			}
		})
	}
}

func TestAReportIsMadeOnce(t *testing.T) {
	f := setup(t)
	f.books(t)
	var wg sync.WaitGroup
	var mu sync.Mutex
	seen := make(map[reports.Summary]int)
	for range 6 {
		wg.Go(func() {
			made, err := f.generate(t, reports.Report{ID: 7, Email: "owner@example.com"})
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			seen[made]++
			mu.Unlock()
		})
	}
	wg.Wait()
	if len(seen) != 1 {
		t.Errorf("six runs gave different results: %v", seen)
	}
	// Later, with more orders in the books, it is still the same report.
	f.books(t)
	if made, err := f.generate(t, reports.Report{ID: 7}); err != nil || seen[made] == 0 {
		t.Errorf("a seventh run gave %+v, %v", made, err)
	}
	if files := f.files(t); len(files) != 1 {
		t.Errorf("files: %v, want one", files)
	}
	mails, err := os.ReadDir(f.outbox)
	if err != nil || len(mails) != 1 {
		t.Errorf("mails: %v, %v, want one", mails, err)
	}
}

func TestAReportThatIsCutShortLeavesNothing(t *testing.T) {
	f := setup(t)
	f.books(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := f.Generate.Call(ctx, reports.Report{ID: 7}); err == nil {
		t.Error("a report was made after its task was cancelled")
	}
	if files := f.files(t); len(files) != 0 {
		t.Errorf("files: %v, want none", files)
	}
	if r, err := f.store.Report(t.Context(), 7); err == nil && r.State == store.Ready {
		t.Errorf("row: %+v, want none that is ready", r)
	}
}

func TestAReportWithoutANumberFails(t *testing.T) {
	f := setup(t)
	var failed *umbel.TaskError
	if _, err := f.generate(t, reports.Report{ID: 0}); !errors.As(err, &failed) || !strings.Contains(failed.Message, "report_id") {
		t.Errorf("got %v", err)
	}
}

// expire adds n reports that have expired, with files of ten bytes, and one that has not.
func (f *fixture) expire(t *testing.T, n int) {
	t.Helper()
	for i := range n + 1 {
		r := store.Report{ID: int64(i + 1), File: fmt.Sprintf("report-%d.csv", i+1), Bytes: 10, Made: time.Now(), Expires: time.Now().Add(-time.Hour)}
		if i == n {
			r.Expires = time.Now().Add(time.Hour)
		}
		if _, err := f.store.BeginReport(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		if err := objects.Folder(f.folder).Put(t.Context(), r.File, write("0123456789")); err != nil {
			t.Fatal(err)
		}
		if _, err := f.store.FinishReport(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
}

func write(text string) func(io.Writer) error {
	return func(w io.Writer) error { _, err := io.WriteString(w, text); return err }
}

func (f *fixture) clean(t *testing.T, in reports.Cleanup) (reports.Cleaned, error) {
	t.Helper()
	r, err := f.Cleanup.Send(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	return r.Get(t.Context())
}

func TestCleanupRemovesWhatHasExpiredBatchByBatch(t *testing.T) {
	f := setup(t)
	f.expire(t, 25)
	want := reports.Cleaned{DryRun: true, Reports: 25, Bytes: 250, Batches: 3}
	if got, err := f.clean(t, reports.Cleanup{DryRun: true, Batch: 10}); err != nil || got != want {
		t.Errorf("dry run: %+v, %v, want %+v", got, err, want)
	}
	if n := len(f.files(t)); n != 26 {
		t.Fatalf("%d files after a dry run, want all 26", n)
	}
	want.DryRun = false
	if got, err := f.clean(t, reports.Cleanup{Batch: 10}); err != nil || got != want {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	if files := f.files(t); len(files) != 1 || files[0] != "report-26.csv" {
		t.Errorf("files: %v, want the one that has not expired", files)
	}
	if got, err := f.clean(t, reports.Cleanup{}); err != nil || got != (reports.Cleaned{}) {
		t.Errorf("a second run: %+v, %v, want nothing to do", got, err)
	}
}

func TestCleanupGoesOnWhereItWasInterrupted(t *testing.T) {
	f := setup(t)
	f.expire(t, 25)
	stuck := filepath.Join(f.folder, "report-15.csv") // a folder with something in it cannot be removed
	if err := errors.Join(os.Remove(stuck), os.MkdirAll(filepath.Join(stuck, "x"), 0o755)); err != nil {
		t.Fatal(err)
	}
	if _, err := f.clean(t, reports.Cleanup{Batch: 10}); err == nil {
		t.Fatal("the second batch could be removed")
	}
	left, err := f.store.ExpiredReports(t.Context(), time.Now(), reports.Keep, 0, 100)
	if err != nil || len(left) != 15 {
		t.Fatalf("%d rows are left, %v, want those of the second and third batch", len(left), err)
	}
	if err := os.RemoveAll(stuck); err != nil {
		t.Fatal(err)
	}
	// Four files of the second batch are gone already, and this one.
	want := reports.Cleaned{Reports: 15, Bytes: 150, Batches: 2}
	if got, err := f.clean(t, reports.Cleanup{Batch: 10}); err != nil || got != want {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	if files := f.files(t); len(files) != 1 {
		t.Errorf("files: %v, want one", files)
	}
}

func TestCleanupRefusesSenselessBatches(t *testing.T) {
	f := setup(t)
	for _, n := range []int{-1, 10_001} {
		if _, err := f.clean(t, reports.Cleanup{Batch: n}); err == nil {
			t.Errorf("batch %d was taken", n)
		}
	}
}

// An attempt that was killed after its file was whole leaves it to the next one, which counts it and notes it.
func TestAReportTakesUpTheFileOfAnAttemptThatDied(t *testing.T) {
	f := setup(t)
	f.books(t)
	const text = "order,placed\n1,\"a\nb\"\n2,c\n"
	if err := objects.Folder(f.folder).Put(t.Context(), "report-7.csv", write(text)); err != nil {
		t.Fatal(err)
	}
	made, err := f.generate(t, reports.Report{ID: 7})
	want := reports.Summary{ReportID: 7, File: "report-7.csv", Rows: 2, Bytes: int64(len(text)), SHA256: store.Hash([]byte(text))}
	if err != nil || made != want {
		t.Errorf("got %+v, %v, want %+v", made, err, want)
	}
	if files := f.files(t); len(files) != 1 {
		t.Errorf("files: %v, want one", files)
	}
}

func TestACancelledReportIsNotMade(t *testing.T) {
	f := setup(t)
	f.books(t)
	id, _, err := f.store.RequestReport(t.Context(), store.Report{Until: time.Now()}, store.Key{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.store.CancelReport(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	var failed *umbel.TaskError
	if _, err := f.generate(t, reports.Report{ID: id, Email: "owner@example.com"}); !errors.As(err, &failed) || !strings.Contains(failed.Message, "cancelled") {
		t.Errorf("got %v", err)
	}
	if files := f.files(t); len(files) != 0 {
		t.Errorf("files: %v, want none", files)
	}
	if _, err := os.Stat(f.outbox); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a mail was sent (%v)", err)
	}
}

func TestAReportThatFailsSaysSoOnItsRow(t *testing.T) {
	f := setup(t)
	f.books(t)
	if err := os.WriteFile(f.folder, nil, 0o644); err != nil { // where the folder should be
		t.Fatal(err)
	}
	id, _, err := f.store.RequestReport(t.Context(), store.Report{Until: time.Now()}, store.Key{})
	if err != nil {
		t.Fatal(err)
	}
	r, err := f.store.Report(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	result, err := f.Generate.Send(t.Context(), reports.Report{ID: id}, umbel.TaskID(r.Task))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := result.Get(t.Context()); err == nil {
		t.Error("a report was made without a folder")
	}
	if r, err := f.store.Report(t.Context(), id); err != nil || r.State != store.Failed || r.Error == "" {
		t.Errorf("row: %+v, %v, want it failed, and why", r, err)
	}
	if trail, err := f.store.Audit(t.Context(), fmt.Sprintf("report/%d", id), 0, 1); err != nil || len(trail) != 1 || trail[0].Action != store.ReportFailed ||
		trail[0].Who != "task "+store.GenerateReport || trail[0].Task != r.Task {
		t.Errorf("the trail says %+v, %v, want that the task gave up", trail, err)
	}
}

func TestCleanupRemovesFilesThatNoReportKnows(t *testing.T) {
	f := setup(t)
	f.expire(t, 0)
	age := func(name string) {
		old := time.Now().Add(-48 * time.Hour)
		if err := os.Chtimes(filepath.Join(f.folder, name), old, old); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"report-90.csv", "report-91.csv", "thesis.txt", ".unfinished-report-92.csv-1", ".unfinished-report-93.csv-1"} {
		if err := os.WriteFile(filepath.Join(f.folder, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	age("report-1.csv") // known, and kept
	age("report-90.csv")
	age("thesis.txt")
	age(".unfinished-report-92.csv-1")
	if got, err := f.clean(t, reports.Cleanup{DryRun: true}); err != nil || got.Orphans != 1 {
		t.Errorf("dry run: %+v, %v", got, err)
	}
	if got, err := f.clean(t, reports.Cleanup{}); err != nil || got.Orphans != 2 || got.Reports != 0 {
		t.Errorf("got %+v, %v, want two orphans", got, err)
	}
	if got := strings.Join(f.files(t), " "); got != ".unfinished-report-93.csv-1 report-1.csv report-91.csv thesis.txt" {
		t.Errorf("left: %s", got)
	}
}
