import { h, show } from './dom.js';
import { ask, listen, prefix } from './client.js';
import { ago, clock, full, span } from './format.js';
import { badge, workerLink } from './state.js';
import { ask as confirm, doing } from './action.js';
import { graph } from './graph.js';

export async function task(page) {
  const id = page.part;
  const out = doing();
  let shown = null, flow = null, busy = false;

  async function load() {
    if (busy) return;
    busy = true;
    try {
      [shown, flow] = await Promise.all([ask('tasks/' + encodeURIComponent(id)), ask('tasks/' + encodeURIComponent(id) + '/workflow')]);
      if (page.ended()) return;
      page.well();
      draw();
    } catch (e) {
      if (e.status === 404) show(page.place, h('h1', null, 'Task'), h('p', { class: 'mono' }, id), h('p', { class: 'empty' }, 'This task is not in the history. If it was sent just now, it is shown once a worker takes it.'));
      else page.fail(e);
    } finally { busy = false; }
  }

  const row = (k, v) => v ? [h('dt', null, k), h('dd', null, v)] : [];
  const time = t => t ? h('span', { title: full(t) }, clock(t, true), h('span', { class: 'faint' }, ' · ' + ago(t))) : null;
  const text = (title, value, kind) => value ? h('section', { 'data-key': title }, h('h2', null, title), h('pre', { class: kind || null, tabindex: '0' }, value)) : null;

  function draw() {
    const t = shown;
    document.title = (t.name || 'Task') + ' · Umbel';
    show(page.place,
      h('p', { class: 'trail' }, h('a', { href: prefix + '/tasks' }, 'Tasks'), t.name ? [' › ', h('a', { href: prefix + '/tasks?name=' + encodeURIComponent(t.name) }, t.name)] : null),
      h('h1', null, t.name || 'Name not known', ' ', badge(t.state)),
      h('p', { class: 'mono id' }, t.id, ' ', h('button', { class: 'plain', onclick: () => navigator.clipboard && navigator.clipboard.writeText(t.id) }, 'Copy')),
      h('dl', { class: 'facts' },
        row('Worker', t.worker ? workerLink(t.worker) : null), row('Sent by', t.client), row('Queue', t.queue), row('Run time', t.runtime ? span(t.runtime) : null),
        row('Tries', String(t.retries + 1)), row('Due', t.eta), row('Expires', t.expires), row('Sent', time(t.sent)), row('Received', time(t.received)),
        row('Started', time(t.started)), row('Ended', time(t.ended)),
        row('Parent', t.parent ? h('a', { class: 'mono', href: prefix + '/task/' + encodeURIComponent(t.parent) }, t.parent) : null)),
      actions(t),
      text('Error', t.exception, 'bad'),
      text('Positional arguments', t.args), text('Keyword arguments', t.kwargs === '{}' ? '' : t.kwargs), text('Result', t.result),
      t.trail && t.trail.length ? h('section', { 'data-key': 'trail' }, h('h2', null, 'What happened'), timeline(t.trail)) : null,
      flow.tasks.length > 1 ? h('section', { 'data-key': 'flow' }, h('h2', null, 'Workflow'),
        h('p', { class: 'faint' }, flow.tasks.length + ' tasks' + (flow.whole ? '' : ', and more that are not shown')), graph(flow.tasks, t.id)) : null,
      text('Traceback', t.traceback));
  }

  // again asks for the arguments, as they were or changed, and calls the task once more.
  async function again(t) {
    let c;
    try { c = await ask('tasks/' + encodeURIComponent(id) + '/call'); } catch (e) { page.fail(e); return; }
    const args = JSON.stringify(c.args || [], null, 1), kwargs = JSON.stringify(c.kwargs || {}, null, 1);
    const text = ['A new task is sent, with an id of its own.', c.why, c.hidden ? 'Values shown as *** stay what they are unless you change them.' : ''].filter(Boolean).join(' ');
    const got = await confirm('Run ' + (t.name || 'this task') + ' again', text, [
      { name: 'args', label: 'Positional arguments, a JSON array', type: 'json', array: true, value: args },
      { name: 'kwargs', label: 'Keyword arguments, a JSON object', type: 'json', value: kwargs },
      { name: 'queue', label: 'Queue', value: c.queue, required: false, hint: 'where its route leads' }], 'Run again');
    if (!got) return;
    const body = got.queue ? { queue: got.queue } : {};
    if (got.args !== args.trim() || got.kwargs !== kwargs.trim() || !c.whole) { // else as it was: the monitor knows what is hidden here
      body.args = JSON.parse(got.args);
      body.kwargs = JSON.parse(got.kwargs);
    }
    out.run('tasks/' + encodeURIComponent(id) + '/run', body, r => h('a', { href: prefix + '/task/' + encodeURIComponent(r.id) }, 'Show it'));
  }

  function actions(t) {
    if (!page.me.scopes.includes('tasks')) return null;
    const path = 'tasks/' + encodeURIComponent(t.id) + '/revoke';
    const revoke = async terminate => {
      if (await confirm(terminate ? 'End this task?' : 'Revoke this task?', terminate ? 'It is cancelled while it runs.' : 'It does not start. If it runs already, it goes on.',
        [], terminate ? 'Terminate' : 'Revoke', true)) out.run(path, { terminate });
    };
    const ended = ['SUCCESS', 'FAILURE', 'REVOKED', 'REJECTED'].includes(t.state);
    return h('div', { class: 'row acts', 'data-key': 'actions' },
      ended ? null : h('button', { 'data-key': 'revoke', onclick: () => revoke(false) }, 'Revoke…'),
      t.state === 'STARTED' ? h('button', { 'data-key': 'terminate', class: 'danger', onclick: () => revoke(true) }, 'Terminate…') : null,
      t.name ? h('button', { 'data-key': 'again', onclick: () => again(t) }, t.state === 'FAILURE' ? 'Retry…' : 'Run again…') : null, out.said);
  }

  page.until(listen('tasks', list => {
    if (list.some(t => t.id === id || shown && shown.root && t.root === shown.root)) load();
  }));
  await load();
}

const words = { sent: 'sent', received: 'taken by', started: 'started on', succeeded: 'succeeded on', failed: 'failed on', retried: 'to be tried again, says', revoked: 'revoked, says', rejected: 'rejected by' };

function timeline(trail) {
  return h('ol', { class: 'timeline' }, trail.map((s, i) => h('li', { class: 't-' + s.kind, 'data-key': i + s.kind },
    h('span', { class: 'num', title: full(s.at) }, clock(s.at, true)),
    h('span', { class: 'num faint' }, i ? '+' + span(s.at - trail[i - 1].at) : ''),
    h('span', null, words[s.kind] || s.kind, ' ', s.worker ? workerLink(s.worker) : null, s.note ? h('code', { class: 'bad' }, s.note) : null))));
}
