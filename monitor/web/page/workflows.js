import { h, show } from './dom.js';
import { ask, listen, prefix } from './client.js';
import { ago, count, full, span } from './format.js';
import { states } from './state.js';
import { graph } from './graph.js';

const drawnFirst = 5; // running workflows that are drawn without being asked to

export async function workflows(page) {
  let all = page.params.get('state') === 'all';
  let list = [], next = null, busy = false, again = false;
  const open = new Map(); // root to what is known of its tasks, or null
  const shut = new Set();

  async function load(before) {
    if (busy) { again = true; return; }
    busy = true;
    try {
      const r = await ask('workflows', { state: all ? 'all' : 'running', before, limit: 50 });
      if (page.ended()) return;
      page.well();
      list = before ? list.concat(r.workflows) : r.workflows;
      next = r.next;
      if (!all) for (const f of list.slice(0, drawnFirst)) if (!open.has(f.root) && !shut.has(f.root)) open.set(f.root, null);
      draw();
      await Promise.all(list.filter(f => open.has(f.root) && (f.running || !open.get(f.root))).map(fill));
      if (!page.ended()) draw();
    } catch (e) { page.fail(e); } finally {
      busy = false;
      if (again) { again = false; setTimeout(() => { if (!page.ended()) load(); }, 500); }
    }
  }

  async function fill(f) { open.set(f.root, await ask('tasks/' + encodeURIComponent(f.root) + '/workflow')); }

  async function toggle(f) {
    if (open.has(f.root)) { open.delete(f.root); shut.add(f.root); draw(); return; }
    shut.delete(f.root);
    open.set(f.root, null);
    draw();
    try { await fill(f); } catch (e) { page.fail(e); }
    if (!page.ended()) draw();
  }

  function turn(to) {
    all = to;
    page.turn(new URLSearchParams(all ? { state: 'all' } : {}));
    list = [];
    load();
  }

  // bar shows how far a workflow is, by state.
  function bar(f) {
    const parts = states.filter(s => f.states[s]);
    return h('div', { class: 'progress', role: 'img', 'aria-label': parts.map(s => f.states[s] + ' ' + s.toLowerCase()).join(', ') },
      h('svg', { width: '100%', height: 8, viewBox: '0 0 100 8', preserveAspectRatio: 'none', 'aria-hidden': 'true' }, parts.reduce(([at, out], s) => {
        const w = f.states[s] / f.tasks * 100;
        out.push(h('rect', { class: 'box s-' + s.toLowerCase(), x: at, y: 0, width: w, height: 8 }));
        return [at + w, out];
      }, [0, []])[1]));
  }

  function one(f) {
    const known = open.get(f.root);
    const left = states.filter(s => f.states[s]).map(s => count(f.states[s]) + ' ' + s.toLowerCase()).join(' · ');
    return h('section', { class: 'flow', 'data-key': f.root },
      h('h2', null, h('button', { class: 'plain fold', 'aria-expanded': String(open.has(f.root)), onclick: () => toggle(f) }, f.name || 'name not known'), ' ',
        h('a', { class: 'mono', href: prefix + '/task/' + encodeURIComponent(f.root) }, f.root.slice(0, 8))),
      h('p', { class: 'faint' }, count(f.tasks), f.whole ? '' : ' or more', ' tasks: ', left, h('span', { title: full(f.begun) }, ' · begun ' + ago(f.begun)),
        f.running ? null : ' · took ' + span((f.updated || 0) - (f.begun || 0))),
      bar(f),
      open.has(f.root) ? (known ? [known.whole ? null : h('p', { class: 'faint' }, 'The first ' + count(known.tasks.length) + ' tasks are drawn.'), graph(known.tasks, '')]
        : h('p', { class: 'faint' }, 'Looking…')) : null);
  }

  function draw() {
    show(page.place,
      h('h1', null, 'Workflows'),
      h('div', { class: 'segments', role: 'group', 'aria-label': 'Which' },
        h('button', { 'aria-pressed': String(!all), onclick: () => turn(false) }, 'Running'),
        h('button', { 'aria-pressed': String(all), onclick: () => turn(true) }, 'All')),
      list.length ? h('div', { class: 'flows' }, list.map(one))
        : h('p', { class: 'empty' }, all ? 'No workflow has been heard of. Chains, groups and chords are seen once workers send events.' : 'No workflow is running.'),
      all && next ? h('p', { class: 'foot' }, h('button', { class: 'plain', onclick: () => load(next) }, 'Older workflows')) : null);
  }

  let last = 0;
  page.until(listen('tasks', () => {
    if (document.hidden || Date.now() - last < 1000 || list.length > 50) return;
    last = Date.now();
    load();
  }));
  page.every(5000, () => { if (!document.hidden && list.length <= 50) load(); });
  await load();
}
