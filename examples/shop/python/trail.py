"""The audit trail: an entry for each change, in the change's transaction, and one for the end of each run of a task."""
import hashlib
import json
import time

from celery import current_task, signals

import store


def actor(request):
    """On whose behalf something is done: task, worker, id, and a sum of the arguments."""
    arguments = json.dumps([request.args or [], request.kwargs or {}], separators=(",", ":"))
    return f"task {request.task}", request.hostname or "", hashlib.sha256(arguments.encode()).hexdigest(), request.id


def note(db, action, thing, outcome="", request=None, **detail):
    """Appends an entry within a transaction. Of detail that is kept which is not empty."""
    who, origin, args, task = actor(request or current_task.request)
    text = json.dumps({name: value for name, value in detail.items() if value}, separators=(",", ":"))
    db.execute("INSERT INTO audit (at, who, origin, action, object, outcome, args, task, detail) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
               (time.time_ns() // 1_000_000, who, origin, action, thing, outcome, args, task, text))


def ended(request, outcome):
    with store.change() as db:
        note(db, "task.end", f"task/{request.id}", outcome, request)


@signals.task_postrun.connect
def ran(task, state, **_):
    ended(task.request, state)


@signals.task_revoked.connect
def revoked(request, expired, **_):
    ended(request, "EXPIRED" if expired else "REVOKED")
