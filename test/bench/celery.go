package main

import (
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
)

//go:embed celery_worker.py
var celeryWorker []byte

// python is Debian's, for which the package python3-celery is.
const python = "/usr/bin/python3"

// startCelery starts a Celery worker, prefork, with nothing on that is not needed to run tasks.
func startCelery(b *brief) (*child, error) {
	if err := os.WriteFile(filepath.Join(b.dir, "celery_worker.py"), celeryWorker, 0o600); err != nil {
		return nil, err
	}
	results := b.results
	if results == "disabled" {
		results = ""
	}
	env := []string{"PYTHONPATH=" + b.dir, "PYTHONDONTWRITEBYTECODE=1", "C_FORCE_ROOT=1", "BENCH_AMQP=" + b.amqp, "BENCH_QUEUE=" + b.queue,
		"BENCH_RESULTS=" + results, fmt.Sprint("BENCH_N=", b.n), fmt.Sprint("BENCH_PREFETCH=", b.prefetch), fmt.Sprint("BENCH_CONCURRENCY=", b.concurrency)}
	args := []string{"-m", "celery", "-A", "celery_worker", "worker", "--pool", "prefork", "-c", fmt.Sprint(b.concurrency), "-Q", b.queue,
		"-l", "WARNING", "--without-gossip", "--without-mingle", "--without-heartbeat"}
	return startChild(b.name, python, args, env)
}
