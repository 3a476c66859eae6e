"""Runs the code of each line of its input in one namespace, and answers each with one line.

{"code": "…", "given": […]} → {"value": …} of the last expression, or {"error": {…}}
"""
import ast
import datetime
import json
import os
import sys

answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)  # what the libraries print is no answer

import tasks
from celery import chain, chord, group, signature
from celery.exceptions import TimeoutError
from celery.result import AsyncResult

world = vars(tasks) | {
    "app": tasks.app, "chain": chain, "chord": chord, "group": group, "signature": signature, "datetime": datetime, "sent": {},
}
app = tasks.app
world["old"] = tasks.make(task_protocol=1)
world["rpc"] = tasks.make(result_backend="rpc://")


def send(name, *args, **options):
    """send_task to the Go worker's queue; keyword arguments of the task go into kwargs={…}."""
    options.setdefault("queue", "go")
    return app.send_task(name, args, **options)


class NoResult(Exception):
    """Nothing came in time."""


def get(r, timeout=90):
    """AsyncResult.get, asked again when it was not woken.

    Celery's client sends SUBSCRIBE on one connection, does not wait for the answer, and looks for the result on another
    one: Redis may serve the look and a fast worker's PUBLISH first, and then nobody wakes the client (seen with MONITOR).
    Asking again looks again.
    """
    r = AsyncResult(r, app=app) if isinstance(r, str) else r
    for _ in range(timeout // 2):
        try:
            return r.get(timeout=2)
        except TimeoutError:
            pass
    ids = [m.id for m in getattr(r, "results", [r])]
    raise NoResult("no result within %s s; stored is %r" % (timeout, {i: document(i) for i in ids}))


def fails(r, timeout=90):
    """How a task failed, as its caller sees it."""
    r = AsyncResult(r, app=app) if isinstance(r, str) else r
    try:
        value = get(r, timeout)
    except NoResult:
        raise
    except Exception as e:
        return caught(e, r)
    raise AssertionError("it did not fail: %r" % (value,))


def caught(e, r):
    return {"type": type(e).__name__, "module": type(e).__module__, "args": [str(a) for a in e.args], "state": r.state,
            "traceback": r.traceback, "bases": [c.__name__ for c in type(e).__mro__]}


def document(r):
    return json.loads(app.backend.client.get("celery-task-meta-" + (r if isinstance(r, str) else r.id)) or "null")


def shown(id):
    """Everything that a client is shown of a task: its document, and what AsyncResult makes of it."""
    r = AsyncResult(id, app=app)
    raw = document(id)
    view = {"document": raw, "members": list(raw) if raw else None}
    for name in "state", "status", "name", "args", "kwargs", "worker", "retries", "queue", "task_id", "traceback":
        view[name] = getattr(r, name)
    for name in "result", "info", "date_done":
        view[name] = described(getattr(r, name))
    for name in "ready", "successful", "failed":
        view[name] = getattr(r, name)()
    view["children"] = described(r.children)
    if r.ready():
        view["get"] = described(r.get(propagate=False))
        try:
            view["raised"] = None
            r.get()
        except Exception as e:
            view["raised"] = described(e)
    return view


def described(v):
    if isinstance(v, BaseException):
        return {"type": type(v).__name__, "module": type(v).__module__, "args": [repr(a) for a in v.args], "text": str(v), "repr": repr(v),
                "bases": [c.__name__ for c in type(v).__mro__]}
    return {"type": type(v).__name__, "value": repr(v)}


world.update(shown=shown)
world.update(send=send, get=get, fails=fails, document=document, AsyncResult=lambda id, app=app: AsyncResult(id, app=app))


def run(code, given):
    world["given"] = given
    body = ast.parse(code).body
    last = body.pop() if body and isinstance(body[-1], ast.Expr) else None
    exec(compile(ast.Module(body, []), "<line>", "exec"), world)
    return eval(compile(ast.Expression(last.value), "<line>", "eval"), world) if last else None


for line in sys.stdin:
    asked = json.loads(line)
    try:
        answer = {"value": run(asked["code"], asked.get("given"))}
        text = json.dumps(answer, default=repr)
    except Exception as e:
        import traceback
        text = json.dumps({"error": {"type": type(e).__name__, "text": str(e), "traceback": traceback.format_exc()}})
    answers.write(text + "\n")
    answers.flush()
