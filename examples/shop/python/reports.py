"""apps.reports.tasks: a CSV file of some days' orders, made once however often it is attempted, and the cleanup of those that have expired."""
import csv
import datetime
import hashlib
import re
import time

import notifications
import store
from client import shop
from trail import note

KEEP = 7 * 24 * 3600  # seconds that reports are kept
ABANDONED = 24 * 3600  # age of a file that no attempt can be writing any more
REMEMBERED = 3 * 24 * 3600  # how long the outbox and idempotency keys are kept
TELL_EVERY = 1000  # rows between two reports of progress
HEADER = ["order", "placed", "customer", "article", "quantity", "total", "state", "payment"]


class Cancelled(Exception):
    pass


class Report(shop.Task):
    """Notes on a report that its task has failed for good, for whoever looks at its page."""

    def on_failure(self, exc, task_id, args, kwargs, einfo):
        with store.change() as db:
            for number, in db.execute("UPDATE reports SET state = 'failed', error = ? WHERE task = ? AND state IN ('requested', 'running') RETURNING id",
                                      (str(exc), task_id)).fetchall():
                note(db, "report.fail", f"report/{number}", "failed")


@shop.task(name="apps.reports.tasks.generate_report", base=Report, bind=True, track_started=True, soft_time_limit=1800, time_limit=1860,
           autoretry_for=store.AWAY, max_retries=3, retry_backoff=5)
def generate_report(self, report_id, since=None, until=None, email=""):
    """Row running, file whole, row ready, mail on its way: cut short anywhere, the next attempt goes on from what there is."""
    if report_id <= 0:
        raise ValueError(f"report_id is {report_id}: want a number above 0")
    report = begin(report_id, self.request.id, day(since, 0), day(until, int(time.time()) + 1), email)
    if report["state"] == "running":
        report = write(self, report)
    if report["state"] == "cancelled":
        raise Cancelled(f"report {report_id}: the report was cancelled")
    if email:
        expires = datetime.datetime.fromtimestamp(report["expires"], datetime.timezone.utc).date()
        notifications.send_mail.delay(key=f"report-{report_id}-ready", to=email, subject=f"Report {report_id} is ready",
                                      body=f"{report['file']} has {report['rows']} orders. It is kept until {expires}.\n")
    return {"report_id": report_id, **{name: report[name] for name in ("file", "rows", "bytes", "sha256")}}


def day(text, default):
    """Unix seconds of a day's beginning, UTC."""
    return int(datetime.datetime.fromisoformat(text[:10] + "T00:00:00+00:00").timestamp()) if text else default


def begin(number, task, since, until, email):
    """Notes that it is being written, or reads what has become of it. One that nobody has requested is written down first."""
    with store.change() as db:
        began = db.execute("""INSERT INTO reports (id, state, task, requested, since, until, email) VALUES (?, 'running', ?, ?, ?, ?, ?)
            ON CONFLICT DO NOTHING""", (number, task, int(time.time()), since, until, email)).rowcount
        if began:
            db.execute("INSERT INTO counters (name, n) VALUES ('report', ?) ON CONFLICT (name) DO UPDATE SET n = max(n, excluded.n)", (number,))
        else:
            began = db.execute("UPDATE reports SET state = 'running', error = '' WHERE id = ? AND state IN ('requested', 'failed')", (number,)).rowcount
        if began:
            note(db, "report.begin", f"report/{number}", "running")
        return db.execute("SELECT * FROM reports WHERE id = ?", (number,)).fetchone()


class Seal:
    """Counts and sums what is written through it."""

    def __init__(self, out=None):
        self.out, self.rows, self.bytes, self.sum = out, 0, 0, hashlib.sha256()

    def write(self, text):
        data = text.encode()
        self.bytes += len(data)
        self.sum.update(data)
        if self.out:
            self.out.write(data)
        return len(text)

    def through(self, lines):
        for line in lines:
            self.write(line)
            yield line


def write(task, report):
    """Makes the file and then notes it on the row. Of two workers that make the same report both end with the file of whoever was first."""
    number, days = report["id"], (report["since"], report["until"])
    of = store.row("SELECT count(*) FROM orders WHERE placed >= ? AND placed < ?", *days)[0]
    path = store.place("SHOP_OBJECTS_URL", "reports") / f"report-{number}.csv"
    try:
        with store.whole(path) as file:
            seal = Seal(file)
            lines = csv.writer(seal, lineterminator="\n")
            lines.writerow(HEADER)
            for order in store.rows("SELECT * FROM orders WHERE placed >= ? AND placed < ? ORDER BY placed, id", *days):
                lines.writerow(record(order))
                seal.rows += 1
                if seal.rows % TELL_EVERY == 0:
                    task.update_state(state="PROGRESS", meta={"done": seal.rows, "of": max(seal.rows, of)})
    except FileExistsError:
        with open(path, newline="", encoding="utf-8") as file:
            seal = Seal()
            seal.rows = sum(1 for _ in csv.reader(seal.through(file))) - 1  # the header is no row
    made = int(time.time())
    values = {"file": path.name, "rows": seal.rows, "bytes": seal.bytes, "sha256": seal.sum.hexdigest()}
    with store.change() as db:
        if db.execute("""UPDATE reports SET state = 'ready', file = ?, rows = ?, bytes = ?, sha256 = ?, made = ?, expires = ?, error = ''
                WHERE id = ? AND state IN ('requested', 'running', 'failed')""", (*values.values(), made, made + KEEP, number)).rowcount:
            note(db, "report.ready", f"report/{number}", "ready", **values)
        report = db.execute("SELECT * FROM reports WHERE id = ?", (number,)).fetchone()
    if report is None or report["state"] == "cancelled":
        path.unlink(missing_ok=True)
        raise Cancelled(f"report {number}: the report was cancelled")
    return report


def record(order):
    placed = datetime.datetime.fromtimestamp(order["placed"], datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    total = f"{order['total'] // 100}.{order['total'] % 100:02d}"
    return order["id"], placed, plain(order["customer"]), plain(order["sku"]), order["quantity"], total, order["state"], order["payment"]


def plain(text):
    """Keeps a spreadsheet from taking a customer's text for a formula."""
    return "'" + text if text[:1] in tuple("=+-@\t\r") else text


@shop.task(name="apps.reports.tasks.cleanup_expired_reports", bind=True, autoretry_for=store.AWAY, max_retries=3, retry_backoff=60)
def cleanup_expired_reports(self, dry_run=False, batch=0):
    """Batch after batch: files first, then their rows, so that a run that is interrupted leaves rows by which the next one finds what is left."""
    if not 0 <= batch <= 10_000:
        raise ValueError(f"batch is {batch}: want 1 to 10000")
    now, last, folder = int(time.time()), 0, store.place("SHOP_OBJECTS_URL", "reports")
    done = {"dry_run": dry_run, "reports": 0, "bytes": 0, "batches": 0, "orphans": 0}
    while expired := list(store.rows("""SELECT id, file, bytes FROM reports WHERE id > ?
            AND ((state = 'ready' AND expires < ?) OR (state <> 'ready' AND requested < ?)) ORDER BY id LIMIT ?""", last, now, now - KEEP, batch or 100)):
        last = expired[-1]["id"]
        done["reports"] += len(expired) if dry_run else remove(folder, expired)
        done["bytes"] += sum(report["bytes"] for report in expired)
        done["batches"] += 1
        self.update_state(state="PROGRESS", meta=done)
    done["orphans"] = sweep(folder, now, dry_run)
    if not dry_run:
        with store.change() as db:
            db.execute("DELETE FROM outbox WHERE sent < ?", (now - REMEMBERED,))
            db.execute("DELETE FROM requests WHERE at < ?", (now - REMEMBERED,))
    return done


def remove(folder, expired):
    gone = 0
    for report in expired:
        if report["file"]:
            (folder / report["file"]).unlink(missing_ok=True)
    with store.change() as db:
        for report in expired:
            if db.execute("DELETE FROM reports WHERE id = ?", (report["id"],)).rowcount:
                gone += 1
                note(db, "report.expire", f"report/{report['id']}", "removed", file=report["file"])
    return gone


def sweep(folder, now, dry_run):
    """Removes files of a day ago that no report knows of, and unfinished ones; returns how many. A dry run counts the former only."""
    orphans = 0
    for path in folder.iterdir():
        unfinished, number = path.name.startswith(".unfinished-"), re.fullmatch(r"report-(\d+)\.csv", path.name)
        if path.stat().st_mtime > now - ABANDONED or not (unfinished and not dry_run or number):
            continue
        if number:
            report = store.row("SELECT state, file FROM reports WHERE id = ?", int(number[1]))
            if report and (report["state"] in ("requested", "running") or report["file"] == path.name):
                continue
        orphans += 1
        if not dry_run:
            path.unlink(missing_ok=True)
    return orphans
