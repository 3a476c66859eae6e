package main

import (
	"fmt"
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
	"github.com/umbel-go/umbel/internal/testenv"
)

// BenchmarkOrdersBesideReports measures how long an order takes, from its sending to its receipt, while nothing else is to be done and
// while a thousand reports wait and are written: on RabbitMQ, Redis and PostgreSQL, with a worker of their own for each. The reports'
// worker runs at the lowest priority, for want of a machine of its own. (Of an order's time 80 ms are the bank's.)
//
//	go test -run '^$' -bench OrdersBesideReports -benchtime 1x ./examples/shop
func BenchmarkOrdersBesideReports(b *testing.B) {
	f := &fleet{rabbit: testenv.RabbitMQ(b), folder: b.TempDir()}
	database := testenv.Postgres(b).URL()
	results := testenv.Redis(b).URL()
	f.env = append(os.Environ(), asProgram+"=1", "SHOP_DIR="+f.folder, "SHOP_DATABASE_URL="+database,
		"CELERY_BROKER_URL="+f.rabbit.URL(), "CELERY_RESULT_BACKEND="+results)
	s, err := newShop(places{Folder: f.folder, Database: database})
	if err != nil {
		b.Fatal(err)
	}
	defer s.close()
	file := filepath.Join(f.folder, "umbel.yaml")
	if err := os.WriteFile(file, settings, 0o644); err != nil {
		b.Fatal(err)
	}
	_, err = s.app.Load(umbel.LoadOptions{File: file, Environ: []string{}, Flags: map[string]string{"broker_url": f.rabbit.URL(), "result_backend": results}})
	if err != nil {
		b.Fatal(err)
	}
	ctx := b.Context()
	if err := s.stock(ctx); err != nil {
		b.Fatal(err)
	}
	if err := s.importPast(ctx, 20_000); err != nil {
		b.Fatal(err)
	}
	for i, line := range workerLines[:3] { // orders, confirmations, reports
		args := append([]string{os.Args[0]}, strings.Fields(line)...)
		if strings.Contains(line, "reports") {
			args = append([]string{"nice", "-n", "19"}, args...)
		}
		cmd := exec.CommandContext(ctx, args[0], args[1:]...)
		log, err := os.Create(filepath.Join(f.folder, fmt.Sprintf("worker%d.log", i)))
		if err != nil {
			b.Fatal(err)
		}
		defer log.Close()
		cmd.Env, cmd.Stdout, cmd.Stderr = f.env, log, log
		if err := cmd.Start(); err != nil {
			b.Fatal(err)
		}
		defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	}
	for _, q := range []string{"high_priority", "default", "reports"} {
		f.rabbit.AwaitQueue(q, func(q testenv.RabbitQueue) bool { return q.Consumers == 1 })
	}
	orders := func(n int) time.Duration { // twenty a second
		ids, err := s.place(ctx, n)
		if err != nil {
			b.Fatal(err)
		}
		took := make([]time.Duration, n)
		var wg sync.WaitGroup
		pace := time.NewTicker(50 * time.Millisecond)
		defer pace.Stop()
		for i, id := range ids {
			<-pace.C
			wg.Go(func() {
				begun := time.Now()
				sent, err := s.process(ctx, []int64{id})
				if err == nil {
					_, err = sent[0].Get(ctx)
				}
				if err != nil {
					b.Error(err)
				}
				took[i] = time.Since(begun)
			})
		}
		wg.Wait()
		slices.Sort(took)
		return took[n*99/100]
	}
	s.bank.Moody = 0
	orders(40) // warm
	for b.Loop() {
		const n = 400
		idle := orders(n)
		for range 1000 {
			id, err := s.store.NextReport(ctx)
			if err != nil {
				b.Fatal(err)
			}
			if _, err := s.reports.Generate.Send(ctx, reports.Report{ID: id}); err != nil {
				b.Fatal(err)
			}
		}
		busy := orders(n)
		left, _ := f.rabbit.Queue("reports")
		b.ReportMetric(float64(idle.Microseconds())/1e3, "idle-p99-ms")
		b.ReportMetric(float64(busy.Microseconds())/1e3, "busy-p99-ms")
		b.ReportMetric(float64(busy)/float64(idle), "busy/idle")
		b.ReportMetric(float64(left.Messages), "reports-left")
	}
}
