// The form of an entry of the schedule: what is wrong stands at its field, and when it is next due beside it, before anything is saved.

import { h, show, say } from './dom.js';
import { act, ask, prefix } from './client.js';
import { go } from './app.js';
import { span } from './format.js';
import { changes, due, events, fields, keys, place } from './entry.js';

const kinds = [['every', 'Interval'], ['crontab', 'Crontab'], ['sun', 'Sun'], ['once', 'Once']];
const policies = {
  overlap: [['', 'send all the same'], ['skip', 'skip this one'], ['queue', 'send one when it has ended'], ['cancel', 'cancel the previous one']],
  missed: [['', 'send for the latest'], ['all', 'send for each'], ['skip', 'send for none']],
};

// entryForm draws a form into the page. e is the entry as it stands; null: it is a new one.
export function entryForm(page, e) {
  const before = fields(e ? e.entry : {});
  const f = { name: e ? e.name : '', ...fields(e ? e.entry : {}) };
  const touched = new Set();
  let faults = {}, other = '', times = e ? e.due : [], zone = e ? e.zone : '', tried = false, saving = false, names = [], queues = [];

  const request = (wrong, dry) => e
    ? ['schedules/' + encodeURIComponent(e.name) + '/edit', { changes: changes(before, f, wrong), version: e.version, dry_run: dry }]
    : ['schedules', { name: f.name.trim(), entry: keys(f, wrong), dry_run: dry }];

  // take puts what is wrong to its fields.
  function take(problem, wrong) {
    faults = {};
    other = '';
    for (const x of problem && problem.fields || []) {
      const at = place(x.field);
      if (at in f || at === 'schedule') faults[at] = faults[at] ? faults[at] + '; ' + x.error : x.error;
      else other += x.field + ': ' + x.error + ' ';
    }
    for (const [k, text] of Object.entries(wrong)) faults[k] = text;
    if (problem && !(problem.fields || []).length) other = problem.message;
  }

  let round = 0, timer = 0;

  // look asks what the entry would be.
  async function look() {
    const mine = ++round, wrong = {};
    let problem = null;
    try {
      const r = await act(...request(wrong, true));
      if (mine === round) { times = r.entry.due; zone = r.entry.zone; }
    } catch (x) { problem = x; if (mine === round) times = []; }
    if (mine !== round || page.ended() || saving) return;
    take(problem, wrong);
    draw();
  }

  function set(name, value) {
    f[name] = value;
    touched.add(schedule.includes(name) ? 'schedule' : name);
    clearTimeout(timer);
    timer = setTimeout(look, 250);
    draw();
  }
  page.until(() => clearTimeout(timer));

  async function save(ev) {
    ev.preventDefault();
    if (saving) return;
    clearTimeout(timer);
    tried = saving = true;
    const wrong = {};
    const [path, body] = request(wrong, false);
    let problem = null, done = null;
    if (e && !Object.keys(wrong).length && !Object.keys(body.changes).length) { go(back()); return; } // nothing differs
    draw();
    try {
      if (Object.keys(wrong).length) body.dry_run = true; // the server says what else is wrong
      done = await act(path, body);
    } catch (x) { problem = x; }
    saving = false;
    if (page.ended()) return;
    if (done && !body.dry_run) {
      say(done.message);
      go(prefix + '/schedule/' + encodeURIComponent(done.entry.name));
      return;
    }
    take(problem, wrong);
    draw();
    const bad = page.place.querySelector('[aria-invalid=true]');
    if (bad) bad.focus();
  }

  const back = () => prefix + (e ? '/schedule/' + encodeURIComponent(e.name) : '/schedules');
  const schedule = ['kind', 'every', 'minute', 'hour', 'day', 'month', 'weekday', 'event', 'lat', 'lon', 'at', 'relative'];
  const shown = k => faults[k] && (tried || touched.has(k) || e && e.problem) ? faults[k] : '';
  const says = k => h('span', { class: 'bad wrongs', id: 'wrong-' + k, 'data-key': 'wrong-' + k, 'aria-live': 'polite' }, shown(k));

  // control is a label, what is typed, a hint and what is wrong. at is where the fault is told.
  function control(name, label, input, hint, at) {
    const bad = !!shown(at || name), id = 'f-' + name;
    input.setAttribute('id', id);
    input.setAttribute('name', name);
    if (bad) input.setAttribute('aria-invalid', 'true');
    input.setAttribute('aria-describedby', 'wrong-' + (at || name) + (hint ? ' hint-' + name : ''));
    return h('div', { class: 'control', 'data-key': name }, h('label', { for: id }, label), input,
      hint ? h('span', { class: 'hint', id: 'hint-' + name }, hint) : null, at ? null : says(name));
  }
  const box = (name, label, hint, props, at) => control(name, label,
    h('input', { value: f[name], autocomplete: 'off', spellcheck: 'false', oninput: ev => set(name, ev.target.value), ...props }), hint, at);
  const area = (name, label, hint) => control(name, label,
    h('textarea', { class: 'mono', rows: Math.min(12, Math.max(2, f[name].split('\n').length)), spellcheck: 'false', value: f[name], oninput: ev => set(name, ev.target.value) }, f[name]), hint);
  const pick = (name, label, list, at) => control(name, label,
    h('select', { value: f[name], onchange: ev => set(name, ev.target.value) }, list.map(([v, t]) => h('option', { value: v, selected: v === f[name] }, t))), '', at);
  const tick = (name, label) => h('label', { class: 'tick', 'data-key': name }, h('input', { type: 'checkbox', name, checked: f[name], onchange: ev => set(name, ev.target.checked) }), label);

  function when() {
    switch (f.kind) {
      case 'crontab': return [h('div', { class: 'five', 'data-key': 'crontab' }, [['minute', 'Minute'], ['hour', 'Hour'], ['day', 'Day of month'], ['month', 'Month'], ['weekday', 'Day of week']]
        .map(([n, l]) => box(n, l, '', { class: 'mono' }, 'schedule'))), h('p', { class: 'hint', 'data-key': 'hint-crontab' }, 'All five must match. * is every, */15 every fifteenth, 8-17 a range, mon-fri, and lists with commas.')];
      case 'sun': return h('div', { class: 'three', 'data-key': 'sun' }, pick('event', 'Event', events.map(x => [x, x.replace(/_/g, ' ')]), 'schedule'),
        box('lat', 'Latitude, north', '', { inputmode: 'decimal', placeholder: '52.52' }, 'schedule'), box('lon', 'Longitude, east', '', { inputmode: 'decimal', placeholder: '13.405' }, 'schedule'));
      case 'once': return box('at', 'Time', 'Such as 2026-12-24 18:00, by the clocks of its time zone.', {}, 'schedule');
    }
    return [box('every', 'Every', 'Seconds, or a duration: 30s, 15m, 1h30m, 24h.', { placeholder: '15m' }, 'schedule'), tick('relative', 'on whole days, hours, minutes or seconds')];
  }

  function draw() {
    const now = Date.now();
    const fallen = Object.keys(faults).length > 0;
    show(page.place,
      h('p', { class: 'trail' }, h('a', { href: prefix + '/schedules' }, 'Schedules'), e ? [' › ', h('a', { href: back() }, e.name)] : null),
      h('h1', null, e ? 'Edit ' + e.name : 'Add an entry'),
      e && e.source !== 'store' ? h('p', { class: 'sum' }, 'It is ' + from(e.source) + '. What is changed here is laid over that, until it is undone.') : null,
      h('form', { class: 'entry', novalidate: true, onsubmit: save },
        h('div', { class: 'parts' },
          h('fieldset', { 'data-key': 'what' }, h('legend', null, 'What is sent'),
            e ? null : box('name', 'Name', '', { maxlength: 200, autofocus: true }),
            box('task', 'Task', '', { list: 'tasknames', class: 'mono' }),
            h('datalist', { id: 'tasknames', 'data-key': 'tasknames' }, names.map(n => h('option', { value: n }))),
            e && e.hidden ? h('p', { class: 'hint', 'data-key': 'hidden' }, 'Secrets are hidden. Values shown as ***, and arguments that are not shown, stay what they are unless you change them.') : null,
            area('args', 'Positional arguments', 'A JSON array.'), area('kwargs', 'Keyword arguments', 'A JSON object.')),
          h('fieldset', { 'data-key': 'when' }, h('legend', null, 'When'),
            h('div', { class: 'segments', role: 'group', 'aria-label': 'Kind of schedule', 'data-key': 'kinds' }, kinds.map(([k, label]) =>
              h('button', { type: 'button', 'data-key': k, 'aria-pressed': String(f.kind === k), onclick: () => set('kind', k) }, label))),
            h('div', { class: 'when', 'data-key': f.kind }, when()), says('schedule'),
            h('div', { class: 'two', 'data-key': 'zone' }, box('timezone', 'Time zone', 'Such as Europe/Berlin.', { placeholder: zone && !f.timezone ? zone : '' }),
              box('jitter', 'Jitter', 'Up to so much later: 30s, 5m.')),
            h('div', { class: 'two', 'data-key': 'bounds' }, box('start', 'Not before', '', { placeholder: '2026-05-04 08:00' }), box('end', 'Not after', '', { placeholder: '2026-12-31' }))),
          h('fieldset', { 'data-key': 'how' }, h('legend', null, 'How'),
            h('div', { class: 'three', 'data-key': 'route' }, box('queue', 'Queue', '', { list: 'queuenames', placeholder: 'where its route leads' }), box('priority', 'Priority', '0 to 255.', { inputmode: 'numeric' }),
              box('expires', 'Expires after', 'Dropped if not begun within: 60, 15m.')),
            h('datalist', { id: 'queuenames', 'data-key': 'queuenames' }, queues.map(n => h('option', { value: n }))),
            h('div', { class: 'three', 'data-key': 'policies' }, pick('overlap', 'While the previous task runs', policies.overlap), pick('missed', 'When no beat ran', policies.missed), box('deadline', 'At most this late', 'Such as 90s.')),
            area('options', 'Other options', 'A JSON object: headers, time_limit, soft_time_limit, countdown, serializer …'),
            tick('paused', 'Paused: it is not sent until it is resumed'))),
        h('aside', { class: 'soon', 'aria-label': 'Next due times', 'data-key': 'soon' }, h('h2', null, 'Next due'),
          times.length ? h('ol', { 'aria-live': 'polite' }, times.map(t => h('li', { 'data-key': t }, due(t), ' ', h('span', { class: 'faint' }, 'in ' + span(Math.max(0, (Date.parse(t) - now) / 1000))))))
            : h('p', { class: 'faint' }, fallen || other ? 'Known once nothing is wrong.' : 'Known once it says when.'),
          times.length ? h('p', { class: 'hint' }, [zone && 'Clocks of ' + zone + '.', f.jitter.trim() && !faults.jitter ? 'Each up to ' + f.jitter.trim() + ' later.' : '', f.paused ? 'It is paused: none of them is sent.' : ''].filter(Boolean).join(' ')) : null,
          other && (tried || touched.size) ? h('p', { class: 'bad', role: 'alert', 'data-key': 'other' }, other) : null,
          tried && fallen ? h('div', { class: 'bad', role: 'alert', 'data-key': 'faults' }, 'Not saved:', h('ul', null, Object.keys(faults).map(k => h('li', { 'data-key': k }, k + ': ' + faults[k])))) : null,
          h('div', { class: 'row acts', 'data-key': 'buttons' }, h('button', { class: 'main', disabled: saving }, saving ? 'Saving…' : e ? 'Save' : 'Add'), h('a', { href: back() }, 'Cancel')))));
  }

  ask('names').then(r => { names = r.names; if (!page.ended()) draw(); }, () => {});
  ask('queues').then(r => { queues = r.queues.map(q => q.name); if (!page.ended()) draw(); }, () => {});
  draw();
  if (e) look(); // of one that is paused or cannot be used nobody has told yet
  const first = page.place.querySelector('#f-' + (e ? 'task' : 'name'));
  if (first) first.focus();
}

// from says where an entry is from.
export function from(source) {
  return { settings: 'from the settings (beat_schedule)', file: 'from the schedule’s file (beat_schedule_file)', 'built in': 'one of every schedule with such a result store' }[source] || 'added at run time';
}
