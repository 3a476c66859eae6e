import { h, show } from './dom.js';
import { ask } from './client.js';
import { count, full } from './format.js';

export async function audit(page) {
  let acts = [], next = null;
  async function load(before) {
    try {
      const r = await ask('audit', { before, limit: 100 });
      if (page.ended()) return;
      acts = before ? acts.concat(r.acts) : r.acts;
      next = r.next;
      draw();
    } catch (e) { page.fail(e); }
  }
  function draw() {
    show(page.place,
      h('h1', null, 'Audit'),
      acts.length ? h('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': 'Audit log' }, h('table', null,
        h('thead', null, h('tr', null, ['When', 'Who', 'From', 'Did', 'To', 'With', 'Outcome'].map(t => h('th', { scope: 'col' }, t)))),
        h('tbody', null, acts.map(a => h('tr', { 'data-key': a.seq }, h('td', { class: 'num' }, full(a.seq / 1e6)), h('td', null, a.who), h('td', null, a.from),
          h('th', { scope: 'row' }, a.action), h('td', { class: 'mono' }, a.target), h('td', { class: 'mono' }, a.detail),
          h('td', { class: a.outcome === 'done' ? null : 'bad' }, a.outcome))))))
        : h('p', { class: 'empty' }, 'Nobody has done anything yet.'),
      h('p', { class: 'foot' }, count(acts.length) + ' shown. ', next ? h('button', { class: 'plain', onclick: () => load(next) }, 'Older') : null));
  }
  await load();
}
