// One queue: how it is, what waits in it, and its dead letters.

import { h, show } from './dom.js';
import { ask, listen, prefix } from './client.js';
import { ask as confirm, doing } from './action.js';
import { ago, bytes, clock, count, full, rate } from './format.js';
import { chart } from './chart.js';
import { range } from './range.js';
import { call, taskLink } from './state.js';
import { queueActions } from './queues.js';

const reasons = ['', 'failed', 'rejected', 'time limit', 'worker lost', 'expired', 'undecodable', 'not accepted', 'unknown message', 'unregistered', 'maxlen', 'delivery_limit'];

export async function queue(page) {
  const name = page.part, path = 'queues/' + encodeURIComponent(name);
  const out = doing();
  const may = s => page.me.scopes.includes(s);
  const filter = { task: '', argument: '', reason: '', older: '', newer: '' };
  let shown = null, letters = null, more = false, errands = [], asking = false, busy = false;

  const stretch = range(page, history);
  const depth = chart({ ...stretch.options, title: 'Messages that wait', format: v => count(Math.round(v)), least: 4, oncursor: t => depth.cursor(t) });

  async function load() {
    if (busy) return;
    busy = true;
    try {
      const [r, e] = await Promise.all([ask('queues'), ask('errands')]);
      if (page.ended()) return;
      page.well();
      shown = r.queues.find(q => q.name === name) || null;
      errands = e.errands.filter(x => x.queue === name);
      draw();
    } catch (e) { page.fail(e); } finally { busy = false; }
  }

  async function history() {
    const { since, until, over } = stretch.shown();
    try {
      const r = await ask('series', { metric: 'ready', label: name, since, until });
      if (page.ended() || over()) return;
      depth.set(r.lines.map(l => ({ name: 'waiting', class: 'c0', values: new Map(l.at.map((t, i) => [t, l.mean[i]])) })), since, until, r.width);
    } catch { /* the figures say more */ }
  }

  const seconds = text => {
    const m = /^\s*([\d.]+)\s*([smhd]?)\s*$/.exec(text || '');
    return m ? Number(m[1]) * { '': 1, s: 1, m: 60, h: 3600, d: 86400 }[m[2]] : undefined;
  };
  const chosen = () => ({ task: filter.task, argument: filter.argument, reason: filter.reason, older: seconds(filter.older), newer: seconds(filter.newer) });
  const sparse = o => Object.fromEntries(Object.entries(o).filter(([, v]) => v !== '' && v !== undefined));

  // look shows what waits: an action, since the broker hands it out for that.
  async function look() {
    asking = true;
    draw();
    try {
      const r = await ask(path + '/messages', { ...chosen(), limit: 100 });
      if (page.ended()) return;
      page.well();
      letters = r.messages;
      more = r.more;
    } catch (e) { page.fail(e); } finally {
      asking = false;
      if (!page.ended()) draw();
    }
  }

  const later = () => { load(); setTimeout(() => { if (!page.ended()) { load(); look(); } }, 700); };

  async function replay(ids) {
    const got = await confirm(ids ? 'Run this message again?' : 'Replay dead letters', (ids ? '' : 'Those that fit the filter are sent to the queues they came from, as new. ') + 'Each leaves this queue once the broker has taken it.', [
      { name: 'to', label: 'To queue', required: false, hint: 'where each came from' },
      ...(ids ? [] : [{ name: 'rate', label: 'Rate, such as 10/s or 100/m', required: false, hint: 'as fast as they are taken' }, { name: 'limit', label: 'At most', type: 'number', value: '1000' }])], 'Replay');
    if (!got) return;
    const body = ids ? { ids, limit: 100000 } : { ...sparse(chosen()), limit: Number(got.limit), rate: got.rate };
    if (got.to) body.to = got.to;
    out.run(path + '/dead/replay', body, later);
  }

  async function drop(ids) {
    const got = await confirm(ids ? 'Drop this message?' : 'Drop dead letters', (ids ? '' : 'Those that fit the filter are removed. ') + 'They cannot be brought back.' + (ids ? '' : ' Type the name of the queue to go on.'),
      ids ? [] : [{ name: 'confirm', label: 'Name of the queue' }, { name: 'limit', label: 'At most', type: 'number', value: '1000' }], 'Drop', true);
    if (got) out.run(path + '/dead/drop', ids ? { ids, limit: 100000 } : { ...sparse(chosen()), limit: Number(got.limit), confirm: got.confirm }, later);
  }

  async function edit(m) {
    let one;
    try { one = (await ask(path + '/messages', { id: m.id })).messages[0]; } catch (e) { page.fail(e); return; }
    if (!one || !one.call) { page.fail(new Error(one ? one.problem || 'its body cannot be read' : 'it is no longer there')); return; }
    const got = await confirm('Edit ' + (m.task || m.id), 'It stays a dead letter, to be replayed when it is right.' + (one.call.hidden ? ' Values shown as *** stay what they are unless you change them.' : ''), [
      { name: 'args', label: 'Positional arguments, a JSON array', type: 'json', array: true, value: JSON.stringify(one.call.args || [], null, 1) },
      { name: 'kwargs', label: 'Keyword arguments, a JSON object', type: 'json', value: JSON.stringify(one.call.kwargs || {}, null, 1) }], 'Save');
    if (got) out.run(path + '/dead/edit', { id: m.id, args: JSON.parse(got.args), kwargs: JSON.parse(got.kwargs) }, later);
  }

  const row = (k, v, bad) => v === null || v === undefined || v === '' ? [] : [h('dt', null, k), h('dd', { class: bad ? 'bad' : null }, v)];
  const box = (key, label, hint) => h('label', { class: 'field', 'data-key': key }, label,
    h('input', { name: key, value: filter[key], placeholder: hint, autocomplete: 'off', spellcheck: 'false', oninput: e => { filter[key] = e.target.value; } }));

  function message(m, i) {
    const d = m.dead;
    return h('details', { class: 'letter', 'data-key': m.id + i },
      h('summary', null, h('b', null, m.task || 'no task'), ' ', h('span', { class: 'mono' }, call(m)), ' ',
        d ? h('span', { class: 'state s-failure' }, d.reason) : null, m.problem ? h('span', { class: 'bad' }, ' ' + m.problem) : null,
        h('span', { class: 'faint when' }, d && d.time ? ago(d.time) : m.sent ? ago(m.sent) : '')),
      h('dl', { class: 'facts' }, row('Id', m.id ? taskLink(m, m.id) : null), row('Positional', h('code', null, m.args)), row('Keyword', h('code', null, m.kwargs)),
        row('Tries', d ? String(d.attempts) : String(m.retries)), row('Came from', d && d.queue), row('Worker', d && d.worker), row('Died', d && d.time ? h('span', { title: full(d.time) }, clock(d.time)) : null),
        row('Due', m.eta ? clock(m.eta) : null), row('Expires', m.expires ? clock(m.expires) : null), row('Priority', m.priority === null ? null : String(m.priority)),
        row('Sent', m.sent ? clock(m.sent) : null), row('Sent by', m.origin), row('Size', bytes(m.bytes) + ' ' + m.content_type)),
      d && d.error ? h('pre', { class: 'bad', tabindex: '0' }, d.error) : null, d && d.stack ? h('pre', { tabindex: '0' }, d.stack) : null,
      m.id && d ? h('div', { class: 'row acts' }, h('button', { onclick: () => replay([m.id]), 'aria-label': 'Replay ' + m.id }, 'Replay this…'), h('button', { onclick: () => edit(m), 'aria-label': 'Edit ' + m.id }, 'Edit…'),
        may('admin') ? h('button', { class: 'danger', onclick: () => drop([m.id]), 'aria-label': 'Drop ' + m.id }, 'Drop this…') : null) : null);
  }

  function going(x) {
    return h('li', { 'data-key': x.id }, x.action === 'drop' ? 'Drop' : 'Replay', ' by ', x.who, ': ', count(x.done), ' done', x.rate ? ' at ' + x.rate : '', x.what ? ' (' + x.what + ')' : '',
      x.ended ? h('span', { class: x.error ? 'bad' : 'faint' }, ', ended ' + ago(x.ended) + (x.error ? ': ' + x.error : '')) : [' ', h('progress', { 'aria-label': 'goes on' }), ' ',
        may('tasks') ? h('button', { class: 'plain', onclick: () => out.run('errands/' + x.id + '/stop', {}, load) }, 'Stop') : null]);
  }

  function draw() {
    const q = shown, m = q && q.managed, dead = q && q.dead_letter || letters && letters.some(l => l.dead);
    show(page.place,
      h('p', { class: 'trail' }, h('a', { href: prefix + '/queues' }, 'Queues')),
      h('h1', null, name, ' ', q && q.paused ? h('span', { class: 'tag' }, 'paused') : null, dead ? h('span', { class: 'tag' }, 'dead letters') : null),
      !q ? h('p', { class: 'empty' }, 'This monitor does not know the queue.') : [
        h('dl', { class: 'facts' }, row('Waiting', q.exists ? count(q.ready) : 'it does not exist', !q.exists), row('In hand', count(q.unsettled)), row('Consumers', count(q.consumers), q.exists && q.ready && !q.consumers && !q.dead_letter),
          row('Oldest', q.oldest ? ago(q.oldest).replace(' ago', '') : null),
          m ? [row('In, out, settled a second', [m.publish_rate, m.deliver_rate, m.ack_rate].map(rate).join(' · ')), row('Size', bytes(m.bytes)), row('Type', m.type), row('Policy', m.policy || 'none'),
            row('Arguments', m.arguments && Object.keys(m.arguments).length ? h('code', null, JSON.stringify(m.arguments)) : null)] : null),
        queueActions(page, q, out, load), out.said],
      h('section', { 'data-key': 'depth', class: 'alone', 'aria-label': 'Over time' }, stretch.node, depth.node),
      errands.length ? h('section', { 'data-key': 'errands', 'aria-live': 'polite' }, h('h2', null, 'Replays'), h('ul', { class: 'plainlist' }, errands.map(going))) : null,
      !q || !q.exists ? null : !may('tasks') ? h('p', { class: 'faint' }, 'Operators may look at the messages.') : h('section', { 'data-key': 'messages' },
        h('h2', null, dead ? 'Dead letters' : 'Messages'),
        h('form', { class: 'search', onsubmit: e => { e.preventDefault(); look(); } }, h('div', { class: 'row' },
          box('task', 'Task', 'any; * stands for any text'), box('argument', 'Text in its arguments'),
          dead ? [h('label', { class: 'field', 'data-key': 'reason' }, 'Reason', h('select', { onchange: e => { filter.reason = e.target.value; } }, reasons.map(r => h('option', { value: r, selected: r === filter.reason }, r || 'any')))),
            box('older', 'Dead for longer than', '90s, 15m, 36h, 7d'), box('newer', 'and no longer than', '1h')] : null,
          h('button', { class: 'main', disabled: asking }, letters ? 'Look again' : 'Look at what waits'),
          dead ? h('button', { type: 'button', 'data-key': 'replay', onclick: () => replay(null) }, 'Replay…') : null,
          dead && may('admin') ? h('button', { type: 'button', class: 'danger', 'data-key': 'drop', onclick: () => drop(null) }, 'Drop…') : null)),
        letters === null ? h('p', { class: 'faint' }, 'To be looked at, messages are handed out for a moment and given back; the broker may count that.')
          : letters.length ? [h('div', { class: 'letters' }, letters.map(message)), h('p', { class: 'foot' }, count(letters.length) + ' shown.', more ? ' There are others behind those that were looked at.' : '')]
            : h('p', { class: 'empty' }, more ? 'None of the first 100 messages fits.' : 'Nothing that fits waits here.')));
  }

  let last = 0;
  page.until(listen('overview', () => {
    if (document.hidden) return;
    load();
    if (!stretch.zoomed() && Date.now() - last > 10000) { last = Date.now(); history(); }
  }));
  await load();
  await history();
}
