package metrics

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

// The guide's six metrics under Amazon's names, of the broker and of each queue, tasks, and how many workers are wanted.
func TestCloudWatchIsToldOfTheFleet(t *testing.T) {
	t.Parallel()
	w := start(t)
	w.work()
	want := map[string]float64{
		"MessageCount Environment=test Broker=mq":                     42,
		"ConsumerCount Environment=test Broker=mq":                    5,
		"PublishRate Environment=test Broker=mq":                      12.5,
		"ConfirmRate Environment=test Broker=mq":                      12,
		"AckRate Environment=test Broker=mq":                          11,
		"ConnectionCount Environment=test Broker=mq":                  7,
		"RabbitMQMemUsed Environment=test Broker=mq Node=rabbit@one":  1e8,
		"RabbitMQMemLimit Environment=test Broker=mq Node=rabbit@one": 4e8,
		"ConsumerCount Environment=test Queue=celery":                 1,
		"PublishRate Environment=test Queue=celery":                   1.5,
		"AckRate Environment=test Queue=celery":                       0.5,
		"TasksFailed Environment=test Task=m.fails":                   1,
		"WorkerCount Environment=test":                                1,
	}
	present := []string{"MessageCount Environment=test Queue=celery", "BacklogPerWorker Environment=test Queue=celery",
		"DesiredWorkers Environment=test Queue=celery", "TasksSucceeded Environment=test Task=m.ok", "TaskDuration Environment=test Task=m.ok"}
	for late := time.After(patience); ; {
		w.sky.mu.Lock()
		seen := maps.Clone(w.sky.seen)
		w.sky.mu.Unlock()
		var missing []string
		for key, value := range want {
			if d, ok := seen["Umbel/"+key]; !ok || d.Value != value {
				missing = append(missing, key)
			}
		}
		for _, key := range present {
			if _, ok := seen["Umbel/"+key]; !ok {
				missing = append(missing, key)
			}
		}
		if len(missing) == 0 {
			return
		}
		select {
		case <-w.sky.told:
		case <-late:
			t.Fatalf("not told, or not so:\n%s\ntold:\n%s", strings.Join(missing, "\n"), strings.Join(slices.Sorted(maps.Keys(seen)), "\n"))
		}
	}
}
