package main

import (
	"context"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/umbel-go/umbel/worker"
)

// crew are the shop's workers, when they live in one process. As processes of their own they are these command lines:
//
//	shop worker -Q high_priority --concurrency=8 --loglevel=info --max-tasks-per-child=100 -n high_priority_worker@%h
//	shop worker -Q default --concurrency=4 --loglevel=info -n default_worker@%h
//	shop worker -Q reports --concurrency=2 --loglevel=info --max-tasks-per-child=50 -n reports_worker@%h
//	shop worker -Q maintenance --concurrency=1 --loglevel=info -n maintenance_worker@%h
//	shop worker -Q low_priority,notifications …
var crew = []worker.Config{
	{Nodename: "high_priority_worker@%h", Queues: []string{"high_priority"}, Concurrency: 8},
	{Nodename: "default_worker@%h", Queues: []string{"default"}, Concurrency: 4},
	{Nodename: "low_priority_worker@%h", Queues: []string{"low_priority"}, Concurrency: 1},
	{Nodename: "reports_worker@%h", Queues: []string{"reports"}, Concurrency: 2},
	{Nodename: "maintenance_worker@%h", Queues: []string{"maintenance"}, Concurrency: 1},
	{Nodename: "notifications_worker@%h", Queues: []string{"notifications"}, Concurrency: 2},
}

// startCrew runs all workers until stop is called, which lets running tasks finish; it may be called again. ready is closed when all consume.
func (s *shop) startCrew(ctx context.Context) (ready <-chan struct{}, stop func() error) {
	ctx, cancel := context.WithCancel(ctx)
	g, ctx := errgroup.WithContext(ctx)
	all := make(chan struct{})
	consuming := make(chan struct{}, len(crew))
	for _, c := range crew {
		c.Pool = "goroutine" // a child of this process would begin the shop anew
		c.OnReady = func() { consuming <- struct{}{} }
		g.Go(func() error { return worker.New(s.app, c).Run(ctx) })
	}
	g.Go(func() error {
		for range crew {
			select {
			case <-consuming:
			case <-ctx.Done():
				return nil
			}
		}
		close(all)
		return nil
	})
	return all, sync.OnceValue(func() error { cancel(); return g.Wait() })
}
