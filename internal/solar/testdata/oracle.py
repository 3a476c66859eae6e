# Prints when ephem, asked as Celery asks it, finds random events of the sun: [event, latitude, longitude, after, found] by
# line, times in seconds. Where the sun does not rise or set it goes on with the next day, as Celery means to.
# Usage: oracle.py SEED EVENTS
import datetime, json, random, signal, sys

import ephem
from celery.schedules import solar


def endless(*_):
    raise TimeoutError  # some of ephem's searches never end


signal.signal(signal.SIGALRM, endless)
rnd = random.Random(int(sys.argv[1]))
horizons = dict(solar._horizons, dusk_astronomical="-18")  # 5.2 has 18 there
for _ in range(int(sys.argv[2])):
    event = rnd.choice(sorted(solar._all_events))
    lat, lon = round(rnd.uniform(-89, 89), 3), round(rnd.uniform(-180, 180), 3)
    after = datetime.datetime(1990, 1, 1) + datetime.timedelta(seconds=rnd.randrange(60 * 365 * 86400))
    o = ephem.Observer()
    o.lat, o.lon, o.elev, o.pressure, o.horizon = str(lat), str(lon), 0, 0, horizons[event]
    start = ephem.Date(after)
    found = None
    for _ in range(400):
        o.date = start
        signal.setitimer(signal.ITIMER_REAL, 0.5)
        try:
            kw = {"use_center": True} if solar._use_center_l[event] else {}
            found = getattr(o, solar._methods[event])(ephem.Sun(), start=start, **kw)
            break
        except ephem.CircumpolarError:
            signal.setitimer(signal.ITIMER_REAL, 0.5)
            start = ephem.Date(o.next_antitransit(ephem.Sun()) + ephem.minute)
        except TimeoutError:
            break
    signal.setitimer(signal.ITIMER_REAL, 0)
    utc = datetime.timezone.utc
    print(json.dumps([event, lat, lon, after.replace(tzinfo=utc).timestamp(),
                      found and found.datetime().replace(tzinfo=utc).timestamp()]))
