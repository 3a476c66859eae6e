// Package interop tests Umbel against real Python Celery, both ways: Python's producers with our worker, our producers with
// Python's worker, each reading the other's results, on RabbitMQ and Redis over TLS with a private authority.
//
//	testdata/tasks.py    a Celery app; its worker runs these tasks
//	testdata/client.py   a Celery client that the tests drive line by line
//
// Both sides load one settings file.
package interop
