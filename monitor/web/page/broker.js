import { h, show } from './dom.js';
import { ask, prefix } from './client.js';
import { ago, bytes, count, full, rate, span } from './format.js';

export async function broker(page) {
  let busy = false;
  async function load() {
    if (busy) return;
    busy = true;
    try {
      const r = await ask('broker');
      if (page.ended()) return;
      page.well();
      draw(r);
    } catch (e) { page.fail(e); } finally { busy = false; }
  }

  const row = (k, v, bad) => [h('dt', null, k), h('dd', { class: bad ? 'bad' : null }, v)];

  // meter shows what is used of what may be.
  function meter(used, most, alarm, name) {
    const share = most > 0 ? Math.min(1, used / most) : 0;
    const kind = alarm ? 'failure' : share > 0.8 ? 'retry' : 'success';
    return h('div', { class: 'meter', role: 'meter', 'aria-label': name, 'aria-valuemin': 0, 'aria-valuemax': most, 'aria-valuenow': used, 'aria-valuetext': bytes(used) + ' of ' + bytes(most) },
      h('svg', { width: '100%', height: 8, viewBox: '0 0 100 8', preserveAspectRatio: 'none', 'aria-hidden': 'true' },
        h('rect', { class: 'box', x: 0, y: 0, width: 100, height: 8 }), h('rect', { class: 'box s-' + kind, x: 0, y: 0, width: share * 100, height: 8 })));
  }

  function node(n) {
    const state = !n.running ? 'down' : n.mem_alarm ? 'memory alarm' : n.disk_free_alarm ? 'disk alarm' : n.partitions && n.partitions.length ? 'partitioned' : 'running';
    return h('section', { class: 'card', 'data-key': n.name },
      h('h2', null, n.name, ' ', h('span', { class: 'state ' + (state === 'running' ? 'w-online' : 'w-silent') }, state)),
      !n.running ? null : h('dl', { class: 'facts' },
        row('Memory', [bytes(n.mem_used) + ' of ' + bytes(n.mem_limit), n.mem_alarm ? ': alarm, it takes no more messages' : '', meter(n.mem_used, n.mem_limit, n.mem_alarm, 'Memory of ' + n.name)], n.mem_alarm),
        row('Disk free', bytes(n.disk_free) + ', alarm below ' + bytes(n.disk_free_limit), n.disk_free_alarm),
        row('Files', count(n.fd_used) + ' of ' + count(n.fd_total)), row('Sockets', count(n.sockets_used)), row('Erlang processes', count(n.proc_used)),
        row('Up for', span(n.uptime / 1000)),
        n.partitions && n.partitions.length ? row('Does not see', n.partitions.join(', '), true) : null));
  }

  function draw(r) {
    const c = r.cluster;
    show(page.place,
      h('h1', null, 'Broker'),
      r.connected ? null : h('p', { class: 'note bad', role: 'alert' }, 'The connection to the broker is lost: events are missed meanwhile.'),
      r.error ? h('p', { class: 'note bad', role: 'alert' }, 'The management API does not answer: ' + r.error) : null,
      c ? [
        h('p', { class: 'sum' }, [c.product, c.version].join(' '), c.name ? ' · ' + c.name : '', ' · ', count(c.nodes.filter(n => n.running).length), ' of ', count(c.nodes.length), c.nodes.length === 1 ? ' node runs' : ' nodes run'),
        h('div', { class: 'tiles' }, [['Connections', count(c.connections)], ['Channels', count(c.channels)], ['Queues', count(c.queues), '/queues'], ['Consumers', count(c.consumers)],
          ['Waiting', count(c.ready)], ['In hand', count(c.unsettled)], ['For later', count(c.delayed)], ['In a second', rate(c.publish_rate)], ['Confirmed a second', rate(c.confirm_rate)], ['Out a second', rate(c.deliver_rate)],
          ...(c.unroutable_rate ? [['Unroutable a second', rate(c.unroutable_rate)]] : [])].map(([name, value, to]) =>
          h(to ? 'a' : 'div', { class: 'tile', href: to ? prefix + to : null }, h('span', { class: 'name' }, name), h('span', { class: 'value' }, value)))),
        h('div', { class: 'cards' }, c.nodes.map(node)),
        h('section', { 'data-key': 'connections' }, h('h2', null, 'Connections'),
          r.connections.length ? h('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': 'Connections' }, h('table', null,
            h('thead', null, h('tr', null, [['From'], ['Client'], ['User'], ['State'], ['Channels', 'num'], ['In /s', 'num'], ['Out /s', 'num'], ['Since', 'num'], ['Node']].map(([t, k]) =>
              h('th', { scope: 'col', class: k || null }, t)))),
            h('tbody', null, r.connections.map(x => h('tr', { 'data-key': x.name },
              h('th', { scope: 'row', class: 'mono' }, x.peer), h('td', null, x.client || '–', x.tls ? h('span', { class: 'tag' }, 'TLS') : null), h('td', null, x.user),
              h('td', { class: x.state === 'running' ? null : 'bad' }, x.state), h('td', { class: 'num' }, count(x.channels)), h('td', { class: 'num' }, bytes(x.received_rate)),
              h('td', { class: 'num' }, bytes(x.sent_rate)), h('td', { class: 'num', title: full(x.since) }, ago(x.since)), h('td', null, x.node))))))
            : h('p', { class: 'empty' }, 'No connection is told of.'),
          r.more_connections ? h('p', { class: 'foot' }, 'There are others that are not shown.') : null)]
        : r.managed ? (r.error ? null : h('p', { class: 'empty' }, 'Looking…'))
          : h('p', { class: 'empty' }, 'Nodes, memory and connections are told by RabbitMQ’s management API: start the monitor with ', h('code', null, '--broker_api http://user:password@host:15672/api/'), '.'));
  }

  page.every(3000, () => { if (!document.hidden) load(); });
  await load();
}
