#!/usr/bin/env python3
"""Runs the shop's tasks in Python, in place of the Go worker of any queue: same names, arguments, results, rows, files, mails, and audit trail.

    export CELERY_BROKER_URL=amqp://guest:guest@localhost// CELERY_RESULT_BACKEND=redis://localhost/0 SHOP_DIR=.
    ./worker.py -Q notifications                # or any other queue, and Celery's other options

It shares shop.db, reports/ and outbox/ of SHOP_DIR with the Go side, which has made the tables (`shop seed`).
"""
import sys

import notifications  # noqa: F401  the tasks
import orders  # noqa: F401
import reports  # noqa: F401
import store
from client import shop

shop.conf.update(
    task_acks_late=True,  # a worker that dies leaves its task to another one
    task_acks_on_failure_or_timeout=False,  # what fails for good goes to QUEUE.dlq
    worker_prefetch_multiplier=1,
    result_expires=3600,
)

if __name__ == "__main__":
    store.check()
    shop.worker_main(["worker", "-n", "python@%h", "-l", "info", "--without-gossip", "--without-mingle", *sys.argv[1:]])
