import { h, show } from './dom.js';
import { ask, prefix } from './client.js';
import { ask as confirm, doing } from './action.js';
import { ago, clock, count, full, span } from './format.js';
import { mayWrite } from './schedule.js';

export async function schedules(page) {
  const out = doing();
  const may = s => page.me.scopes.includes(s);
  let busy = false;

  async function load() {
    if (busy) return;
    busy = true;
    try {
      const r = await ask('schedules');
      if (page.ended()) return;
      page.well();
      draw(r);
    } catch (e) { page.fail(e); } finally { busy = false; }
  }

  const act = (s, verb, then) => out.run('schedules/' + encodeURIComponent(s.name) + '/' + verb, {}, r => { load(); return then ? then(r) : null; });

  async function run(s) {
    if (await confirm('Send ' + s.task + ' now?', 'It is sent beside its schedule, which stays as it is.', [], 'Run now'))
      act(s, 'run', r => h('a', { href: prefix + '/task/' + encodeURIComponent(r.id) }, 'Show it'));
  }

  function next(s) {
    if (s.problem) return h('span', { class: 'bad' }, 'not sent: ' + s.problem);
    if (s.paused) return h('span', { class: 'tag' }, 'paused');
    if (!s.next) return '–';
    const left = s.next - Date.now() / 1000;
    return h('span', { title: full(s.next) }, clock(s.next), h('span', { class: 'faint' }, left > 0 ? ' · in ' + span(left) : ' · due'));
  }

  function draw(r) {
    const add = mayWrite(page) && !r.error;
    const acts = may('workers') || may('tasks');
    const heads = [['Entry'], ['Task'], ['When'], ['Next due'], ['Last sent', 'num'], ['Sent', 'num'], ['From'], ...(acts ? [['']] : [])];
    show(page.place,
      h('div', { class: 'row head' }, h('h1', null, 'Schedules'), add && r.schedules.length ? h('a', { class: 'button', href: prefix + '/schedules/new' }, 'Add an entry') : null),
      h('p', { class: 'sum' }, r.schedules.length ? (r.leader ? 'Sent by ' + r.leader : h('span', { class: 'bad' }, 'No beat is running: nothing is sent.')) : null),
      r.error ? h('p', { class: 'note bad', role: 'alert' }, 'The schedule cannot be read: ' + r.error) : null,
      r.schedules.length ? h('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': 'Schedules' }, h('table', null,
        h('thead', null, h('tr', null, heads.map(([t, c]) => h('th', { scope: 'col', class: c || null }, t || h('span', { class: 'unseen' }, 'Actions'))))),
        h('tbody', null, r.schedules.map(s => h('tr', { 'data-key': s.name, class: s.paused ? 'dim' : null },
          h('th', { scope: 'row' }, h('a', { href: prefix + '/schedule/' + encodeURIComponent(s.name) }, s.name)), h('td', null, h('a', { href: prefix + '/tasks?name=' + encodeURIComponent(s.task) }, s.task)),
          h('td', { class: 'mono' }, s.when), h('td', null, next(s)),
          h('td', { class: 'num', title: full(s.sent) }, s.id ? h('a', { href: prefix + '/task/' + encodeURIComponent(s.id) }, s.sent ? ago(s.sent) : '–') : '–'),
          h('td', { class: 'num' }, count(s.count)), h('td', null, s.source, s.edited ? ', edited' : ''),
          acts ? h('td', { class: 'num' },
            add ? h('a', { class: 'plain', 'data-key': 'edit', 'aria-label': 'Edit ' + s.name, href: prefix + '/schedule/' + encodeURIComponent(s.name) + '?edit=1' }, 'Edit') : null,
            may('tasks') && !s.problem ? h('button', { class: 'plain', 'data-key': 'run', 'aria-label': 'Run ' + s.name + ' now', onclick: () => run(s) }, 'Run now…') : null,
            may('workers') ? h('button', { class: 'plain', 'data-key': 'pause', 'aria-label': (s.paused ? 'Resume ' : 'Pause ') + s.name, onclick: () => act(s, s.paused ? 'resume' : 'pause') },
              s.paused ? 'Resume' : 'Pause') : null) : null)))))
        : r.error ? null : h('div', { class: 'empty' }, h('p', null, 'Nothing is sent by schedule. Entries are in the setting ', h('code', null, 'beat_schedule'), ', or added here and with ', h('code', null, 'umbel schedule add'), '.'),
          add ? h('a', { class: 'button', href: prefix + '/schedules/new' }, 'Add an entry') : null),
      out.said);
  }

  page.every(2000, () => { if (!document.hidden) load(); });
  await load();
}
