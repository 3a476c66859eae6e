// One entry of the schedule: what it sends, when, and what can be done with it.

import { h, show } from './dom.js';
import { ask, prefix } from './client.js';
import { ask as confirm, doing } from './action.js';
import { ago, clock, count, full, span } from './format.js';
import { go } from './app.js';
import { due } from './entry.js';
import { entryForm, from } from './entryform.js';

// mayWrite: who adds an entry has its task sent.
export const mayWrite = page => page.me.scopes.includes('workers') && page.me.scopes.includes('tasks');

export async function addSchedule(page) {
  if (mayWrite(page)) entryForm(page, null);
  else show(page.place, h('h1', null, 'Add an entry'), h('p', { class: 'empty' }, page.me.read_only ? 'This monitor is read only.' : 'Operators may add entries.'));
}

export async function schedule(page) {
  const name = page.part, path = 'schedules/' + encodeURIComponent(name), here = prefix + '/schedule/' + encodeURIComponent(name);
  const out = doing();
  const may = s => page.me.scopes.includes(s);
  let busy = false;

  async function load() {
    if (busy) return;
    busy = true;
    try {
      const e = await ask(path);
      if (page.ended()) return;
      page.well();
      if (page.params.get('edit') && mayWrite(page)) { entryForm(page, e); return; }
      draw(e);
    } catch (e) {
      if (e.status === 404) show(page.place, h('p', { class: 'trail' }, h('a', { href: prefix + '/schedules' }, 'Schedules')), h('h1', null, name), h('p', { class: 'empty' }, 'There is no such entry. It may have been removed.'));
      else page.fail(e);
    } finally { busy = false; }
  }

  async function run(e) {
    if (await confirm('Send ' + e.task + ' now?', 'It is sent beside its schedule, which stays as it is.', [], 'Run now'))
      out.run(path + '/run', {}, r => { load(); return h('a', { href: prefix + '/task/' + encodeURIComponent(r.id) }, 'Show it'); });
  }

  async function remove() {
    const got = await confirm('Delete ' + name + '?', 'Its task is not sent any more, and what was said of it here is forgotten. Type its name to go on.', [{ name: 'confirm', label: 'Name of the entry' }], 'Delete', true);
    if (got) out.run(path + '/remove', { confirm: got.confirm }, () => go(prefix + '/schedules'));
  }

  async function undo(e) {
    if (await confirm('Undo the changes to ' + name + '?', 'It becomes what it is ' + from(e.source) + ' again.', [], 'Undo changes', true))
      out.run(path + '/remove', { confirm: name }, () => load());
  }

  const row = (k, v) => v === null || v === undefined || v === '' ? [] : [h('dt', null, k), h('dd', null, v)];
  const period = v => typeof v === 'number' ? span(v) : v;
  const some = v => typeof v === 'string' ? v : JSON.stringify(v);
  const text = (title, v) => v === undefined ? null : h('section', { 'data-key': title }, h('h2', null, title), h('pre', { tabindex: '0' }, JSON.stringify(v, null, 1)));

  function draw(e) {
    const k = e.entry, o = k.options || {};
    document.title = name + ' · Umbel';
    show(page.place,
      h('p', { class: 'trail' }, h('a', { href: prefix + '/schedules' }, 'Schedules')),
      h('h1', null, name, ' ', e.paused ? h('span', { class: 'tag' }, 'paused') : null, ' ', e.edited ? h('span', { class: 'tag' }, 'edited here') : null),
      e.problem ? h('p', { class: 'note bad', role: 'alert', 'data-key': 'problem' }, 'It is not sent: ' + e.problem) : null,
      h('dl', { class: 'facts' },
        row('Task', h('a', { class: 'mono', href: prefix + '/tasks?name=' + encodeURIComponent(e.task) }, e.task)), row('When', h('span', { class: 'mono' }, e.when)),
        row('Clocks', e.zone), row('Whole units', k.relative ? 'yes' : ''), row('Not before', k.start), row('Not after', k.end), row('Jitter', period(k.jitter)),
        row('Queue', o.queue ? h('a', { href: prefix + '/queue/' + encodeURIComponent(o.queue) }, o.queue) : ''), row('Priority', o.priority === undefined ? '' : String(o.priority)),
        row('Expires', o.expires === undefined ? '' : 'after ' + period(o.expires)), row('Overlap', k.overlap), row('Missed', k.missed), row('At most late', period(k.deadline)),
        Object.keys(o).filter(n => !['queue', 'priority', 'expires'].includes(n)).map(n => row(n, h('code', null, some(o[n])))),
        row('Last sent', e.sent ? h('span', { title: full(e.sent) }, e.id ? h('a', { href: prefix + '/task/' + encodeURIComponent(e.id) }, clock(e.sent)) : clock(e.sent), h('span', { class: 'faint' }, ' · ' + ago(e.sent))) : 'not yet'),
        row('Sent', count(e.count) + ' times'), row('From', e.source)),
      h('p', { class: 'faint', 'data-key': 'from' }, e.source === 'store' ? 'It was added at run time.'
        : 'It is ' + from(e.source) + ' and is removed there, not here. ' + (e.edited ? 'It was changed here: what was changed is laid over that.' : 'Changes made here are laid over that.')),
      may('workers') || may('tasks') ? h('div', { class: 'row acts', 'data-key': 'actions' },
        mayWrite(page) ? h('a', { class: 'button', href: here + '?edit=1' }, 'Edit') : null,
        may('tasks') && !e.problem ? h('button', { 'data-key': 'run', onclick: () => run(e) }, 'Run now…') : null,
        may('workers') ? h('button', { 'data-key': 'pause', onclick: () => out.run(path + '/' + (e.paused ? 'resume' : 'pause'), {}, () => load()) }, e.paused ? 'Resume' : 'Pause') : null,
        may('workers') && e.source !== 'store' && e.edited ? h('button', { 'data-key': 'undo', class: 'danger', onclick: () => undo(e) }, 'Undo changes…') : null,
        may('workers') && e.source === 'store' ? h('button', { 'data-key': 'delete', class: 'danger', onclick: remove }, 'Delete…') : null, out.said) : null,
      h('section', { 'data-key': 'due' }, h('h2', null, 'Next due'), e.due.length
        ? h('ol', { class: 'plainlist num-left' }, e.due.map(t => h('li', { 'data-key': t }, due(t), h('span', { class: 'faint' }, ' · in ' + span(Math.max(0, Date.parse(t) / 1000 - Date.now() / 1000))))))
        : h('p', { class: 'faint' }, e.paused ? 'It is paused.' : e.problem ? 'It is not sent.' : 'It is not due any more.')),
      text('Positional arguments', k.args), text('Keyword arguments', k.kwargs),
      e.hidden && !k.args && !k.kwargs ? h('p', { class: 'faint', 'data-key': 'hidden' }, 'Its arguments are hidden.') : null);
  }

  if (!page.params.get('edit')) page.every(2000, () => { if (!document.hidden) load(); });
  await load();
}
