import { h, show, say } from './dom.js';
import { ask, listen } from './client.js';
import { clock, count } from './format.js';
import { states } from './state.js';
import { taskTable } from './workers.js';

const fields = ['text', 'name', 'state', 'worker', 'queue', 'id', 'args', 'kwargs', 'result', 'error', 'since', 'until'];
const extra = ['worker', 'queue', 'id', 'args', 'kwargs', 'result', 'error', 'since', 'until'];
const rowsMost = 1000; // of the page: beyond, narrow the search

export async function tasks(page) {
  const filter = Object.fromEntries(fields.map(f => [f, page.params.get(f) || '']));
  let rows = [], next = null, full = true, until = null, names = [], busy = null, more = extra.some(f => filter[f]), fresh = false;

  const filtered = () => fields.some(f => filter[f]);
  const params = () => Object.fromEntries(fields.map(f => [f, filter[f] && (f === 'since' || f === 'until') ? new Date(filter[f]).getTime() / 1000 : filter[f]]));

  // load asks for the first page, or the next one.
  async function load(before) {
    if (busy) busy.abort();
    const mine = busy = new AbortController();
    draw();
    try {
      const r = await ask('tasks', { ...params(), before, limit: 50 }, mine.signal);
      if (page.ended()) return;
      page.well();
      rows = before ? rows.concat(r.tasks) : r.tasks;
      ({ next, full, until } = r);
      if (!full && rows.length === 0 && next) { busy = null; return load(next); } // nothing yet: look further back
      if (!fresh) say(rows.length + ' tasks');
    } catch (e) {
      page.fail(e);
    } finally {
      if (busy === mine) { busy = null; if (!page.ended()) draw(); }
    }
  }

  let timer = 0;
  function set(name, value, later) {
    filter[name] = value;
    const p = new URLSearchParams();
    for (const f of fields) if (filter[f]) p.set(f, filter[f]);
    page.turn(p);
    clearTimeout(timer);
    timer = setTimeout(() => load(), later ? 250 : 0);
    draw();
  }

  function toggle(state) {
    const on = new Set(filter.state.split(',').filter(Boolean));
    if (on.has(state)) on.delete(state); else on.add(state);
    set('state', [...on].join(','));
  }

  const box = (name, label, props) => h('label', { class: 'field', 'data-key': name }, label,
    h('input', { name, value: filter[name], autocomplete: 'off', spellcheck: 'false', oninput: e => set(name, e.target.value, true), ...props }));

  function draw() {
    if (page.ended()) return;
    const on = new Set(filter.state.split(','));
    show(page.place,
      h('h1', null, 'Tasks'),
      h('form', { class: 'search', role: 'search', onsubmit: e => { e.preventDefault(); load(); } },
        h('div', { class: 'row' },
          box('text', 'Search', { id: 'search', type: 'search', placeholder: 'in arguments, results and errors', class: 'big' }),
          box('name', 'Task', { list: 'names', placeholder: 'any; * stands for any text' }),
          h('button', { type: 'button', class: 'plain', 'aria-expanded': String(more), onclick: () => { more = !more; draw(); } }, more ? 'Fewer fields' : 'More fields'),
          filtered() ? h('button', { type: 'button', class: 'plain', onclick: clear }, 'Clear') : null),
        h('datalist', { id: 'names' }, names.map(n => h('option', { value: n }))),
        h('div', { class: 'chips', role: 'group', 'aria-label': 'State' }, states.map(s =>
          h('button', { type: 'button', class: 'chip s-' + s.toLowerCase(), 'aria-pressed': String(on.has(s)), onclick: () => toggle(s) }, s.toLowerCase()))),
        more ? h('div', { class: 'row grid', 'data-key': 'more' },
          box('worker', 'Worker'), box('queue', 'Queue'), box('id', 'Id'), box('args', 'Positional arguments'), box('kwargs', 'Keyword arguments'),
          box('result', 'Result'), box('error', 'Error or traceback'), box('since', 'Heard of since', { type: 'datetime-local', step: 1 }),
          box('until', 'and before', { type: 'datetime-local', step: 1 })) : null),
      rows.length ? h('div', { 'data-key': 'rows', class: busy ? 'busy' : null }, taskTable(rows))
        : busy ? h('p', { class: 'empty' }, 'Looking…')
          : h('p', { class: 'empty' }, filtered() ? 'No task fits.' : 'No task has been heard of yet. Tasks are seen once workers send events: start them with -E.'),
      h('p', { class: 'foot' },
        rows.length ? count(rows.length) + ' shown. ' : '',
        !full && until ? 'Looked back to ' + clock(until) + '. ' : '',
        next && rows.length < rowsMost ? h('button', { class: 'plain', onclick: () => { fresh = false; load(next); } }, full ? 'Older tasks' : 'Look further back') : null,
        rows.length >= rowsMost ? 'Narrow the search to see others.' : null));
  }

  function clear() {
    for (const f of fields) filter[f] = '';
    page.turn(new URLSearchParams());
    load();
  }

  // New tasks come by themselves while the first page is shown and nobody reads further down.
  let last = 0;
  page.until(listen('tasks', () => {
    if (busy || document.hidden || rows.length > 50 || Date.now() - last < 2000 || filter.until || !full) return;
    last = Date.now();
    fresh = true;
    load();
  }));
  ask('names').then(r => { names = r.names; draw(); }, () => {});
  await load();
  if (page.params.get('focus') === 'search') document.getElementById('search').focus();
}
