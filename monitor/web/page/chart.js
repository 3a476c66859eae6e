// Time charts as SVG: hover or arrow keys read values, dragging or + zooms in, - and double click zoom out.

import { h } from './dom.js';
import { clock, tick } from './format.js';

const height = 168, left = 46, right = 8, top = 8, bottom = 20;

// chart makes one. options: title, format (of values), zero (a stretch without a point is 0, not a gap), onzoom(since, until),
// onreset(), oncursor(time or null), least (the smallest top of the axis).
export function chart(options) {
  const svg = h('svg', { class: 'plot', tabindex: '0', role: 'img', height });
  const tip = h('div', { class: 'tip', hidden: true });
  const legend = h('div', { class: 'legend' });
  const node = h('figure', { class: 'chart', 'data-own': '' },
    h('figcaption', null, h('h3', null, options.title), legend), h('div', { class: 'stage' }, svg, tip));
  let data = { lines: [], since: 0, until: 1, width: 10 };
  let wide = 0, cursor = null, drag = null, axis = 1;

  const x = t => left + (t - data.since) / (data.until - data.since) * (wide - left - right);
  const time = px => data.since + (px - left) / (wide - left - right) * (data.until - data.since);
  const y = v => top + (1 - v / axis) * (height - top - bottom);

  // begins are the stretches of time that the chart shows.
  function begins() {
    const out = [];
    for (let t = Math.ceil(data.since / data.width) * data.width; t < data.until; t += data.width) out.push(t);
    return out;
  }

  function path(line) {
    let d = '', pen = false, missing = 0;
    for (const t of begins()) {
      let v = line.values.get(t);
      if (v === undefined) {
        if (!options.zero || t + data.width > Math.min(data.until, Date.now() / 1000)) { if (++missing > 3) pen = false; continue; }
        v = 0;
      }
      d += (pen ? 'L' : 'M') + x(t + data.width / 2).toFixed(1) + ' ' + y(v).toFixed(1);
      if (!pen) d += 'h0'; // one point alone is a dot
      pen = true;
      missing = 0;
    }
    return d;
  }

  function nice(most) {
    if (!(most > 0)) return options.least || 1;
    const power = Math.pow(10, Math.floor(Math.log10(most)));
    for (const step of [1, 1.5, 2, 3, 4, 5, 7.5, 10]) if (step * power >= most) return Math.max(step * power, options.least || 0);
    return 10 * power;
  }

  function draw() {
    wide = node.clientWidth || 480;
    let most = 0;
    for (const l of data.lines) for (const v of l.values.values()) most = Math.max(most, v);
    axis = nice(most * 1.04);
    const seconds = data.until - data.since;
    const parts = [];
    for (let i = 0; i <= 4; i += 2) {
      const v = axis * i / 4;
      parts.push(h('line', { class: i ? 'grid' : 'base', x1: left, x2: wide - right, y1: y(v), y2: y(v) }),
        h('text', { class: 'mark', x: left - 6, y: y(v) + 4, 'text-anchor': 'end' }, options.format(v)));
    }
    const marks = Math.max(2, Math.floor(wide / 130));
    const steps = [10, 30, 60, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800];
    const step = steps.find(s => seconds / s <= marks) || 604800;
    const zone = new Date(data.since * 1000).getTimezoneOffset() * 60;
    for (let t = Math.ceil((data.since - zone) / step) * step + zone; t < data.until; t += step) {
      const px = x(t);
      if (px < left + 14 || px > wide - right - 14) continue;
      parts.push(h('text', { class: 'mark', x: px, y: height - 5, 'text-anchor': 'middle' }, tick(t, seconds)));
    }
    for (const l of data.lines) parts.push(h('path', { class: 'line ' + l.class, d: path(l) }));
    if (drag) {
      const a = Math.min(drag.from, drag.to), b = Math.max(drag.from, drag.to);
      parts.push(h('rect', { class: 'span', x: a, y: top, width: b - a, height: height - top - bottom }));
    }
    if (cursor !== null) {
      parts.push(h('line', { class: 'cursor', x1: x(cursor + data.width / 2), x2: x(cursor + data.width / 2), y1: top, y2: height - bottom }));
      for (const l of data.lines) {
        const v = l.values.get(cursor);
        if (v !== undefined) parts.push(h('circle', { class: 'dot ' + l.class, cx: x(cursor + data.width / 2), cy: y(v), r: 3 }));
      }
    }
    svg.setAttribute('viewBox', '0 0 ' + wide + ' ' + height);
    svg.setAttribute('width', wide);
    svg.replaceChildren(...parts);
    svg.setAttribute('aria-label', options.title + '. ' + (data.lines.length ? data.lines.map(describe).join(', ') : 'Nothing yet') +
      '. Arrow keys read values, plus and minus zoom.');
    legend.replaceChildren(...data.lines.map(l => h('span', { class: 'key ' + l.class }, h('span', { class: 'name' }, l.name),
      h('b', null, value(l, cursor !== null ? cursor : last(l))))));
    if (!data.lines.length) legend.replaceChildren(h('span', { class: 'faint' }, 'nothing yet'));
    place();
  }

  const last = l => Math.max(...l.values.keys());

  function value(l, t) {
    const v = l.values.get(t);
    if (v === undefined) return options.zero && cursor !== null ? options.format(0) : '–';
    return options.format(v);
  }

  function describe(l) {
    const values = [...l.values.values()];
    return l.name + (values.length ? ' latest ' + options.format(l.values.get(last(l))) + ', highest ' + options.format(Math.max(...values)) : ' none');
  }

  function place() {
    tip.hidden = cursor === null;
    if (cursor === null) return;
    tip.textContent = clock(cursor);
    const px = Math.max(left, Math.min(x(cursor + data.width / 2) - tip.offsetWidth / 2, wide - tip.offsetWidth));
    tip.style.transform = 'translateX(' + px + 'px)';
  }

  function at(e) {
    const box = svg.getBoundingClientRect();
    return Math.max(left, Math.min((e.clientX - box.left) / box.width * wide, wide - right));
  }

  function point(t) {
    const begin = Math.floor(t / data.width) * data.width;
    options.oncursor(Math.max(Math.ceil(data.since / data.width) * data.width, Math.min(begin, data.until - 1)));
  }

  svg.onpointerdown = e => {
    if (e.button) return;
    svg.setPointerCapture(e.pointerId);
    drag = { from: at(e), to: at(e) };
  };
  svg.onpointermove = e => {
    if (drag) drag.to = at(e);
    point(time(at(e)));
  };
  svg.onpointerup = () => {
    const d = drag;
    drag = null;
    if (d && Math.abs(d.to - d.from) > 8) {
      const a = time(Math.min(d.from, d.to)), b = time(Math.max(d.from, d.to));
      if (b - a >= 60) options.onzoom(a, b);
    }
    draw();
  };
  svg.onpointerleave = () => { if (!drag) options.oncursor(null); };
  svg.onblur = () => options.oncursor(null);
  svg.ondblclick = () => options.onreset();
  svg.onkeydown = e => {
    const middle = cursor === null ? data.until - data.width : cursor, seconds = data.until - data.since;
    if (e.key === 'ArrowLeft') point(middle - data.width);
    else if (e.key === 'ArrowRight') point(middle + data.width);
    else if (e.key === 'Escape') options.oncursor(null);
    else if ((e.key === '+' || e.key === '=') && seconds > 180) options.onzoom(middle - seconds / 6, Math.min(middle + seconds / 6, Date.now() / 1000));
    else if (e.key === '-') options.onreset();
    else return;
    e.preventDefault();
  };
  new ResizeObserver(() => { if (node.clientWidth !== wide) draw(); }).observe(node);

  return {
    node,
    // set shows lines [{name, class, values: Map of begin to value}] between two times.
    set(lines, since, until, width) { data = { lines, since, until, width }; draw(); },
    cursor(t) { if (t !== cursor) { cursor = t; draw(); } },
  };
}

// spark is a small line without axes, of values from old to new.
export function spark(values, title) {
  const w = 96, hgt = 22, most = Math.max(1, ...values);
  const d = values.map((v, i) => (i ? 'L' : 'M') + (i / Math.max(1, values.length - 1) * (w - 2) + 1).toFixed(1) + ' ' + (hgt - 2 - v / most * (hgt - 4)).toFixed(1)).join('');
  return h('svg', { class: 'spark', width: w, height: hgt, viewBox: '0 0 ' + w + ' ' + hgt, role: 'img', 'aria-label': title }, h('path', { class: 'line c0', d }));
}
