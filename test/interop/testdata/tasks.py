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
