import { h, show } from './dom.js';
import { ask, listen } from './client.js';
import { ask as confirm, doing } from './action.js';
import { spark } from './chart.js';
import { bytes, count, rate } from './format.js';

export async function queues(page) {
  const out = doing();
  let depth = new Map(), busy = false;
  const admin = page.me.scopes.includes('admin');

  async function purge(name) {
    const got = await confirm('Purge ' + name + '?', 'All messages that wait in it are removed, and cannot be brought back. Type its name to go on.',
      [{ name: 'confirm', label: 'Name of the queue' }], 'Purge', true);
    if (got) out.run('queues/' + encodeURIComponent(name) + '/purge', got, load);
  }


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

  function draw({ queues: list, broker, broker_error: why }) {
    const managed = list.some(q => q.managed);
    const heads = [['Queue'], ['Waiting', 'num'], ['Last hour'], ['In hand', 'num'], ['Consumers', 'num'],
      ...(managed ? [['In /s', 'num'], ['Out /s', 'num'], ['Size', 'num'], ['Type']] : []), ...(admin ? [['']] : [])];
    show(page.place,
      h('h1', null, 'Queues'),
      broker ? brokerFacts(broker) : null,
      why ? h('p', { class: 'note bad' }, 'The management API does not answer: ' + why) : null,
      list.length ? h('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': 'Queues' }, h('table', null,
        h('thead', null, h('tr', null, heads.map(([t, c]) => h('th', { scope: 'col', class: c || null }, t)))),
        h('tbody', null, list.map(q => h('tr', { 'data-key': q.name, class: q.exists ? null : 'dim' },
          h('th', { scope: 'row' }, q.name, ' ', tags(q)),
          h('td', { class: 'num strong' }, q.exists ? count(q.ready) : '–'),
          h('td', null, depth.has(q.name) ? spark(depth.get(q.name), 'Depth over the last hour, now ' + q.ready) : null),
          h('td', { class: 'num' }, count(q.unsettled)),
          h('td', { class: 'num' + (q.exists && q.ready && !q.consumers && !q.dead_letter ? ' bad' : '') }, q.exists ? count(q.consumers) : '–'),
          managed ? (q.managed ? [h('td', { class: 'num' }, rate(q.managed.publish_rate)), h('td', { class: 'num' }, rate(q.managed.deliver_rate)),
            h('td', { class: 'num' }, bytes(q.managed.bytes)), h('td', null, q.managed.type, q.managed.policy ? ' · ' + q.managed.policy : '')]
            : [1, 2, 3, 4].map(() => h('td', null))) : null,
          admin ? h('td', { class: 'num' }, q.exists && q.ready ? h('button', { class: 'plain', 'aria-label': 'Purge ' + q.name, onclick: () => purge(q.name) }, 'Purge…') : null) : null)))))
        : h('p', { class: 'empty' }, 'No queue is known yet.'),
      out.said,
      managed ? null : h('p', { class: 'faint' }, 'Queues are those that the settings and events name. With ', h('code', null, '--broker_api'), ' all of them are shown, with rates, sizes and the broker’s memory.'));
  }

  const tags = q => [!q.exists ? h('span', { class: 'tag' }, q.error ? 'not seen: ' + q.error : 'does not exist') : null,
    q.dead_letter ? h('span', { class: 'tag' }, 'dead letters') : null];

  let last = Date.now();
  page.until(listen('overview', async () => {
    if (document.hidden) return;
    if (Date.now() - last > 10000) { last = Date.now(); await history(); }
    load();
  }));
  await history();
  await load();
}

function brokerFacts(b) {
  const row = (k, v, bad) => [h('dt', null, k), h('dd', { class: bad ? 'bad' : null }, v)];
  return h('dl', { class: 'facts' }, row('Broker', 'RabbitMQ ' + b.version + (b.nodes > 1 ? ', ' + b.nodes + ' nodes' : '')), row('Node', b.name),
    row('Memory', bytes(b.mem_used) + ' of ' + bytes(b.mem_limit) + (b.mem_alarm ? ': alarm' : ''), b.mem_alarm),
    row('Disk free', bytes(b.disk_free) + (b.disk_free_alarm ? ': alarm' : ''), b.disk_free_alarm), row('Connections', count(b.connections)));
}
