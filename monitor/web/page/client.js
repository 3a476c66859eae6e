// The API, and its stream.

export const prefix = document.querySelector('meta[name=prefix]').content;

export class Problem extends Error {
  constructor(status, text, fields) { super(text); this.status = status; this.fields = fields || []; }
}

// ask asks the API: ask('tasks', {name: 'x'}). It throws a Problem.
export async function ask(path, params, signal) {
  const q = new URLSearchParams();
  for (const [k, v] of Object.entries(params || {})) {
    for (const one of Array.isArray(v) ? v : [v]) if (one !== null && one !== undefined && one !== '') q.append(k, one);
  }
  const text = q.toString();
  return answer(await fetch(prefix + '/api/v1/' + path + (text ? '?' + text : ''), { signal, credentials: 'same-origin' }));
}

// act changes something.
export async function act(path, body) {
  return answer(await fetch(prefix + '/api/v1/' + path, {
    method: 'POST', credentials: 'same-origin', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body || {}),
  }));
}

async function answer(r) {
  if (r.status === 204) return null;
  let doc = null;
  try { doc = await r.json(); } catch { /* no JSON: the status says enough */ }
  if (!r.ok) throw new Problem(r.status, doc && doc.error ? doc.error : 'the monitor answered ' + r.status, doc && doc.fields);
  return doc;
}

let source = null;
const listeners = new Map();

// listen calls f with every message of a kind, until the function it returns is called: 'overview', 'tasks', 'link'.
export function listen(kind, f) {
  if (!listeners.has(kind)) listeners.set(kind, new Set());
  listeners.get(kind).add(f);
  return () => listeners.get(kind).delete(f);
}

function tell(kind, v) { for (const f of listeners.get(kind) || []) f(v); }

let wanted = false;

// A browser keeps six connections to a host, whatever the number of its tabs: only the one that is looked at has a stream.
const looked = () => document.visibilityState === 'visible';
document.addEventListener('visibilitychange', () => { if (looked()) open(); else shut(); });
addEventListener('pagehide', shut);
addEventListener('pageshow', open);

export function connect() { wanted = true; open(); }

export function disconnect() { wanted = false; shut(); }

function open() {
  if (source || !wanted || !looked()) return;
  source = new EventSource(prefix + '/api/v1/stream');
  source.onopen = () => tell('link', true);
  source.onerror = () => {
    tell('link', false);
    if (source && source.readyState === EventSource.CLOSED) { // refused: the browser does not come back by itself
      source = null;
      setTimeout(open, 5000);
    }
  };
  for (const kind of ['overview', 'tasks']) source.addEventListener(kind, e => tell(kind, JSON.parse(e.data)));
}

function shut() {
  if (source) source.close();
  source = null;
}
