"""Calls each task of Celery's integration tests by name, as those tests do, and says of each whether it did what they expect.

One line of JSON for each: {"task": …, "error": null or text}.
"""
import datetime
import json
import os
import sys
import tempfile
import time

import redis
from celery import Celery, chain, chord, group, signature
from celery.exceptions import ImproperlyConfigured, Reject, TimeoutError
from celery.result import AsyncResult, result_from_tuple

app = Celery("client", broker=os.environ["BROKER"], backend=os.environ["RESULTS"])
app.conf.update(result_extended=True, task_create_missing_queues=True)
store = redis.Redis(os.environ["REDIS_HOST"], int(os.environ["REDIS_PORT"]), db=0)
MODULE = "t.integration.tasks."
ran = set()


class ExpectedException(Exception):
    def __eq__(self, other):
        return type(self).__name__ == type(other).__name__ and self.args == other.args

    __hash__ = None


def s(name, *args, **kwargs):
    ran.add(name)
    return signature(MODULE + name, args, kwargs, app=app)


def get(r, timeout=100):
    """get, asked again: Celery's client may miss the one message that would wake it."""
    end = time.time() + timeout
    while True:
        try:
            return r.get(timeout=2)
        except TimeoutError:
            if time.time() > end:
                raise AssertionError("no result of %s; stored is %r" % (r.id, app.backend.get_task_meta(r.id)))


def call(name, *args, **kwargs):
    return get(s(name, *args, **kwargs).apply_async())


def fails(r):
    if not isinstance(r, AsyncResult):
        r = r.apply_async()
    try:
        v = get(r)
    except AssertionError:
        raise
    except Exception as e:
        m = app.backend.get_task_meta(r.id)
        return m["status"], type(m["result"]).__name__, list(m["result"].args)
    raise AssertionError("it gave %r" % (v,))


def same(got, want):
    assert got == want, "got %r, want %r" % (got, want)


def wait(f, want):
    for _ in range(1000):
        if f() == want:
            return
        time.sleep(0.1)
    same(f(), want)


def fresh(key):
    key = "%s-%s" % (key, os.urandom(6).hex())
    return key


def echoed(key):
    return [v.decode() for v in store.lrange(key, 0, -1)]


checks = []


def check(f):
    checks.append(f)
    return f


@check
def plain():
    same(call("identity", {"a": [1, None, "é"]}), {"a": [1, None, "é"]})
    same(call("add", 1, 2), 3)
    same(call("add", 1, y=2, z=4), 7)
    same(call("add", "a", "b"), "ab")
    same(call("mul", 3, 4), 12)
    same(call("add_not_typed", 1, 2), 3)
    same(call("tsum", [1, 2, 3]), 6)
    same(call("xsum", [[1, 2], 3, [4]]), 10)
    same(call("return_exception", "e"), ["e", True])
    same(call("replaced_with_me"), True)
    same(call("print_unicode"), None)
    same(call("sleeping", 0.01, fie="fum"), None)
    same(call("soft_time_limit_must_exceed_time_limit"), None)
    same(call("delayed_sum", [1, 2], pause_time=0.01), 3)
    same(call("delayed_sum_with_soft_guard", [1, 2], 0.01), 3)
    same(get(s("delayed_sum_with_soft_guard", [1, 2], 60).apply_async(soft_time_limit=1, time_limit=50)), 0)
    same(call("add_pydantic", {"x": 1, "y": 2}), {"result": 3})
    same(call("add_pydantic_string_annotations", {"x": 1, "y": 2}), {"result": 3})
    same(get(signature("celery.ping", app=app).apply_async()), "pong")


@check
def failures():
    same(fails(s("add_not_typed", 5))[:2], ("FAILURE", "TypeError"))
    same(fails(s("add_not_typed", 5, 6, 7))[:2], ("FAILURE", "TypeError"))
    same(fails(s("raise_error")), ("FAILURE", "ValueError", ["deliberate error"]))
    same(fails(s("fail", "a", 2)), ("FAILURE", "ExpectedException", ["Task expected to fail", "a", 2]))
    same(fails(s("reject_without_requeue")), ("FAILURE", "Reject", ["rejected", False]))
    status, kind, args = fails(s("fail_unpickleable", "foo", "bar"))
    assert status == "FAILURE" and "Unpickleable" in kind, kind
    assert "foo" in repr(args), args
    same(fails(s("replace_with_empty_chain"))[:2], ("FAILURE", "ImproperlyConfigured"))


@check
def ignored_results():
    r = s("add_ignore_result", 1, 2).apply_async(ignore_result=True)  # as a client that has the task sends it
    call("add", 1, 1)  # has gone through the same worker
    same(app.backend.client.get(app.backend.get_key_for_task(r.id)), None)


@check
def files():
    with tempfile.TemporaryDirectory() as d:
        name = os.path.join(d, "f")
        for i in range(3):
            same(call("write_to_file_and_return_int", name, i), i)
        same(open(name).read(), "0\n1\n2\n")


@check
def effects():
    key = fresh("echo")
    call("redis_echo", "a message", redis_key=key)
    same(echoed(key), ["a message"])
    key = fresh("groups")
    r = group(s("redis_echo_group_id", i, redis_key=key) for i in range(3)).apply_async()
    for m in r.results:
        get(m)
    same(echoed(key), [r.id] * 3)
    key = fresh("count")
    for _ in range(3):
        call("redis_count", redis_key=key)
    same(store.get(key), b"3")


@check
def requests():
    r = s("ids", 7).apply_async()
    same(get(r), [r.id, None, 7])
    c = chain(s("ids", 1), s("collect_ids", 2)).apply_async()
    first = c.parent.id
    same(get(c), [[first, None, 1], [first, first, 2]])
    same(get(s("return_priority").apply_async(priority=5)), "Priority: 5")
    p = get(s("return_properties").apply_async(app_id="1234", headers={"x-test": "v"}))
    same((p["content_type"], p["app_id"]), ("application/json", "1234"))
    h = p["application_headers"]
    same((h["lang"], h["task"], h["x-test"]), ("py", MODULE + "return_properties", "v"))
    same(get(s("return_request_time_limits").apply_async(time_limit=42, soft_time_limit=41)), {"time_limit": 42, "soft_time_limit": 41})
    same(get(s("return_request_time_limits").apply_async()), {"time_limit": None, "soft_time_limit": None})
    declared = s("task_with_declared_time_limits").apply_async(time_limit=60, soft_time_limit=45)  # by the client that has the task
    same(get(declared), {"time_limit": 60, "soft_time_limit": 45})


@check
def retries():
    same(call("retry_once", countdown=0.01), 1)
    same(get(s("retry_once", expires=60).apply_async()), 1)
    same(get(s("retry_once_priority").apply_async(priority=5)), 5)
    same(get(s("retry_once_headers").apply_async(headers={"x-test": "v"})).get("x-test"), "v")
    ran.add("auto_retry_class_task")
    same(get(app.send_task("auto_retry_class_task")), 1)
    same(fails(s("retry_unpickleable", "foo", "bar", retry_kwargs={"countdown": 0, "max_retries": 1}))[0], "FAILURE")
    r = s("retry", return_value="bar").apply_async()
    q = s("retry").apply_async(retries=3)
    same(fails(q)[:2], ("FAILURE", "ExpectedException"))
    same(get(r), "bar")


@check
def acks():
    same(call("reject_then_succeed"), "second-pass")
    r = s("store_success_then_reject").apply_async()
    wait(lambda: app.backend.get_task_meta(r.id)["result"] in ("first-pass", "dedup-pass"), True)


@check
def workflows_of_tasks():
    for name, want in (("chain_add", 11), ("chord_add", [11])):
        r = s(name, 4, 3).apply_async()
        same(get(r), None)
        if name == "chain_add":
            children = [v for _, v in r.collect(timeout=60)]
            same(children, [None, 8, 11])
    r = s("build_chain_inside_task").apply_async()
    inner = result_from_tuple(get(r), app=app)
    same([get(m) for m in inner.parent.results], [7, 8])
    same(fails(inner)[1], "TypeError")  # a list and a number
    same(get(chord([s("add_to_all_to_chord", [1, 2], 1), s("add", 1, 1)], s("tsum"), app=app).apply_async()), 7)
    same(get(chord([s("add_chord_to_chord", [1, 2], 1), s("add", 1, 1)], s("tsum"), app=app).apply_async()), 7)


@check
def nested_signatures():
    for outer in ("chain", "group", "chord"):
        for inner in ("chain", "group", "chord"):
            sig = call("return_nested_signature_%s_%s" % (outer, inner))
            signature(sig, app=app)
            same(call("rebuild_signature", sig), None)


@check
def replacements():
    same(get(chain(s("add_replaced", 1, 2), s("add", 3), app=app).apply_async()), 6)
    same(fails(s("fail_replaced", "a"))[1:], ("ExpectedException", ["Task expected to fail", "a"]))
    same(get(chain(s("add_to_all", [1, 2], 10), s("tsum"), app=app).apply_async()), 23)
    key = "redis-echo"
    store.delete(key)
    same(call("replace_with_chain", "hello", link_msg="linked"), "hello")
    wait(lambda: echoed(key), ["linked"])
    store.delete(key)
    same(call("replace_with_chain", "hello"), "hello")
    wait(lambda: echoed(key), ["hello"])
    store.delete(key)
    same(fails(s("replace_with_chain_which_raises", "hello", link_msg="linked"))[1], "ValueError")
    wait(lambda: echoed(key), ["linked"])
    store.delete(key)
    call("second_order_replace1")
    wait(lambda: echoed(key), ["In A", "In B", "In/Out C", "Out B", "Out A"])
    store.delete(key)
    call("second_order_replace2")
    wait(lambda: echoed(key), ["In B", "In/Out C", "Out B"])
    r = s("replace_with_stamped_task").apply_async()
    same(get(r), True)
    r = s("replace_with_stamped_task", replace_with=s("identity", 9)).apply_async()
    same(get(r), 9)


@check
def errbacks():
    old, new = s("errback_old_style"), s("errback_new_style")
    r = s("fail", "x").apply_async(link_error=[old, new])
    fails(r)
    wait(lambda: store.get(r.id), b"2")
    body = s("identity")
    body.link_error(new)
    c = chord([s("identity", 1), s("fail")], body, app=app).apply_async()
    wait(lambda: store.get(c.id), b"1")
    same(app.backend.get_task_meta(c.id)["status"], "FAILURE")


@check
def large_groups():
    r = group(s("add", i, i) for i in range(1000)).apply_async()
    wait(lambda: r.completed_count(), 1000)
    same([get(m) for m in r.results], [2 * i for i in range(1000)])
    same(get(chord([s("identity", i) for i in range(1000)], s("tsum"), app=app).apply_async()), sum(range(1000)))


for f in checks:
    try:
        f()
        error = None
    except Exception:
        import traceback
        error = traceback.format_exc()
    print(json.dumps({"task": f.__name__, "error": error}), flush=True)
print(json.dumps({"ran": sorted(ran)}), flush=True)
