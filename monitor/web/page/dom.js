// Elements from data. Text is always text: nothing that a task says can become markup, because no markup is ever parsed.

const svgTags = new Set(['svg', 'g', 'path', 'line', 'rect', 'circle', 'text', 'polyline', 'polygon']);

// h makes an element: h('a', {href, class: 'x', onclick: f}, 'text', [more]). null, undefined and false are left out. 'svg:a' is
// SVG's element of that name.
export function h(tag, props, ...children) {
  const node = svgTags.has(tag) || tag.startsWith('svg:')
    ? document.createElementNS('http://www.w3.org/2000/svg', tag.replace('svg:', '')) : document.createElement(tag);
  for (const [name, value] of Object.entries(props || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith('on')) node[name] = value;
    else if (name === 'href' && !/^(\/|#|\?|https?:)/.test(value)) continue; // never javascript:
    else if (name === 'value' && 'value' in node) { node.setAttribute('value', value); node.value = value; }
    else node.setAttribute(name, value === true ? '' : String(value));
  }
  append(node, children);
  return node;
}

// standIns are hollow copies of nodes that are on the page already: who is taken out and put back loses its focus.
const standIns = new Map();

function append(node, children) {
  for (const c of children) {
    if (Array.isArray(c)) append(node, c);
    else if (c instanceof Node && c.isConnected) {
      const hollow = c.cloneNode(false);
      standIns.set(hollow, c);
      node.appendChild(hollow);
    } else if (c instanceof Node) node.appendChild(c);
    else if (c !== null && c !== undefined && c !== false) node.appendChild(document.createTextNode(String(c)));
  }
}

const handlers = ['onclick', 'onsubmit', 'oninput', 'onchange', 'onkeydown', 'onpointerdown', 'onpointermove', 'onpointerup',
  'onpointerleave', 'ondblclick', 'onfocus', 'onblur', 'ontoggle'];

// show makes a place's content be these elements, and changes only what differs: focus, selection and scrolling stay.
export function show(place, ...children) {
  const fresh = document.createElement('div');
  append(fresh, children);
  sync(place, fresh);
  standIns.clear();
}

// settled is a node that is new to the page, with those in it that are not.
function settled(node) {
  if (standIns.has(node)) return standIns.get(node);
  if (standIns.size) for (const c of [...node.childNodes]) { const real = settled(c); if (real !== c) node.replaceChild(real, c); }
  return node;
}

function key(n) { return n.nodeType === 1 ? n.getAttribute('data-key') : null; }

function alike(a, b) {
  return a.nodeType === b.nodeType && a.nodeName === b.nodeName && key(a) === key(b);
}

function sync(old, fresh) {
  const keyed = new Map();
  for (const c of old.childNodes) if (key(c)) keyed.set(key(c), c);
  let at = old.firstChild;
  for (const want of [...fresh.childNodes]) {
    let have = at;
    const k = key(want), real = standIns.get(want);
    if (real) {
      keyed.delete(k);
      if (real === at) at = at.nextSibling;
      else old.insertBefore(real, at);
    } else if (k && keyed.has(k)) {
      have = keyed.get(k);
      if (have !== at) old.insertBefore(have, at);
      else at = at.nextSibling;
      keyed.delete(k);
      change(have, want);
    } else if (have && !key(have) && alike(have, want)) {
      at = at.nextSibling;
      change(have, want);
    } else {
      old.insertBefore(settled(want), at);
    }
  }
  while (at) {
    const next = at.nextSibling;
    old.removeChild(at);
    at = next;
  }
}

function change(have, want) {
  if (have.nodeType === 3) {
    if (have.data !== want.data) have.data = want.data;
    return;
  }
  for (const a of [...have.attributes]) {
    if (!want.hasAttribute(a.name) && a.name !== 'open') have.removeAttribute(a.name);
  }
  for (const a of want.attributes) {
    if (have.getAttribute(a.name) !== a.value) have.setAttribute(a.name, a.value);
  }
  for (const name of handlers) have[name] = want[name];
  if ('value' in want && have !== document.activeElement && have.value !== want.value && want.hasAttribute('value')) have.value = want.value;
  if (have.type === 'checkbox') have.checked = want.hasAttribute('checked');
  if (!have.hasAttribute('data-own')) sync(have, want); // what draws itself is left alone
}

// say tells a screen reader.
export function say(text) {
  document.getElementById('said').textContent = text;
}
