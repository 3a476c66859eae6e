#!/usr/bin/env python3
"""Sends the shop's tasks from Python. All it knows of them are their names, queues and arguments.

    export CELERY_BROKER_URL=amqp://guest:guest@localhost// CELERY_RESULT_BACKEND=redis://localhost/0
    ./client.py order 1 2 3                     # process_order, a receipt for each
    ./client.py report 7 --since 2026-01-01     # generate_report, with its progress
    ./client.py cleanup --dry-run               # cleanup_expired_reports
    ./client.py call apps.orders.tasks.send_order_confirmation '{"order_id": 1}'      # any task; or several, one after the other

Needs Celery and redis (Debian: python3-celery python3-redis). Each result is printed as one line of JSON.
"""
import argparse
import json
import os
import time

from celery import Celery
from celery.result import ResultSet
from kombu import Exchange, Queue

shop = Celery("client", broker=os.environ["CELERY_BROKER_URL"], backend=os.environ["CELERY_RESULT_BACKEND"])

# As in a Django project's settings; whoever declares a queue must say the same of it.
shop.conf.update(
    broker_transport_options={"confirm_publish": True},
    task_queue_max_priority=10,
    task_default_priority=5,
    task_default_queue="default",
    task_queues=[
        Queue(name, Exchange(name), name, queue_arguments={"x-dead-letter-exchange": "dlx", "x-dead-letter-routing-key": name + ".dlq"})
        for name in ("high_priority", "default", "low_priority", "reports", "maintenance", "notifications")
    ],
    task_routes={
        "apps.orders.tasks.process_order": {"queue": "high_priority", "priority": 10},
        "apps.orders.tasks.send_order_confirmation": {"queue": "default", "priority": 5},
        "apps.reports.tasks.generate_report": {"queue": "reports", "priority": 5},
        "apps.reports.tasks.cleanup_expired_reports": {"queue": "maintenance", "priority": 1},
        "apps.notifications.tasks.send_mail": {"queue": "notifications"},
    },
)


def order(options):
    results = [shop.send_task("apps.orders.tasks.process_order", kwargs={"order_id": n}) for n in options.id]
    for receipt in ResultSet(results, app=shop).get(timeout=options.timeout):
        print(json.dumps(receipt))


def report(options):
    period = {"since": options.since, "until": options.until, "email": options.email}
    result = shop.send_task("apps.reports.tasks.generate_report", args=[options.id],
                            kwargs={name: value for name, value in period.items() if value})
    deadline, seen = time.monotonic() + options.timeout, None
    while not result.ready() and time.monotonic() < deadline:
        if result.state == "PROGRESS" and result.info != seen:
            seen = result.info
            print(f"{seen['done']} of {seen['of']} rows")
        time.sleep(0.05)
    print(json.dumps(result.get(timeout=options.timeout)))


def cleanup(options):
    result = shop.send_task("apps.reports.tasks.cleanup_expired_reports", kwargs={"dry_run": options.dry_run})
    print(json.dumps(result.get(timeout=options.timeout)))


def call(options):
    for name, kwargs in zip(options.call[::2], [*options.call[1::2], "{}"]):
        result = shop.send_task(name, kwargs=json.loads(kwargs))
        value = result.get(timeout=options.timeout, propagate=False)
        print(json.dumps({"failed": str(value)} if result.failed() else value))


def main():
    parser = argparse.ArgumentParser(description="Send the shop's tasks.")
    parser.add_argument("--timeout", type=float, default=60, help="seconds to wait for a result")
    commands = parser.add_subparsers(required=True, metavar="TASK")

    command = commands.add_parser("order", help="process orders that were placed")
    command.add_argument("id", type=int, nargs="+")
    command.set_defaults(run=order)

    command = commands.add_parser("report", help="write orders to a CSV file")
    command.add_argument("id", type=int)
    command.add_argument("--since", help="first day, such as 2026-01-02")
    command.add_argument("--until", help="day after the last")
    command.add_argument("--email", help="who is told when it is ready")
    command.set_defaults(run=report)

    command = commands.add_parser("cleanup", help="remove expired reports")
    command.add_argument("--dry-run", action="store_true")
    command.set_defaults(run=cleanup)

    command = commands.add_parser("call", help="any task, by its name")
    command.add_argument("call", nargs="+", metavar="NAME [KWARGS]", help="a task and its arguments, as a JSON object")
    command.set_defaults(run=call)

    options = parser.parse_args()
    options.run(options)


if __name__ == "__main__":
    main()
