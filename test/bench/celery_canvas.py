"""A chord and chains through Celery: the worker's app, and as a program the client that times them."""
import os
import time

from celery import Celery, chain, chord
from celery.exceptions import TimeoutError

app = Celery("bench", broker=os.environ["BENCH_AMQP"], backend=os.environ["BENCH_RESULTS"])
app.conf.update(task_default_queue=os.environ["BENCH_QUEUE"], worker_prefetch_multiplier=200)


@app.task(name="bench.part")
def part(n):
    return n


@app.task(name="bench.total")
def total(parts):
    return len(parts)


def get(r):
    """get, asked again: Celery's client may miss the one message that would wake it."""
    while True:
        try:
            return r.get(timeout=60, interval=0.01)
        except TimeoutError:
            pass


def say(name, ns):
    os.write(1, f"mark {name} {ns}\n".encode())


if __name__ == "__main__":
    members, links = int(os.environ["BENCH_N"]), 100
    get(part.delay(1))
    took = []
    for _ in range(11):
        began = time.time_ns()
        get(chain(part.s(1), *[part.s() for _ in range(links - 1)]).apply_async())
        took.append(time.time_ns() - began)
    say("chain", sorted(took)[5])
    began = time.time_ns()
    assert get(chord([part.s(i) for i in range(members)], total.s()).apply_async()) == members
    say("chord", time.time_ns() - began)
