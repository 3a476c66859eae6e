"""A Celery worker on a task that does nothing; it tells the runner of the first and the last."""
import multiprocessing
import os
import time

from celery import Celery

app = Celery("bench", broker=os.environ["BENCH_AMQP"])
app.conf.update(
    task_default_queue=os.environ["BENCH_QUEUE"],
    result_backend=os.environ["BENCH_RESULTS"] or None,
    worker_prefetch_multiplier=int(os.environ["BENCH_PREFETCH"]) // int(os.environ["BENCH_CONCURRENCY"]),
)

target = int(os.environ["BENCH_N"])
count = multiprocessing.Value("q", 0)  # shared by the children, which are forked later


def say(name):
    # Not print: the worker sends that to its log.
    os.write(1, f"mark {name} {time.time_ns()}\n".encode())


@app.task(name="bench.noop")
def noop(text):
    with count.get_lock():
        count.value += 1
        n = count.value
    if n == 1:
        say("first")
    if n == target:
        say("last")
