import { h, show } from './dom.js';
import { ask, listen, prefix } from './client.js';
import { ago, bytes, count, full, span } from './format.js';
import { doing, workerActions } from './action.js';
import { badge, call, taskLink, workerLink } from './state.js';

const heads = ['Worker', 'State', 'Software', '#Running', '#Done', '#Load', '#Heard', '#Process'];

function software(w) {
  const name = { 'umbel': 'Umbel', 'py-celery': 'Celery' }[w.software] || w.software;
  return [name, w.version].filter(Boolean).join(' ') || '–';
}

const stateOf = w => h('span', { class: 'state w-' + w.state }, w.state);

export async function workers(page) {
  let busy = false;
  async function load() {
    if (busy) return;
    busy = true;
    try {
      const { workers: list } = await ask('workers');
      if (page.ended()) return;
      page.well();
      draw(list);
    } catch (e) { page.fail(e); } finally { busy = false; }
  }
  function draw(list) {
    const online = list.filter(w => w.state === 'online').length;
    show(page.place,
      h('h1', null, 'Workers'),
      h('p', { class: 'sum' }, count(online) + ' online of ' + count(list.length)),
      list.length ? h('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': 'Workers' }, h('table', null,
        h('thead', null, h('tr', null, heads.map(t => h('th', { scope: 'col', class: t[0] === '#' ? 'num' : null }, t.replace('#', ''))))),
        h('tbody', null, list.map(w => h('tr', { 'data-key': w.name, class: w.state === 'online' ? null : 'dim' },
          h('th', { scope: 'row' }, workerLink(w.name)), h('td', null, stateOf(w)), h('td', null, software(w)),
          h('td', { class: 'num' }, count(w.active)), h('td', { class: 'num' }, count(w.processed)),
          h('td', { class: 'num' }, w.load.map(l => l.toFixed(2)).join('  ')),
          h('td', { class: 'num', title: full(w.heard) }, w.heard ? ago(w.heard) : 'left'), h('td', { class: 'num' }, w.pid || '–'))))))
        : h('p', { class: 'empty' }, 'No worker has been heard of. Workers are seen once they send events: start them with ', h('code', null, '-E'), '.'));
  }
  page.until(listen('overview', () => { if (!document.hidden) load(); }));
  await load();
}

export async function worker(page) {
  const name = page.part;
  const out = doing();
  let busy = false, told = null, asking = false;

  // inspect asks the worker itself, which takes as long as it takes.
  async function inspect() {
    if (asking) return;
    asking = true;
    try {
      const r = await ask('workers/' + encodeURIComponent(name) + '/inspect');
      if (r.answered || !told) told = r;
    } catch { /* what heartbeats tell is shown */ } finally { asking = false; }
  }

  async function load() {
    if (busy) return;
    busy = true;
    try {
      const [w, recent] = await Promise.all([ask('workers/' + encodeURIComponent(name)), ask('tasks', { worker: name, limit: 20 })]);
      if (page.ended()) return;
      page.well();
      draw(w, recent.tasks);
    } catch (e) {
      if (e.status === 404) show(page.place, h('h1', null, 'Worker ' + name), h('p', { class: 'empty' }, 'This worker is not known, or it went long ago.'));
      else page.fail(e);
    } finally { busy = false; }
  }
  const row = (k, v) => [h('dt', null, k), h('dd', null, v)];
  function draw(w, recent) {
    show(page.place,
      h('p', { class: 'trail' }, h('a', { href: prefix + '/workers' }, 'Workers')),
      h('h1', null, w.name, ' ', stateOf(w)),
      h('dl', { class: 'facts' }, row('Software', software(w)), row('System', w.system || '–'), row('Process', w.pid || '–'),
        row('Running', count(w.active)), row('Done since its start', count(w.processed)), row('Load of its host', w.load.map(l => l.toFixed(2)).join(' · ')),
        row('Heard', w.heard ? ago(w.heard) : 'it said that it leaves'), row('Heartbeat every', span(w.interval))),
      now(w),
      workerActions(page, w.name, out),
      h('h2', null, 'Latest tasks'),
      recent.length ? taskTable(recent) : h('p', { class: 'empty' }, 'None in the history.'),
      h('p', null, h('a', { href: prefix + '/tasks?worker=' + encodeURIComponent(w.name) }, 'All tasks of this worker')));
  }

  // now is what the worker says of itself.
  function now(w) {
    if (!told) return h('p', { class: 'faint', 'data-key': 'now' }, w.state === 'online' ? 'Asking the worker…' : '');
    if (!told.answered) return h('p', { class: 'faint', 'data-key': 'now' }, 'The worker does not answer questions about itself.');
    const s = told.stats || {}, pool = s.pool || {}, active = told.active || [], queues = told.queues || [];
    const slots = Number(pool['max-concurrency']) || (pool.processes || []).length;
    const kind = String(pool.implementation || '').replace(/^celery\.concurrency\.|:TaskPool$/g, '');
    const fact = (k, v) => v === null || v === undefined || v === '' ? [] : row(k, v);
    return h('section', { 'data-key': 'now' }, h('h2', null, 'Now'),
      h('dl', { class: 'facts' },
        row('Slots', [count(active.length) + ' of ' + (slots ? count(slots) : '?') + ' busy', slots ? h('span', { class: 'slots', role: 'img', 'aria-label': active.length + ' of ' + slots + ' slots are busy' },
          Array.from({ length: Math.min(slots, 64) }, (_, i) => h('span', { class: i < active.length ? 'on' : null }))) : null]),
        fact('Pool', kind), fact('Prefetch', s.prefetch_count === undefined ? null : s.prefetch_count ? count(Number(s.prefetch_count)) : 'no limit'),
        fact('Memory at most', s.rusage && s.rusage.maxrss > 0 ? bytes(Number(s.rusage.maxrss) * 1024) : null), fact('Up for', s.uptime ? span(Number(s.uptime)) : null),
        fact('Consumes', queues.length ? queues.map((q, i) => [i ? ', ' : '', h('a', { href: prefix + '/queue/' + encodeURIComponent(q.name) }, q.name)]) : 'no queue')),
      active.length ? h('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': 'Tasks that run' }, h('table', null,
        h('thead', null, h('tr', null, ['Running', 'Id', 'Since'].map(t => h('th', { scope: 'col', class: t === 'Since' ? 'num' : null }, t)))),
        h('tbody', null, active.slice(0, 100).map(t => h('tr', { 'data-key': t.id }, h('th', { scope: 'row' }, h('a', { href: prefix + '/task/' + encodeURIComponent(t.id) }, t.name || t.type || t.id)),
          h('td', null, taskLink(t)), h('td', { class: 'num' }, t.time_start ? ago(Number(t.time_start)) : '–')))))) : null);
  }

  let last = 0;
  page.until(listen('overview', async () => {
    if (document.hidden || Date.now() - last < 3000) return;
    last = Date.now();
    await inspect();
    if (!page.ended()) load();
  }));
  await load();
  await inspect();
  if (!page.ended()) await load();
}

// taskTable lists tasks, the latest first.
export function taskTable(list) {
  return h('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': 'Tasks' }, h('table', { class: 'tasks' },
    h('thead', null, h('tr', null, [['State'], ['Task'], ['Id'], ['Arguments', 'wide'], ['Worker'], ['Heard', 'num'], ['Run time', 'num'], ['Tries', 'num']].map(([t, c]) =>
      h('th', { scope: 'col', class: c || null }, t)))),
    h('tbody', null, list.map(t => h('tr', { 'data-key': t.id },
      h('td', null, badge(t.state)), h('th', { scope: 'row' }, h('a', { href: prefix + '/task/' + encodeURIComponent(t.id) }, t.name || 'name not known')),
      h('td', null, taskLink(t)), h('td', { class: 'wide mono', title: call(t) }, h('span', null, t.state === 'FAILURE' && t.exception ? [call(t), h('em', null, t.exception)] : call(t))),
      h('td', null, workerLink(t.worker)), h('td', { class: 'num', title: full(t.heard) }, ago(t.heard)),
      h('td', { class: 'num' }, t.runtime ? span(t.runtime) : '–'), h('td', { class: 'num' }, t.retries + 1))))));
}
