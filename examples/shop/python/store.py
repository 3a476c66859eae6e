"""The shop's database and folders, as the Go worker uses them: tables are in ../store/schema.go, and the Go side makes them (`shop seed`).

SQLite, since its module comes with Python. In a Django project `change()` is `transaction.atomic()`, and PostgreSQL takes the same statements.
"""
import contextlib
import os
import pathlib
import sqlite3
import tempfile
import urllib.parse

from kombu.exceptions import OperationalError

FOLDER = pathlib.Path(os.environ.get("SHOP_DIR") or ".")
DATABASE = (os.environ.get("SHOP_DATABASE_URL") or str(FOLDER / "shop.db")).removeprefix("sqlite://")
SCHEMA = 1  # the version these statements were written for

# What a task is tried again for: a database, disk or broker that is away for a moment. Other errors no retry mends.
AWAY = (sqlite3.OperationalError, OSError, OperationalError)


def check():
    """Refuses to start beside tables, files or mails that this worker does not know how to keep."""
    for name, known in ("SHOP_DATABASE_URL", "sqlite://"), ("SHOP_OBJECTS_URL", "file://"), ("SHOP_MAIL_URL", "file://"):
        scheme, found, _ = os.environ.get(name, "").partition("://")
        if found and scheme + found != known:
            raise SystemExit(f"{name} is {scheme}://…: the tasks in Python know SQLite and folders; leave these queues to the Go worker")
    with contextlib.closing(connect()) as db:
        version = db.execute("SELECT version FROM shop_schema").fetchone()[0]
    if version != SCHEMA:
        raise SystemExit(f"{DATABASE} is of version {version}, and these tasks know {SCHEMA}")


def place(name, default):
    """A folder of the shop, which is made when it is first needed."""
    path = pathlib.Path((os.environ.get(name) or str(FOLDER / default)).removeprefix("file://"))
    path.mkdir(parents=True, exist_ok=True)
    return path


def connect():
    db = sqlite3.connect(f"file:{urllib.parse.quote(DATABASE)}?mode=rw", uri=True, timeout=10, isolation_level=None)
    db.row_factory = sqlite3.Row
    db.executescript("PRAGMA foreign_keys = 1; PRAGMA synchronous = FULL")  # a message that tells of a row must not outlive it
    return db


@contextlib.contextmanager
def change():
    """A transaction: all of it, or nothing."""
    with contextlib.closing(connect()) as db:
        db.execute("BEGIN IMMEDIATE")  # as the only writer
        try:
            yield db
        except BaseException:
            db.execute("ROLLBACK")
            raise
        db.execute("COMMIT")


def rows(query, *values):
    """Rows outside of a transaction, one by one."""
    with contextlib.closing(connect()) as db:
        yield from db.execute(query, values)


def row(query, *values):
    """The first of such rows, or None."""
    found = list(rows(query, *values))
    return found[0] if found else None


@contextlib.contextmanager
def whole(path):
    """A file that gets its name when it is whole and on the disk. FileExistsError where the name is taken: that file stays as it is."""
    if path.exists():
        raise FileExistsError(path)
    half = tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".unfinished-{path.name}-", delete=False)
    try:
        with half:
            yield half
            half.flush()
            os.fsync(half.fileno())
        os.link(half.name, path)  # where a rename would replace what is there
    finally:
        os.unlink(half.name)
    folder = os.open(path.parent, os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)
