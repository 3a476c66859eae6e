import { h, show } from './dom.js';
import { ask, listen, prefix } from './client.js';
import { ask as confirm } from './action.js';
import { spark } from './chart.js';
import { bytes, count, full, rate, span } from './format.js';

export async function queues(page) {
  let depth = new Map(), busy = false;

  async function history() {
    const now = Date.now() / 1000;
    try {
      const r = await ask('series', { metric: 'ready', since: now - 3600, until: now });
      depth = new Map(r.lines.map(l => [l.label, l.mean]));
    } catch { /* the table says more */ }
  }

  async function load() {
    if (busy) return;
    busy = true;
    try {
      const r = await ask('queues');
      if (page.ended()) return;
      page.well();
      draw(r);
    } catch (e) { page.fail(e); } finally { busy = false; }
  }

  function draw({ queues: list, delayed, managed: told, broker_error: why }) {
    const managed = list.some(q => q.managed);
    const heads = [['Queue'], ['Waiting', 'num'], ['Last hour'], ['In hand', 'num'], ['Consumers', 'num'],
      ...(managed ? [['Oldest', 'num'], ['In /s', 'num'], ['Out /s', 'num'], ['Size', 'num'], ['Type']] : [])];
    show(page.place,
      h('h1', null, 'Queues'),
      why ? h('p', { class: 'note bad' }, 'The management API does not answer: ' + why) : null,
      list.length ? h('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': 'Queues' }, h('table', null,
        h('thead', null, h('tr', null, heads.map(([t, c]) => h('th', { scope: 'col', class: c || null }, t)))),
        h('tbody', null, list.map(q => h('tr', { 'data-key': q.name, class: q.exists ? null : 'dim' },
          h('th', { scope: 'row' }, h('a', { href: prefix + '/queue/' + encodeURIComponent(q.name) }, q.name), ' ', tags(q)),
          h('td', { class: 'num strong' }, q.exists ? count(q.ready) : '–'),
          h('td', null, depth.has(q.name) ? spark(depth.get(q.name), 'Depth over the last hour, now ' + q.ready) : null),
          h('td', { class: 'num' }, count(q.unsettled)),
          h('td', { class: 'num' + (q.exists && q.ready && !q.consumers && !q.dead_letter ? ' bad' : '') }, q.exists ? count(q.consumers) : '–'),
          managed ? (q.managed ? [h('td', { class: 'num', title: q.oldest ? full(q.oldest) : 'its sender does not say when' }, q.ready && q.oldest ? span(Date.now() / 1000 - q.oldest) : '–'), h('td', { class: 'num' }, rate(q.managed.publish_rate)), h('td', { class: 'num' }, rate(q.managed.deliver_rate)),
            h('td', { class: 'num' }, bytes(q.managed.bytes)), h('td', null, q.managed.type, q.managed.policy ? ' · ' + q.managed.policy : '')]
            : [1, 2, 3, 4, 5].map(() => h('td', null))) : null)))))
        : h('p', { class: 'empty' }, 'No queue is known yet.'),
      delayed ? h('p', { class: 'foot' }, count(delayed) + (delayed === 1 ? ' task waits' : ' tasks wait') + ' in the broker for ' + (delayed === 1 ? 'its' : 'their') + ' time.') : null,
      told ? null : h('p', { class: 'faint' }, 'Queues are those that the settings and events name. With ', h('code', null, '--broker_api'), ' all of them are shown, with rates, sizes and the broker’s memory.'));
  }

  const tags = q => [!q.exists ? h('span', { class: 'tag' }, q.error ? 'not seen: ' + q.error : 'does not exist') : null,
    q.dead_letter ? h('span', { class: 'tag' }, 'dead letters') : null, q.paused ? h('span', { class: 'tag' }, 'paused') : null];

  let last = Date.now();
  page.until(listen('overview', async () => {
    if (document.hidden) return;
    if (Date.now() - last > 10000) { last = Date.now(); await history(); }
    load();
  }));
  await history();
  await load();
}

// queueActions are what can be done with a queue.
export function queueActions(page, q, out, then) {
  const may = s => page.me.scopes.includes(s), path = 'queues/' + encodeURIComponent(q.name);
  async function purge() {
    const got = await confirm('Purge ' + q.name + '?', 'All messages that wait in it are removed, and cannot be brought back. Type its name to go on.',
      [{ name: 'confirm', label: 'Name of the queue' }], 'Purge', true);
    if (got) out.run(path + '/purge', got, then);
  }
  async function pause() {
    if (q.paused || await confirm('Pause ' + q.name + '?', 'No worker consumes it until it is resumed. Messages wait in it; what workers hold of it still runs.', [], 'Pause'))
      out.run(path + (q.paused ? '/resume' : '/pause'), {}, then);
  }
  return h('div', { class: 'row acts', 'data-key': 'actions' },
    may('workers') && q.exists && !q.dead_letter ? [h('button', { 'data-key': 'pause', onclick: pause }, q.paused ? 'Resume' : 'Pause…'),
      q.paused ? null : h('button', { 'data-key': 'resume', class: 'plain', onclick: () => out.run(path + '/resume', {}, then) }, 'Resume')] : null,
    may('admin') && q.exists ? h('button', { 'data-key': 'purge', class: 'danger', onclick: purge }, 'Purge…') : null);
}
