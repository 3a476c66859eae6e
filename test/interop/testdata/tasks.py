"""The Python side: a Celery app that knows nothing of Umbel, and its tasks.

Its settings are the file that the Go side loads, too: neither has one that the other does not know.
"""
import datetime
import decimal
import json
import os
import signal
import sys
import time
import uuid

from celery import Celery
from celery.exceptions import Ignore, Reject

with open(os.environ["INTEROP_SETTINGS"]) as f:
    settings = json.load(f)


def make(**more):
    made = Celery("interop", set_as_current=False)
    made.conf.update(settings, **more)
    return made


app = make(**json.loads(os.environ.get("INTEROP_MORE", "{}")))


class OrderError(Exception):
    """An exception of the application's own."""


@app.task(name="py.echo")
def echo(*args, **kwargs):
    return {"args": args, "kwargs": kwargs}


@app.task(name="py.add")
def add(x, y, scale=1):
    return (x + y) * scale


@app.task(name="py.types")
def types(*args):
    return [[type(a).__name__, repr(a)] for a in args]


@app.task(name="py.typed")
def typed():
    return {
        "at": datetime.datetime(2026, 11, 23, 10, 0, 9, 163799, tzinfo=datetime.timezone.utc),
        "day": datetime.date(2026, 2, 3),
        "price": decimal.Decimal("1234567890.10"),
        "key": uuid.UUID("12345678-1234-5678-1234-567812345678"),
        "none": None,
        "big": 2**70,
        "ratio": 1.0,
        "text": "grüße ☂ \U0001f600",
    }


@app.task(name="py.fail")
def fail(kind="value"):
    if kind == "value":
        raise ValueError("boom", 42)
    if kind == "own":
        raise OrderError("order 7 is closed")
    if kind == "chained":
        try:
            {}["missing"]
        except KeyError as e:
            raise RuntimeError("outer") from e
    if kind == "ignore":
        raise Ignore()
    if kind == "reject":
        raise Reject("no thanks", requeue=False)
    raise AssertionError(kind)


@app.task(name="py.progress", bind=True)
def progress(self):
    """Reports, waits until a client has seen it, and ends."""
    self.update_state(state="PROGRESS", meta={"done": 3, "of": 10})
    await_word(self.request.id)
    self.update_state(state="PACKING", meta=["box", 7])
    await_word(self.request.id)
    return "packed"


def await_word(task_id):
    """A client says "go on" by a key in Redis."""
    word = app.backend.client.blpop("go-on-" + task_id, timeout=30)
    assert word, "nobody said to go on"


@app.task(name="py.request", bind=True)
def request(self, *args, **kwargs):
    r = self.request
    return {
        "id": r.id, "task": r.task, "retries": r.retries, "eta": r.eta, "expires": r.expires,
        "root_id": r.root_id, "parent_id": r.parent_id, "group": r.group, "shadow": r.shadow,
        "timelimit": r.timelimit, "argsrepr": r.argsrepr, "kwargsrepr": r.kwargsrepr, "origin": r.origin,
        "ignore_result": r.ignore_result, "reply_to": r.reply_to, "correlation_id": r.correlation_id,
        "priority": (r.delivery_info or {}).get("priority"), "routing_key": (r.delivery_info or {}).get("routing_key"),
        "exchange": (r.delivery_info or {}).get("exchange"),
        "lang": r.get("lang"), "tenant": r.get("tenant"), "stamps": r.get("stamps"), "stamped_headers": r.get("stamped_headers"),
        "args": args, "kwargs": kwargs,
    }


@app.task(name="py.trace", bind=True)
def trace(self):
    # as opentelemetry-instrumentation-celery reads them: attributes of the request
    return {name: getattr(self.request, name, None) for name in ("traceparent", "tracestate")}


@app.task(name="py.sleep")
def sleep(seconds):
    time.sleep(seconds)
    return "slept"


@app.task(name="py.ignored", ignore_result=True)
def ignored():
    return "nobody reads this"


@app.task(name="py.now")
def now():
    return time.time()


@app.task(name="py.retry", bind=True, max_retries=5)
def retry(self, times):
    if self.request.retries < times:
        raise self.retry(exc=ValueError("again"), countdown=0)
    return self.request.retries


@app.task(name="shared.flaky", bind=True, max_retries=3)
def flaky(self, first, then=None):
    """The first attempt in the language that is named, the next one in the other."""
    if self.request.retries == 0 and first == "python":
        raise self.retry(args=(first,), exc=OrderError("try elsewhere"), countdown=0.1, queue=then)
    return ["python", self.request.retries, first]


@app.task(name="shared.relay", bind=True, max_retries=5)
def relay(self, then):
    """An attempt between two of the other language's."""
    raise self.retry(exc=OrderError("and back"), countdown=0.1, queue=then)


@app.task(name="shared.survive", acks_late=True)
def survive(text):
    if os.environ.get("INTEROP_HANG"):
        say("survive: started")
        time.sleep(600)
    return "python saw " + text


@app.task(name="shared.die")
def die(how):
    if how == "exit":
        os._exit(3)
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(600)


@app.task(name="shared.die.late", acks_late=True)
def die_late(how):
    die(how)


def say(text):
    print(text, file=sys.stderr, flush=True)


# What each state shows: the same tasks as in shown_tasks_test.go.


@app.task(name="state.ok")
def state_ok(x):
    return {"got": x}


@app.task(name="state.fail")
def state_fail():
    raise ValueError("boom")


@app.task(name="state.fail.late", acks_late=True)
def state_fail_late():
    raise ValueError("boom")


@app.task(name="state.fail.rejected", acks_late=True, acks_on_failure_or_timeout=False)
def state_fail_rejected():
    raise ValueError("boom")


@app.task(name="state.ignore")
def state_ignore():
    raise Ignore()


@app.task(name="state.reject")
def state_reject():
    raise Reject("no thanks", requeue=False)


@app.task(name="state.reject.late", acks_late=True)
def state_reject_late():
    raise Reject("no thanks", requeue=False)


@app.task(name="state.requeue.late", bind=True, acks_late=True)
def state_requeue_late(self):
    if not self.request.delivery_info["redelivered"]:
        raise Reject("not now", requeue=True)
    return "the second time"


@app.task(name="state.retry", bind=True, max_retries=1)
def state_retry(self, countdown):
    raise self.retry(exc=ValueError("again"), countdown=countdown)


@app.task(name="state.retry.bare", bind=True, max_retries=1)
def state_retry_bare(self, countdown):
    raise self.retry(countdown=countdown)


@app.task(name="state.retry.auto", autoretry_for=(ValueError,), max_retries=1, default_retry_delay=2)
def state_retry_auto():
    raise ValueError("again")


@app.task(name="state.retry.once", bind=True, max_retries=1)
def state_retry_once(self):
    if self.request.retries == 0:
        raise self.retry(exc=ValueError("again"), countdown=0)
    return "the second time"


@app.task(name="state.hang")
def state_hang():
    time.sleep(600)


@app.task(name="state.hang.late", acks_late=True)
def state_hang_late():
    time.sleep(600)


@app.task(name="state.wait", bind=True, track_started=True)
def state_wait(self, folder):
    await_file(os.path.join(folder, self.request.id))
    return "done"


@app.task(name="state.progress", bind=True)
def state_progress(self, folder):
    self.update_state(state="PROGRESS", meta={"done": 3, "of": 10})
    await_file(os.path.join(folder, self.request.id))
    return "done"


def await_file(path):
    deadline = time.monotonic() + 60
    while not os.path.exists(path):
        assert time.monotonic() < deadline, "nobody made " + path
        time.sleep(0.02)


@app.task(name="state.lost")
def state_lost():
    os.kill(os.getpid(), signal.SIGKILL)


@app.task(name="state.lost.late", acks_late=True)
def state_lost_late():
    os.kill(os.getpid(), signal.SIGKILL)


@app.task(name="state.lost.again", bind=True, acks_late=True, reject_on_worker_lost=True)
def state_lost_again(self):
    if not self.request.delivery_info["redelivered"]:
        os.kill(os.getpid(), signal.SIGKILL)
    return "the second time"


@app.task(name="state.unwanted", ignore_result=True)
def state_unwanted():
    return "nobody reads this"


@app.task(name="state.unwanted.fails", ignore_result=True)
def state_unwanted_fails():
    raise ValueError("boom")


@app.task(name="state.stored.fails", ignore_result=True, store_errors_even_if_ignored=True)
def state_stored_fails():
    raise ValueError("boom")


@app.task(name="state.odd")
def state_odd():
    return object()


@app.task(name="state.parent")
def state_parent(queue, child):
    app.send_task("state.ok", (1,), queue=queue, task_id=child)
    return "sent"


@app.task(name="py.note")
def note(what):
    app.backend.client.rpush("notes", what)


@app.task(name="py.sum")
def py_sum(*args):
    def total(x):
        return sum(map(total, x)) if isinstance(x, list) else x

    return total(list(args))


@app.task(name="py.list")
def py_list(*args):
    return list(args)


@app.task(name="py.boom")
def py_boom(*args):
    raise ValueError("boom")


@app.task(name="py.errback")
def py_errback(task_id):
    return task_id


@app.task(name="py.replaced", bind=True)
def py_replaced(self, x):
    raise self.replace(app.signature("go.sum", (x, 1), queue="go") | app.signature("py.sum", (10,), queue="py"))


for name, task in (("sum", py_sum), ("list", py_list), ("boom", py_boom)):
    app.task(name="canvas." + name)(task.run)
