package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/umbel-go/umbel/beat"
	"github.com/umbel-go/umbel/cli"
	"github.com/umbel-go/umbel/examples/shop/relay"
	"github.com/umbel-go/umbel/examples/shop/web"
)

// webFlags are the options of whatever shows the pages.
type webFlags struct {
	address  string
	password string // file
	lease    time.Duration
}

func (w *webFlags) add(f *flag.FlagSet) {
	f.StringVar(&w.address, "address", "127.0.0.1:8080", "listen at `HOST:PORT`; beyond this machine only with a password")
	f.StringVar(&w.password, "password-file", os.Getenv("SHOP_PASSWORD_FILE"), "ask everybody for the password in this `FILE`; default: SHOP_PASSWORD_FILE")
	f.DurationVar(&w.lease, "relay-lease", 10*time.Second, "tasks that a relay has taken are another's after this `DURATION`, if it has died")
}

// listen opens the port, and refuses to show a shop without a password to everybody.
func (w *webFlags) listen() (l net.Listener, password string, err error) {
	if w.password != "" {
		text, err := os.ReadFile(w.password)
		if err != nil {
			return nil, "", err
		}
		if password = strings.TrimSpace(string(text)); password == "" {
			return nil, "", fmt.Errorf("%s is empty: want a password", w.password)
		}
	}
	host, _, err := net.SplitHostPort(w.address)
	if err != nil {
		return nil, "", &cli.UsageError{Err: fmt.Errorf("--address: %w", err)}
	}
	if ip := net.ParseIP(host); password == "" && host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil, "", &cli.UsageError{Err: fmt.Errorf("--address %s would show the shop to everybody: give it a --password-file", w.address)}
	}
	l, err = net.Listen("tcp", w.address)
	return l, password, err
}

func (s *shop) webCommand() cli.Command {
	var f webFlags
	return cli.Command{
		Name: "web", Summary: "the pages and the JSON API, with a relay that empties the outbox",
		Help: `Show the pages and the JSON API. Orders and reports are written down with their
tasks, in one transaction; a relay in this process sends the tasks. Workers are
processes of their own: shop worker. Any number may run.`,
		Flags: f.add,
		Run: func(ctx context.Context, _ []string, std cli.Std) error {
			if err := s.settle(std); err != nil {
				return err
			}
			l, password, err := f.listen()
			if err != nil {
				return err
			}
			g, ctx := errgroup.WithContext(ctx)
			s.showPages(ctx, g, l, password, f.lease, std.Err)
			return errors.Join(g.Wait(), s.close())
		},
	}
}

// showPages serves until ctx ends, then gives requests a moment to finish.
func (s *shop) showPages(ctx context.Context, g *errgroup.Group, l net.Listener, password string, lease time.Duration, out io.Writer) {
	r := relay.New(s.app, s.store)
	r.Lease = lease
	g.Go(func() error { return r.Run(ctx) })
	g.Go(func() error {
		defer l.Close()
		if err := s.stock(ctx); err != nil {
			return err
		}
		h, err := web.Handler(web.Config{App: s.app, Store: s.store, Files: s.files, Relay: r, Password: password})
		if err != nil {
			return err
		}
		server := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute,
			BaseContext: func(net.Listener) context.Context { return ctx }} // streams of events end with it
		served := make(chan error, 1)
		go func() { served <- server.Serve(l) }()
		fmt.Fprintf(out, "the shop is open: http://%s/\n", l.Addr())
		select {
		case err := <-served:
			return err
		case <-ctx.Done():
		}
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		err = server.Shutdown(last)
		<-served
		return err
	})
}

func (s *shop) serveCommand() cli.Command {
	var f webFlags
	return cli.Command{
		Name: "serve", Summary: "everything in one process: pages, workers and beat, until you stop it",
		Help: `Run the pages, all workers and the scheduler in one process, on SQLite files in
the working folder: umbel.db for tasks, shop.db for orders. The shop's settings
are written into umbel.yaml where there is none. Nothing is opened beyond this
machine.`,
		Flags: f.add,
		Run: func(ctx context.Context, _ []string, std cli.Std) error {
			if err := s.settle(std); err != nil {
				return err
			}
			l, password, err := f.listen()
			if err != nil {
				return err
			}
			return errors.Join(s.serve(ctx, l, password, f.lease, std.Err), s.close())
		},
	}
}

// serve runs everything until ctx ends. Workers finish what they run.
func (s *shop) serve(ctx context.Context, l net.Listener, password string, lease time.Duration, out io.Writer) error {
	g, ctx := errgroup.WithContext(ctx)
	s.showPages(ctx, g, l, password, lease, out)
	_, stop := s.startCrew(ctx)
	g.Go(func() error { <-ctx.Done(); return stop() })
	g.Go(func() error { return beat.New(s.app, beat.Config{}).Run(ctx) })
	return g.Wait()
}
