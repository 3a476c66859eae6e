package history

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/umbel-go/umbel/event"
)

// workersMost bounds the workers that are remembered: hosts of containers come and go.
const workersMost = 5000

// SaveWorkers writes what was last heard of workers.
func (s *Store) SaveWorkers(ctx context.Context, list []event.Worker, now time.Time) error {
	rows := make([][]any, 0, len(list))
	for _, w := range list {
		doc, err := json.Marshal(w)
		if err != nil {
			continue // a load that is no number
		}
		rows = append(rows, []any{clean(w.Hostname), now.UnixMilli(), clean(string(doc))})
	}
	err := s.db.write(ctx, func(t tx) error {
		err := t.many(`INSERT INTO workers (name, heard, doc) VALUES (?, ?, ?)
ON CONFLICT (name) DO UPDATE SET heard = excluded.heard, doc = excluded.doc`, rows)
		if err == nil {
			_, err = t.exec(`DELETE FROM workers WHERE name NOT IN (SELECT name FROM workers ORDER BY heard DESC LIMIT ?)`, workersMost)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("write workers: %w", err)
	}
	return nil
}

// ForgetWorker removes a worker.
func (s *Store) ForgetWorker(ctx context.Context, name string) error {
	return s.db.write(ctx, func(t tx) error {
		_, err := t.exec(`DELETE FROM workers WHERE name = ?`, clean(name))
		return err
	})
}

// Workers are the workers that were written, by name.
func (s *Store) Workers(ctx context.Context) (list []event.Worker, err error) {
	err = s.db.read(ctx, func(t tx) error {
		list = nil
		var doc string
		return t.each(`SELECT doc FROM workers ORDER BY name`, nil, []any{&doc}, func() error {
			var w event.Worker
			if json.Unmarshal([]byte(doc), &w) == nil {
				list = append(list, w)
			}
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("read workers: %w", err)
	}
	return list, nil
}
