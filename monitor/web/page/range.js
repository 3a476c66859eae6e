// The stretch of time that a page's charts show: a length up to now, or what was zoomed into. The address remembers it.

import { h, show } from './dom.js';

const lengths = [['15 min', 900], ['1 h', 3600], ['6 h', 21600], ['1 d', 86400], ['1 w', 604800], ['4 w', 2419200]];
const usual = 3600;

// range makes the stretch of a page, and what changes it; changed is called when there is another.
export function range(page, changed) {
  let seconds = Number(page.params.get('range')) || usual;
  let zoom = page.params.has('since') ? { since: Number(page.params.get('since')), until: Number(page.params.get('until')) } : null;
  const node = h('div', { class: 'picker', 'data-own': '' });
  let turns = 0;

  function turned() {
    turns++;
    const p = new URLSearchParams();
    if (seconds !== usual) p.set('range', seconds);
    if (zoom) { p.set('since', zoom.since); p.set('until', zoom.until); }
    page.turn(p);
    pick();
    changed();
  }

  function widen() {
    const wider = lengths.find(l => l[1] > seconds);
    if (wider) { seconds = wider[1]; turned(); }
  }

  function pick() {
    show(node,
      h('h2', null, 'Over time'),
      h('div', { class: 'segments', role: 'group', 'aria-label': 'Range' }, lengths.map(([name, s]) =>
        h('button', { 'aria-pressed': String(!zoom && s === seconds), onclick: () => { seconds = s; zoom = null; turned(); } }, name))),
      zoom ? h('button', { class: 'plain', onclick: () => { zoom = null; turned(); } }, 'Leave zoom') : h('span', { class: 'faint' }, 'drag to zoom'));
  }

  pick();
  return {
    node,
    zoomed: () => zoom !== null,
    // shown is the stretch as it is now; over tells an answer that came late that another one is shown meanwhile.
    shown() {
      const now = Date.now() / 1000, asked = turns;
      return { ...(zoom || { since: now - seconds, until: now }), over: () => turns !== asked };
    },
    // options are what a chart needs of it.
    options: {
      onzoom(a, b) { zoom = { since: Math.round(a), until: Math.round(b) }; turned(); },
      onreset() { if (zoom) { zoom = null; turned(); } else widen(); },
    },
  };
}
