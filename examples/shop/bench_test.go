package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/examples/shop/reports"
	"github.com/umbel-go/umbel/examples/shop/store"
	"github.com/umbel-go/umbel/internal/testenv"
)

// BenchmarkOrdersBesideReports measures how long an order takes, from the sending of process_order until its receipt has come, which
// says that it is paid: while nothing else is to be done (idle), and while a thousand reports wait and two are being written (busy).
// RabbitMQ, Redis and PostgreSQL, a worker process for each queue, all on this machine. Idle and busy take turns, in pairs that begin
// with either, so that what else the machine does meets both; the bank answers after 80 ms, and always, so that what is measured is
// queueing and not its moods. The reports' worker gets what cores others leave (SCHED_IDLE), which is what its operator would do where it
// has no machine of its own.
//
// An iteration is a pair:
//
//	go test -run '^$' -bench OrdersBesideReports -benchtime 5x ./examples/shop
func BenchmarkOrdersBesideReports(b *testing.B) {
	const (
		n    = 400                   // orders of each half of a pair
		pace = 25 * time.Millisecond // from one order to the next
	)
	f := newFleet(b)
	database := testenv.Postgres(b).URL()
	f.env = append(f.env, "SHOP_DATABASE_URL="+database, "SHOP_BANK=steady")
	s := f.here(places{Folder: f.folder, Database: database})
	defer s.close()
	ctx := b.Context()
	if err := s.stock(ctx); err != nil {
		b.Fatal(err)
	}
	if err := s.importPast(ctx, 20_000); err != nil {
		b.Fatal(err)
	}
	for _, line := range workerLines[:3] { // orders, confirmations, reports
		f.beside(strings.Contains(line, "reports"), line)
	}
	for _, q := range []string{"high_priority", "default", "reports"} {
		f.rabbit.AwaitQueue(q, func(q testenv.RabbitQueue) bool { return q.Consumers == 1 })
	}
	orders := func(n int) []time.Duration {
		ids, err := s.place(ctx, n)
		if err != nil {
			b.Fatal(err)
		}
		took := make([]time.Duration, n)
		var wg sync.WaitGroup
		next := time.NewTicker(pace)
		defer next.Stop()
		for i, id := range ids {
			<-next.C
			wg.Go(func() {
				begun := time.Now()
				sent, err := s.process(ctx, []int64{id})
				if err != nil {
					b.Error(err)
					return
				}
				receipt, err := sent[0].Get(ctx)
				if err != nil || receipt.State != store.Paid && receipt.State != store.SoldOut {
					b.Errorf("%+v, %v", receipt, err)
				}
				took[i] = time.Since(begun)
			})
		}
		wg.Wait()
		return took
	}
	written := 0
	busy := func() []time.Duration {
		const queued = 1000
		asked := make([]reports.Report, queued)
		for i := range asked {
			id, err := s.store.NextReport(ctx)
			if err != nil {
				b.Fatal(err)
			}
			asked[i].ID = id
		}
		if _, err := s.reports.Generate.SendMany(ctx, asked); err != nil {
			b.Fatal(err)
		}
		f.rabbit.AwaitQueue("reports", func(q testenv.RabbitQueue) bool { return q.Messages-q.Ready >= 2 })
		took := orders(n)
		left := f.rabbit.AwaitQueue("reports", func(q testenv.RabbitQueue) bool { return true }).Messages
		if left < queued/2 {
			b.Errorf("only %d reports were still waiting at the end", left)
		}
		written += queued - left
		f.shop("purge", "-f", "-Q", "reports")
		f.rabbit.AwaitQueue("reports", func(q testenv.RabbitQueue) bool { return q.Messages == 0 })
		return took
	}
	orders(100) // warm
	var calm, beside []time.Duration
	var ratios []float64
	for b.Loop() {
		pair := len(ratios)
		halves := []func(){
			func() { calm = append(calm, orders(n)...) },
			func() { beside = append(beside, busy()...) },
		}
		if pair%2 == 1 {
			slices.Reverse(halves)
		}
		halves[0]()
		halves[1]()
		ratios = append(ratios, float64(quantile(beside[pair*n:], 99))/float64(quantile(calm[pair*n:], 99)))
	}
	slices.Sort(ratios)
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1e3 }
	for name, took := range map[string][]time.Duration{"idle": calm, "busy": beside} {
		b.ReportMetric(ms(quantile(took, 50)), name+"-p50-ms")
		b.ReportMetric(ms(quantile(took, 99)), name+"-p99-ms")
	}
	b.ReportMetric(float64(quantile(beside, 99))/float64(quantile(calm, 99)), "busy/idle") // of all pairs together
	b.ReportMetric(ratios[0], "lowest-pair")
	b.ReportMetric(ratios[len(ratios)-1], "highest-pair")
	b.ReportMetric(float64(written), "reports-written")
	b.ReportMetric(0, "ns/op") // the pace decides it
}

// quantile is the time that q of a hundred do not exceed.
func quantile(took []time.Duration, q int) time.Duration {
	took = slices.Sorted(slices.Values(took))
	return took[(len(took)*q-1)/100]
}

// here is the shop of the fleet in this process, to send from.
func (f *fleet) here(p places) *shop {
	f.t.Helper()
	s, err := newShop(p)
	if err != nil {
		f.t.Fatal(err)
	}
	file := filepath.Join(f.folder, "umbel.yaml")
	if err := os.WriteFile(file, settings, 0o644); err != nil {
		f.t.Fatal(err)
	}
	env := make(map[string]string)
	for _, v := range f.env {
		name, value, _ := strings.Cut(v, "=")
		env[name] = value
	}
	_, err = s.app.Load(umbel.LoadOptions{File: file, Environ: []string{}, Flags: map[string]string{
		"broker_url": env["CELERY_BROKER_URL"], "result_backend": env["CELERY_RESULT_BACKEND"]}})
	if err != nil {
		f.t.Fatal(err)
	}
	return s
}

// beside starts a worker that is killed when the test ends; one that yields runs when nobody else wants to.
func (f *fleet) beside(yields bool, line string) {
	f.t.Helper()
	args := append([]string{os.Args[0]}, strings.Fields(line)...)
	if yields {
		args = append([]string{"chrt", "--idle", "0"}, args...)
	}
	cmd := exec.CommandContext(f.t.Context(), args[0], args[1:]...)
	log, err := os.CreateTemp(f.folder, "beside-*.log")
	if err != nil {
		f.t.Fatal(err)
	}
	cmd.Env, cmd.Stdout, cmd.Stderr = f.env, log, log
	if err := cmd.Start(); err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait(); _ = log.Close() })
}
