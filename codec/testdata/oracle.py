"""Python's side of the tests: one request per line, one answer per line, both JSON.

Values travel as JSON with kombu's typed envelopes, which this file reads and writes as kombu 5.6 does, so that an older
kombu on the machine does not matter. Exits when its input ends.
"""
import base64
import bz2
import datetime
import decimal
import json
import lzma
import sys
import uuid
import zlib

try:
    import yaml
except ImportError:
    yaml = None
try:
    import msgpack
except ImportError:
    msgpack = None
try:
    from celery.utils.saferepr import saferepr
except ImportError:
    saferepr = None


class Encoder(json.JSONEncoder):
    def default(self, o):
        def typed(t, v):
            return {"__type__": t, "__value__": v}

        if isinstance(o, datetime.datetime):
            return typed("datetime", o.isoformat())
        if isinstance(o, datetime.date):
            return typed("date", o.isoformat())
        if isinstance(o, datetime.time):
            return typed("time", o.isoformat())
        if isinstance(o, decimal.Decimal):
            return typed("decimal", str(o))
        if isinstance(o, uuid.UUID):
            return typed("uuid", {"hex": o.hex})
        if isinstance(o, bytes):
            try:
                return typed("bytes", o.decode("utf-8"))
            except UnicodeDecodeError:
                return typed("base64", base64.b64encode(o).decode("ascii"))
        if isinstance(o, set):
            return {k: None for k in o}
        return super().default(o)


DECODERS = {
    "datetime": datetime.datetime.fromisoformat,
    "date": lambda s: datetime.datetime.fromisoformat(s).date(),
    "time": datetime.time.fromisoformat,
    "decimal": decimal.Decimal,
    "uuid": lambda o: uuid.UUID(**o),
    "bytes": lambda s: s.encode("utf-8"),
    "base64": lambda s: base64.b64decode(s.encode("utf-8")),
}


def hook(o):
    if o.keys() == {"__type__", "__value__"}:
        return DECODERS[o["__type__"]](o["__value__"])
    return o


def loads(text):
    return json.loads(text, object_hook=hook)


def dumps(value):
    return json.dumps(value, cls=Encoder)


COMPRESS = {"gzip": zlib.compress, "bzip2": bz2.compress, "lzma": lzma.compress}
DECOMPRESS = {"gzip": zlib.decompress, "bzip2": bz2.decompress, "lzma": lzma.decompress}


def answer(q):
    op, text = q["op"], q.get("text", "")
    if op == "have":
        return " ".join(n for n, m in (("yaml", yaml), ("msgpack", msgpack), ("saferepr", saferepr)) if m)
    if op == "json":  # read and write back
        return dumps(loads(text))
    if op == "yaml_load":
        return dumps(yaml.safe_load(text))
    if op == "yaml_dump":
        return yaml.safe_dump(loads(text), default_flow_style=False)
    if op == "msgpack_load":
        return dumps(msgpack.unpackb(base64.b64decode(text), raw=False))
    if op == "msgpack_dump":
        return base64.b64encode(msgpack.packb(loads(text), use_bin_type=True)).decode()
    if op == "repr":
        return saferepr(loads(text), 1024)
    if op == "args_repr":
        return saferepr(tuple(loads(text)), 1024)
    if op.startswith("compress "):
        return base64.b64encode(COMPRESS[op[9:]](base64.b64decode(text))).decode()
    if op.startswith("decompress "):
        return base64.b64encode(DECOMPRESS[op[11:]](base64.b64decode(text))).decode()
    raise ValueError(op)


for line in sys.stdin:
    try:
        reply = {"ok": answer(json.loads(line))}
    except Exception as exc:  # every error is an answer: the test decides whether it was expected
        reply = {"error": "%s: %s" % (type(exc).__name__, exc)}
    print(json.dumps(reply), flush=True)
