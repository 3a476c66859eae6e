package main

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// interval is how often the picture is drawn: often where it moves, seldom where it scrolls.
func (s *screen) interval() time.Duration {
	if s.live {
		return 80 * time.Millisecond
	}
	return time.Second
}

// show draws how things stand.
func (d *demo) show(ctx context.Context) error {
	rows, err := d.rows(ctx)
	if err != nil {
		return err
	}
	orders, mails := d.board.of("high_priority"), d.board.of("notifications")
	written, of := 0, d.past+d.today
	if p := d.progress.Load(); p != nil {
		written, of = p.Done, p.Of
	}
	if !d.screen.live {
		d.screen.print("  %5.1f s  orders %d of %d, mails %d, report %s of %s rows", time.Since(d.begun).Seconds(),
			orders.done, d.today, mails.done, thousands(written), thousands(of))
		return nil
	}
	title := fmt.Sprintf("  %-14s %6s %8s %8s %8s %8s %7s", "queue", "slots", "running", "waiting", "done", "retried", "failed")
	lines := append([]string{d.screen.colour(2, title)}, rows...)
	lines = append(lines, "",
		fmt.Sprintf("  orders  %s  %d of %d", d.screen.bar(orders.done, d.today), orders.done, d.today),
		fmt.Sprintf("  report  %s  %s of %s rows", d.screen.bar(written, of), thousands(written), thousands(of)),
		d.screen.colour(2, fmt.Sprintf("  %.1f s", time.Since(d.begun).Seconds())),
	)
	d.screen.draw(lines)
	return nil
}

// rows are the lines of the table, one for each queue.
func (d *demo) rows(ctx context.Context) ([]string, error) {
	b, err := d.app.Broker(ctx)
	if err != nil {
		return nil, err
	}
	var rows []string
	for _, c := range crew {
		queue := strings.Join(c.Queues, ",")
		stat, err := b.Stat(ctx, queue)
		if err != nil {
			return nil, err
		}
		t := d.board.of(queue)
		waiting := max(0, stat.Ready+max(0, stat.Unsettled)-t.running) // in the queue, or in the worker for a later retry
		rows = append(rows, fmt.Sprintf("  %-14s %6d %s %8s %s %s %s", queue, c.Concurrency,
			d.figure(t.running, 8, 1), thousands(waiting), d.figure(t.done, 8, 32), d.figure(t.retried, 8, 33), d.figure(t.failed, 7, 31)))
	}
	return rows, nil
}

// figure is a number in a column, coloured unless it is nothing.
func (d *demo) figure(n, width, colour int) string {
	text := fmt.Sprintf("%*s", width, thousands(n))
	if n == 0 {
		colour = 2
	}
	return d.screen.colour(colour, text)
}
