import { h, show } from './dom.js';
import { ask, listen, prefix } from './client.js';
import { chart } from './chart.js';
import { range } from './range.js';
import { count, rate, span } from './format.js';

const linesMost = 6;

export async function overview(page) {
  const stretch = range(page, load);
  const options = { ...stretch.options, oncursor(t) { for (const c of Object.values(charts)) c.cursor(t); } };
  const charts = {
    tasks: chart({ ...options, title: 'Tasks a second', format: rate, zero: true, least: 0.1 }),
    queues: chart({ ...options, title: 'Messages that wait', format: v => count(Math.round(v)), least: 4 }),
    runtime: chart({ ...options, title: 'Run time', format: span, least: 0.001 }),
    wait: chart({ ...options, title: 'Wait for a worker', format: span, least: 0.001 }),
  };
  const wrong = h('section', { class: 'wrong', 'aria-label': 'What is wrong now', 'aria-live': 'polite' });
  const tiles = h('div', { class: 'tiles' });
  page.place.append(h('h1', { class: 'unseen' }, 'Overview'), wrong, tiles,
    h('section', { 'aria-label': 'Over time' }, stretch.node, h('div', { class: 'charts' }, Object.values(charts).map(c => c.node))));

  async function load() {
    const { since, until, over } = stretch.shown();
    try {
      const [tasks, queues] = await Promise.all([
        ask('series', { metric: ['succeeded', 'failed', 'retried', 'runtime', 'wait'], since, until }),
        ask('series', { metric: 'ready', since, until })]);
      if (page.ended() || over()) return;
      page.well();
      const width = tasks.width, line = name => tasks.lines.find(l => l.metric === name);
      const values = (l, f) => new Map(l.at.map((t, i) => [t, f(i)]));
      const some = names => names.filter(n => line(n[0])).map(([metric, name, kind]) =>
        ({ name, class: kind, values: values(line(metric), i => line(metric).n[i] / width) }));
      charts.tasks.set(some([['succeeded', 'succeeded', 'good'], ['failed', 'failed', 'bad'], ['retried', 'retried', 'again']]), since, until, width);
      for (const metric of ['runtime', 'wait']) {
        const l = line(metric);
        charts[metric].set(!l ? [] : [['p50', 'median', 'c0'], ['p95', '95 %', 'c1'], ['p99', '99 %', 'c2']].map(([q, name, kind]) =>
          ({ name, class: kind, values: values(l, i => l[q][i]) })), since, until, width);
      }
      const most = l => Math.max(...l.peak);
      const deep = queues.lines.sort((a, b) => most(b) - most(a)).slice(0, linesMost).sort((a, b) => a.label < b.label ? -1 : 1);
      charts.queues.set(deep.map((l, i) => ({ name: l.label, class: 'c' + i, values: values(l, j => l.mean[j]) })), since, until, queues.width);
    } catch (e) { page.fail(e); }
  }

  function tile(name, value, more, kind, to) {
    return h(to ? 'a' : 'div', { class: 'tile ' + (kind || ''), href: to ? prefix + to : null },
      h('span', { class: 'name' }, name), h('span', { class: 'value' }, value), h('span', { class: 'more' }, more || '\u00a0'));
  }

  function now(o) {
    if (page.ended()) return;
    show(wrong, o.alerts.length
      ? [h('h2', null, 'Wrong now'), h('ul', null, o.alerts.map(a => h('li', { class: a.level, 'data-key': a.kind + a.subject },
        h('span', { class: 'sign', 'aria-hidden': 'true' }), h('span', { class: 'unseen' }, a.level + ': '),
        whereTo(a) ? h('a', { href: prefix + whereTo(a) }, a.text) : a.text)))]
      : h('p', { class: 'well' }, h('span', { class: 'sign', 'aria-hidden': 'true' }),
        o.workers.online ? 'Nothing is wrong that this monitor can see.' : 'No worker is online. Workers are seen once they send events: start them with -E.'));
    const ready = o.queues.reduce((n, q) => n + (q.dead_letter ? 0 : q.ready), 0);
    show(tiles,
      tile('Done a second', rate(o.rates.succeeded), rate(o.rates.received) + ' received', '', '/tasks'),
      tile('Failed a second', rate(o.rates.failed), rate(o.rates.retried) + ' retried', o.rates.failed > 0 ? 'bad' : '', '/tasks?state=FAILURE'),
      tile('Running', count(o.active), 'tasks now', '', '/tasks?state=STARTED'),
      tile('Workers', count(o.workers.online), o.workers.silent ? count(o.workers.silent) + ' silent' : 'online', o.workers.silent ? 'bad' : '', '/workers'),
      tile('Waiting', count(ready), 'messages', '', '/queues'),
      tile('Run time', span(o.runtime.p50), '95 % within ' + span(o.runtime.p95)),
      tile('Wait', span(o.wait.p50), '95 % within ' + span(o.wait.p95)));
  }

  page.until(listen('overview', now));
  page.every(5000, () => { if (!stretch.zoomed() && !document.hidden) load(); });
  now(await ask('overview'));
  await load();
}

function whereTo(a) {
  if (a.kind.startsWith('queue') || a.kind === 'dead-letters') return '/queue/' + encodeURIComponent(a.subject);
  if (['memory-alarm', 'memory-high', 'disk-alarm', 'files-high', 'partition', 'node-down', 'unroutable', 'management-unreachable'].includes(a.kind)) return '/broker';
  if (a.kind.startsWith('worker')) return '/worker/' + encodeURIComponent(a.subject);
  if (a.kind === 'task-fails') return '/tasks?state=FAILURE&name=' + encodeURIComponent(a.subject);
  return '';
}
