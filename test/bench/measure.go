package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"time"
)

// results are all figures by trial and name, one of each round.
type results map[string]map[string][]float64

// measure runs all rounds and writes the report.
func measure(ctx context.Context) error {
	f, err := parseFlags()
	if err != nil {
		return err
	}
	if f.profile != "" {
		if err := os.MkdirAll(f.profile, 0o755); err != nil {
			return err
		}
	}
	began := time.Now()
	s, err := startServers(ctx)
	if err != nil {
		return err
	}
	defer s.stop()
	m := &meter{flags: &f, servers: s}
	if m.umbel, err = buildUmbel(ctx, s.dir); err != nil {
		return err
	}
	got := make(results)
	for round := range f.rounds {
		for _, t := range trials(&f) {
			if t.most > 0 && round >= t.most {
				continue
			}
			fs, err := t.run(ctx, m, t.name)
			if err != nil {
				return fmt.Errorf("%s: %w", t.name, err)
			}
			got.add(t.name, fs)
			fmt.Fprintf(os.Stderr, "%4.0fs  round %d  %-25s %v\n", time.Since(began).Seconds(), round+1, t.name, fs)
		}
	}
	return write(f.out, report(&f, got, m.describe(ctx)))
}

func (r results) add(trial string, fs figures) {
	if r[trial] == nil {
		r[trial] = make(map[string][]float64)
	}
	for name, v := range fs {
		r[trial][name] = append(r[trial][name], v)
	}
}

// median is 0, false when nothing was measured.
func (r results) median(trial, name string) (float64, bool) {
	all := slices.Sorted(slices.Values(r[trial][name]))
	if len(all) == 0 {
		return 0, false
	}
	return (all[(len(all)-1)/2] + all[len(all)/2]) / 2, true
}

// spread is the smallest and the largest.
func (r results) spread(trial, name string) (low, high float64) {
	all := r[trial][name]
	return slices.Min(all), slices.Max(all)
}

// String is for progress.
func (f figures) String() string {
	var out string
	for _, name := range []string{"rate", "cpu", "server", "p50", "p99", "before", "rss", "each", "lag", "behind", "known", "chain", "chord", "workers", "started", "start failures", "connections", "channels", "queues", "consumers", "rss before", "client rss", "idle cpu", "idle clients", "idle messages", "ping", "load cpu", "load rss", "least", "most",
		"closing", "drop", "drop rss", "drop cpu", "drop failures", "ping again", "restart", "restart rss", "ping last", "stop"} {
		if v, ok := f[name]; ok {
			out += fmt.Sprintf("%s %.4g  ", name, v)
		}
	}
	return out
}
