package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/cli"
	"github.com/umbel-go/umbel/examples/shop/orders"
	"github.com/umbel-go/umbel/examples/shop/reports"
	"github.com/umbel-go/umbel/protocol"
)

// A demo is one run of the shop before somebody's eyes, on the embedded broker.
type demo struct {
	*shop
	board  *board
	screen *screen
	begun  time.Time

	past, today int   // orders
	before      int64 // the last order of the past

	receipts []*umbel.Result[orders.Receipt]
	report   *umbel.Result[reports.Summary]
	cleanup  *umbel.Result[reports.Cleaned]
	progress atomic.Pointer[reports.Progress] // of the report
}

// demoTimeout bounds the whole demo; it takes a few seconds.
const demoTimeout = 2 * time.Minute

func (s *shop) demoCommand() cli.Command {
	var folder string
	var today, past int
	return cli.Command{
		Name: "demo", Summary: "everything in one process, on one SQLite file, for a few seconds",
		Flags: func(f *flag.FlagSet) {
			f.StringVar(&folder, "dir", "", "empty or new `FOLDER` for everything; default is a temporary one")
			f.IntVar(&today, "orders", 300, "`N` orders to process")
			f.IntVar(&past, "past", 30_000, "`N` orders of the past, for the report")
		},
		Run: func(ctx context.Context, _ []string, std cli.Std) error { // in a shop of its own
			dir, err := emptyFolder(folder)
			if err != nil {
				return err
			}
			_, err = runDemo(ctx, dir, past, today, std.Out)
			return err
		},
	}
}

// emptyFolder makes a folder, or takes one that is empty.
func emptyFolder(name string) (string, error) {
	if name == "" {
		return os.MkdirTemp("", "umbel-demo-")
	}
	if err := os.MkdirAll(name, 0o755); err != nil {
		return "", err
	}
	entries, err := os.ReadDir(name)
	if err == nil && len(entries) > 0 {
		err = fmt.Errorf("folder %s is not empty: name another one", name)
	}
	if err != nil {
		return "", err
	}
	return name, nil
}

// runDemo opens a shop in an empty folder, runs it until all is done, and closes it.
func runDemo(ctx context.Context, folder string, past, today int, out io.Writer) (o *outcome, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, demoTimeout, fmt.Errorf("the demo took longer than %v", demoTimeout))
	defer cancel()
	s, err := newShop(places{Folder: folder})
	if err != nil {
		return nil, err
	}
	d := &demo{shop: s, board: newBoard(), screen: newScreen(out), begun: time.Now(), past: past, today: today}
	defer func() { err = errors.Join(err, d.close()) }()
	log, err := os.Create(filepath.Join(folder, "worker.log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	d.app.SetLogger(slog.New(slog.NewTextHandler(log, nil)))
	d.app.Use(d.board)
	if err := d.load(); err != nil {
		return nil, err
	}

	d.screen.print("\n  %s %s\n", d.screen.colour(32, "❀"), d.screen.colour(1, "the shop, on one SQLite file: "+folder))
	if err := d.prepare(ctx); err != nil {
		return nil, err
	}
	ready, stop := d.startCrew(ctx)
	defer func() { err = errors.Join(err, stop()) }()
	select {
	case <-ready:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if err := d.send(ctx); err != nil {
		return nil, err
	}
	if o, err = d.watch(ctx); err != nil {
		return nil, err
	}
	if err := stop(); err != nil { // now everything is acknowledged, too
		return nil, err
	}
	if err := d.show(ctx); err != nil {
		return nil, err
	}
	return o, d.tell(ctx, o)
}

// load writes the shop's settings into the folder, so that every command works there, and takes them; what the
// environment says about brokers is not for the demo.
func (d *demo) load() error {
	file := filepath.Join(d.folder, "umbel.yaml")
	if err := os.WriteFile(file, settings, 0o644); err != nil {
		return err
	}
	db, err := filepath.Abs(filepath.Join(d.folder, "umbel.db"))
	if err != nil {
		return err
	}
	broker := url.URL{Scheme: "sqlite", Path: filepath.ToSlash(db)}
	_, err = d.app.Load(umbel.LoadOptions{File: file, Environ: []string{}, Flags: map[string]string{"broker_url": broker.String()}})
	return err
}

// prepare fills shelves and books.
func (d *demo) prepare(ctx context.Context) error {
	if err := d.stock(ctx); err != nil {
		return err
	}
	if err := d.importPast(ctx, d.past); err != nil {
		return err
	}
	if err := d.importExpired(ctx, 3); err != nil {
		return err
	}
	var err error
	d.before, err = d.store.LastOrder(ctx)
	return err
}

// send places today's orders and sends all tasks.
func (d *demo) send(ctx context.Context) error {
	d.begun = time.Now()
	ids, err := d.place(ctx, d.today)
	if err != nil {
		return err
	}
	if d.receipts, err = d.process(ctx, ids); err != nil {
		return err
	}
	report, err := d.store.NextReport(ctx)
	if err != nil {
		return err
	}
	if d.report, err = d.reports.Generate.Send(ctx, reports.Report{ID: report, Email: "owner@example.com"}); err != nil {
		return err
	}
	if _, err := d.reports.Cleanup.Send(ctx, reports.Cleanup{DryRun: true}, umbel.Queue("low_priority")); err != nil {
		return err
	}
	d.cleanup, err = d.reports.Cleanup.Send(ctx, reports.Cleanup{})
	return err
}

// watch shows what happens until nothing more does.
func (d *demo) watch(ctx context.Context) (*outcome, error) {
	type end struct {
		*outcome
		err error
	}
	ended := make(chan end, 1)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		o, err := d.await(ctx)
		ended <- end{o, err}
	}()
	every := time.NewTicker(d.screen.interval())
	defer every.Stop()
	for {
		select {
		case e := <-ended:
			return e.outcome, e.err
		case <-every.C:
			if err := d.show(ctx); err != nil && ctx.Err() == nil {
				cancel()
				<-ended
				return nil, err
			}
		}
	}
}

// await collects results, and waits for the mails, of which nobody has the results.
func (d *demo) await(ctx context.Context) (*outcome, error) {
	err := d.report.Watch(ctx, func(doc *protocol.Result) {
		var p reports.Progress
		if doc.Status == umbel.Progress && doc.Result.Decode(&p) == nil {
			d.progress.Store(&p)
		}
	})
	if err != nil {
		return nil, err
	}
	o := &outcome{}
	if o.report, err = d.report.Get(ctx); err != nil {
		return nil, err
	}
	d.progress.Store(&reports.Progress{Done: o.report.Rows, Of: o.report.Rows})
	if o.cleaned, err = d.cleanup.Get(ctx); err != nil {
		return nil, err
	}
	for _, r := range d.receipts {
		receipt, err := r.Get(ctx)
		if err != nil {
			return nil, err
		}
		o.add(receipt)
	}
	for d.board.of("notifications").done < o.paid+1 { // one for each paid order, one for the report
		select {
		case <-d.board.changed:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		if failed := d.board.of("default").failed + d.board.of("notifications").failed; failed > 0 {
			return nil, fmt.Errorf("%d mails could not be sent: see %s", failed, filepath.Join(d.folder, "worker.log"))
		}
	}
	o.took, o.retried = time.Since(d.begun), d.board.of("high_priority").retried
	return o, nil
}
