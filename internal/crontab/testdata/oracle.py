# Prints the due times that Celery's crontab finds for random crontabs, as JSON: one object per crontab and line.
# Usage: oracle.py SEED CRONTABS TIMES
import json, random, sys
from datetime import datetime, timedelta, timezone

import celery, pytz
from celery.schedules import crontab

seed, crontabs, times = map(int, sys.argv[1:])
rnd = random.Random(seed)
app = celery.Celery("oracle")
zones = ["UTC", "Europe/Berlin", "Europe/London", "Europe/Lisbon", "America/New_York", "America/Los_Angeles", "America/St_Johns",
         "America/Sao_Paulo", "America/Santiago", "Asia/Kolkata", "Asia/Kathmandu", "Asia/Tehran", "Asia/Tokyo",
         "Australia/Sydney", "Australia/Lord_Howe", "Pacific/Auckland", "Pacific/Chatham", "Pacific/Apia", "Africa/Cairo",
         "Africa/Casablanca"]
days, months = "sun mon tue wed thu fri sat".split(), range(1, 13)


def part(lo, hi, names):
    def value():
        v = rnd.randint(lo, hi)
        return rnd.choice([names[v], names[v].upper(), names[v] + "day"]) if names and rnd.random() < .4 else str(v)
    kind = rnd.random()
    if kind < .4:
        return value()
    if kind < .6:
        return "*/%d" % rnd.randint(1, hi + 3)
    if kind < .8:
        return value() + "-" + value()
    return value() + "-" + value() + "/%d" % rnd.randint(1, 9)


def field(lo, hi, star, names=None):
    if rnd.random() < star:
        return "*"
    return ",".join(part(lo, hi, names) for _ in range(rnd.choice([1, 1, 1, 2, 3])))


def wall_reached(tz, last, wall):
    """The first moment from last on at which the clocks of tz show wall, or later: when beat sees that it is due."""
    t = last.astimezone(pytz.utc).replace(tzinfo=None)
    changes = [c for c in getattr(tz, "_utc_transition_times", []) if c > t and c < wall + timedelta(days=2)]
    for end in changes + [datetime.max]:
        offset = pytz.utc.localize(t).astimezone(tz).utcoffset()
        due = max(t, wall - offset)
        if due < end:
            return pytz.utc.localize(due).astimezone(tz)
        t = end


def due(c, tz, last):
    c.nowfun = lambda: last
    start, delta, _ = c.remaining_delta(last)
    wall = (start + delta).replace(tzinfo=None)
    return wall_reached(tz, last, wall), wall


for _ in range(crontabs):
    zone = rnd.choice(zones)
    app.conf.timezone = zone
    tz = pytz.timezone(zone)
    f = dict(minute=field(0, 59, .2), hour=field(0, 23, .3), day_of_week=field(0, 6, .6, days),
             day_of_month=field(1, 31, .6), month_of_year=field(1, 12, .7))
    c = crontab(app=app, **f)
    c.tz = tz
    last = pytz.utc.localize(datetime(1995, 1, 1) + timedelta(seconds=rnd.randrange(40 * 365 * 86400))).astimezone(tz)
    if rnd.random() < .3:  # close before a change of the clocks
        changes = [x for x in getattr(tz, "_utc_transition_times", []) if datetime(1995, 1, 1) < x < datetime(2035, 1, 1)]
        if changes:
            last = pytz.utc.localize(rnd.choice(changes) - timedelta(minutes=rnd.randrange(-90, 300))).astimezone(tz)
    row = dict(f, zone=zone, runs=[])
    for _ in range(times):
        try:
            plain, _ = due(c, tz, last)
            # Newer versions take midnight in the zone, where 5.2 takes it in UTC, to see whether a day is over.
            c.maybe_make_aware = lambda dt: dt if dt.tzinfo else tz.localize(dt)
            found, wall = due(c, tz, last)
            del c.maybe_make_aware
        except RuntimeError as e:
            row["error"] = str(e)
            break
        if found.year > 2036:
            break
        row["runs"].append([int(last.timestamp()), int(found.timestamp()), int(plain.timestamp()), wall.isoformat()])
        last = found
    print(json.dumps(row))
