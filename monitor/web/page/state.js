// What pages share about tasks.

import { h } from './dom.js';
import { prefix } from './client.js';

export const states = ['PENDING', 'RECEIVED', 'STARTED', 'SUCCESS', 'RETRY', 'FAILURE', 'REVOKED', 'REJECTED'];

// badge shows a state by colour, sign and word.
export function badge(state) {
  return h('span', { class: 'state s-' + (states.includes(state) ? state.toLowerCase() : 'other') }, state.toLowerCase());
}

export function taskLink(t, text) {
  return h('a', { href: prefix + '/task/' + encodeURIComponent(t.id), class: 'mono', title: t.id }, text || t.id.slice(0, 8));
}

export function workerLink(name) {
  return name ? h('a', { href: prefix + '/worker/' + encodeURIComponent(name) }, name) : '–';
}

// call is a task's arguments as one would write the call.
export function call(t) {
  const strip = (s, a, b) => s.startsWith(a) && s.endsWith(b) ? s.slice(1, -1).replace(/,$/, '') : s;
  const args = strip(t.args, '(', ')'), kwargs = strip(t.kwargs, '{', '}');
  return [args, kwargs].filter(Boolean).join(', ');
}
