package main

import (
	"fmt"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/umbel-go/umbel/examples/shop/reports"
	"github.com/umbel-go/umbel/internal/testenv"
	"github.com/umbel-go/umbel/internal/testenv/objectserver"
)

// BenchmarkThreeMoreReportWorkers measures how many reports a second are made by one worker of two slots, and by four of them, and what
// orders feel of it. The object store is far away, and answers each request after a quarter of a second: so that four workers can be
// shown on one machine, which has no four times as many cores.
//
//	go test -run '^$' -bench ThreeMoreReportWorkers -benchtime 1x ./examples/shop
func BenchmarkThreeMoreReportWorkers(b *testing.B) {
	const (
		made = 48                     // reports of each half
		far  = 250 * time.Millisecond // to the object store and back
	)
	f := newFleet(b)
	objects := objectserver.Start(b)
	behind, err := url.Parse(objects.Endpoint())
	if err != nil {
		b.Fatal(err)
	}
	wire := httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		select {
		case <-time.After(far):
		case <-r.In.Context().Done():
		}
		r.SetURL(behind)
		r.Out.Host = r.In.Host // which is signed
	}})
	b.Cleanup(wire.Close)
	place := strings.Replace(objects.URL("csv"), url.QueryEscape(objects.Endpoint()), url.QueryEscape(wire.URL), 1)
	database := testenv.Postgres(b).URL()
	f.env = append(append(f.env, objectserver.Environ()...), "SHOP_DATABASE_URL="+database, "SHOP_BANK=steady", "SHOP_OBJECTS_URL="+place)
	s := f.here(places{Folder: f.folder, Database: database})
	defer s.close()
	ctx := b.Context()
	if err := s.stock(ctx); err != nil {
		b.Fatal(err)
	}
	if err := s.importPast(ctx, 500); err != nil {
		b.Fatal(err)
	}
	f.beside(false, workerLines[0])
	f.beside(false, workerLines[1])
	crew := 0
	hire := func(n int) {
		for ; crew < n; crew++ {
			f.beside(true, fmt.Sprintf("worker -Q reports --concurrency=2 -n reports%d@%%h", crew))
		}
		f.rabbit.AwaitQueue("reports", func(q testenv.RabbitQueue) bool { return q.Consumers == n })
	}
	half := func() (rate float64, orders []time.Duration) {
		asked := make([]reports.Report, made)
		for i := range asked {
			id, err := s.store.NextReport(ctx)
			if err != nil {
				b.Fatal(err)
			}
			asked[i].ID = id
		}
		asking := time.Now()
		sent, err := s.reports.Generate.SendMany(ctx, asked)
		if err != nil {
			b.Fatal(err)
		}
		ended := make(chan time.Time, 1)
		go func() {
			defer close(ended)
			for _, r := range sent {
				if _, err := r.Get(ctx); err != nil {
					b.Error(err)
					return
				}
			}
			ended <- time.Now()
		}()
		for {
			ids, err := s.place(ctx, 1)
			if err != nil {
				b.Fatal(err)
			}
			begun := time.Now()
			order, err := s.process(ctx, ids)
			if err == nil {
				_, err = order[0].Get(ctx)
			}
			if err != nil {
				b.Fatal(err)
			}
			orders = append(orders, time.Since(begun))
			select {
			case at := <-ended:
				return made / at.Sub(asking).Seconds(), orders
			default:
			}
		}
	}
	for b.Loop() { // once: who is hired stays
		hire(1)
		alone, calm := half()
		hire(4)
		together, beside := half()
		b.ReportMetric(alone, "reports/s-of-1")
		b.ReportMetric(together, "reports/s-of-4")
		b.ReportMetric(together/alone, "times")
		b.ReportMetric(float64(quantile(calm, 50).Microseconds())/1e3, "order-p50-ms-beside-1")
		b.ReportMetric(float64(quantile(beside, 50).Microseconds())/1e3, "order-p50-ms-beside-4")
		b.ReportMetric(0, "ns/op")
	}
}
