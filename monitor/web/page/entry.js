// An entry of the schedule as a form holds it: every field is a text, and what is written is what differs.

export const events = ['dawn_astronomical', 'dawn_nautical', 'dawn_civil', 'sunrise', 'solar_noon', 'sunset', 'dusk_civil', 'dusk_nautical', 'dusk_astronomical'];
const crontab = ['minute', 'hour', 'day', 'month', 'weekday'];
const own = ['queue', 'priority', 'expires']; // options with a field of their own

const text = v => v === null || v === undefined ? '' : typeof v === 'string' ? v : JSON.stringify(v);
const pretty = v => v === null || v === undefined ? '' : JSON.stringify(v, null, 1);

// fields are those of an entry's keys.
export function fields(keys) {
  const options = keys.options || {};
  const rest = Object.fromEntries(Object.entries(options).filter(([k]) => !own.includes(k)));
  const f = {
    task: text(keys.task), kind: 'every', every: '', relative: keys.relative === true, minute: '0', hour: '*', day: '*', month: '*', weekday: '*',
    event: 'sunset', lat: '', lon: '', at: '', args: pretty(keys.args), kwargs: pretty(keys.kwargs), queue: text(options.queue), priority: text(options.priority),
    expires: text(options.expires), options: Object.keys(rest).length ? pretty(rest) : '', timezone: text(keys.timezone), start: text(keys.start), end: text(keys.end),
    jitter: text(keys.jitter), overlap: text(keys.overlap), missed: text(keys.missed), deadline: text(keys.deadline), paused: keys.enabled === false,
  };
  const when = text(keys.schedule).trim(), words = when.split(/\s+/);
  if (words.length === 5) {
    f.kind = 'crontab';
    crontab.forEach((name, i) => { f[name] = words[i]; });
  } else if (events.includes(words[0])) {
    f.kind = 'sun';
    [f.event, f.lat = '', f.lon = ''] = words;
  } else if (/^\d{4}-/.test(when)) {
    f.kind = 'once';
    f.at = when;
  } else f.every = when;
  return f;
}

function schedule(f) {
  switch (f.kind) {
    case 'crontab': return crontab.map(name => f[name].replace(/\s+/g, '') || '*').join(' ');
    case 'sun': return f.event + ' ' + (f.lat.trim() || '?') + ' ' + (f.lon.trim() || '?');
    case 'once': return f.at.trim();
  }
  return f.every.trim();
}

const number = t => /^-?\d+(\.\d+)?$/.test(t) ? Number(t) : t;

// keys are an entry's of its fields; wrong gets what is no JSON, by field. What is default is left out.
export function keys(f, wrong) {
  const out = {};
  const put = (k, v) => { if (v !== '' && v !== false && v !== undefined) out[k] = v; };
  const json = (k, array) => {
    if (!f[k].trim()) return undefined;
    try {
      const v = JSON.parse(f[k]);
      if (array ? Array.isArray(v) : v !== null && typeof v === 'object' && !Array.isArray(v)) return v;
      wrong[k] = array ? 'this is no JSON array' : 'this is no JSON object';
    } catch (e) { wrong[k] = e.message; }
    return undefined;
  };
  put('task', f.task.trim());
  put('schedule', schedule(f));
  put('relative', f.kind === 'every' && f.relative);
  put('args', json('args', true));
  put('kwargs', json('kwargs'));
  const options = { ...json('options') };
  if (f.queue.trim()) options.queue = f.queue.trim();
  for (const k of ['priority', 'expires']) if (f[k].trim()) options[k] = number(f[k].trim());
  if (Object.keys(options).length) out.options = options;
  for (const k of ['timezone', 'start', 'end', 'jitter', 'overlap', 'missed', 'deadline']) put(k, f[k].trim());
  if (f.paused) out.enabled = false;
  return out;
}

// changes turn one set of fields into another; null is default again. What is no JSON is left as it was.
export function changes(before, after, wrong) {
  const a = keys(before, {}), b = keys(after, wrong), out = {};
  for (const k of new Set([...Object.keys(a), ...Object.keys(b)])) {
    if (!wrong[k] && JSON.stringify(a[k]) !== JSON.stringify(b[k])) out[k] = b[k] === undefined ? k === 'enabled' ? true : null : b[k];
  }
  return out;
}

// place is the field that a key's fault stands at.
export function place(key) {
  const option = key.startsWith('options.') ? key.slice(8) : '';
  if (option) return own.includes(option) ? option : 'options';
  if (key === 'relative' || key.startsWith('schedule.')) return 'schedule';
  return key === 'enabled' ? 'paused' : key;
}

const days = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];

// due is a due time as the clocks of its entry show it: Mon 2026-05-04 04:00:00 +02:00.
export function due(t) {
  const [date, time] = [t.slice(0, 10), t.slice(11)];
  const [, clock, zone] = /^([\d:]+)(.*)$/.exec(time) || [];
  return days[new Date(date + 'T00:00:00Z').getUTCDay()] + ' ' + date + ' ' + clock + (zone === 'Z' ? ' UTC' : ' ' + zone);
}
