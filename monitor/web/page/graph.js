// A workflow drawn: each task beneath the one that sent it, by depth from left to right, with its state now.

import { h } from './dom.js';
import { prefix } from './client.js';

const boxWide = 190, boxHigh = 38, gapX = 46, gapY = 12;

export function graph(tasks, current) {
  const byID = new Map(tasks.map(t => [t.id, t]));
  const children = new Map();
  const roots = [];
  for (const t of tasks) {
    if (t.parent && byID.has(t.parent) && t.parent !== t.id) {
      if (!children.has(t.parent)) children.set(t.parent, []);
      children.get(t.parent).push(t);
    } else {
      roots.push(t);
    }
  }
  // Rows go by leaves; a parent stands level with the middle of its children.
  const place = new Map();
  let row = 0, deepest = 0;
  function lay(t, depth) {
    if (place.has(t.id)) return; // a ring cannot be: but who sends events may say what they like
    place.set(t.id, { depth, y: 0 });
    deepest = Math.max(deepest, depth);
    const own = (children.get(t.id) || []).filter(c => !place.has(c.id));
    for (const c of own) lay(c, depth + 1);
    place.get(t.id).y = own.length ? (place.get(own[0].id).y + place.get(own[own.length - 1].id).y) / 2 : row++;
  }
  for (const t of roots) lay(t, 0);
  for (const t of tasks) lay(t, 0);

  const x = p => p.depth * (boxWide + gapX) + 1, y = p => p.y * (boxHigh + gapY) + 1;
  const lines = [], boxes = [];
  for (const t of tasks) {
    const p = place.get(t.id);
    const from = t.parent && place.get(t.parent);
    if (from && from.depth < p.depth) {
      const x1 = x(from) + boxWide, y1 = y(from) + boxHigh / 2, x2 = x(p), y2 = y(p) + boxHigh / 2;
      lines.push(h('path', { class: 'edge', d: `M${x1} ${y1}C${x1 + gapX / 2} ${y1} ${x2 - gapX / 2} ${y2} ${x2} ${y2}` }));
    }
    const name = t.name.length > 24 ? '…' + t.name.slice(-23) : t.name || 'name not known';
    boxes.push(h('svg:a', { href: prefix + '/task/' + encodeURIComponent(t.id), 'aria-current': t.id === current ? 'true' : null, 'aria-label': `${t.name}, ${t.state.toLowerCase()}` },
      h('rect', { class: 'box s-' + t.state.toLowerCase(), x: x(p), y: y(p), width: boxWide, height: boxHigh, rx: 5 }),
      h('text', { x: x(p) + 10, y: y(p) + 16 }, name),
      h('text', { class: 'sub', x: x(p) + 10, y: y(p) + 31 }, t.state.toLowerCase() + ' · ' + t.id.slice(0, 8))));
  }
  const w = (deepest + 1) * (boxWide + gapX) - gapX + 2, high = Math.max(1, row) * (boxHigh + gapY) - gapY + 2;
  return h('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': 'Workflow' },
    h('svg', { class: 'graph', width: w, height: high, viewBox: `0 0 ${w} ${high}` }, lines, boxes));
}
