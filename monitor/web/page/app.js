// The shell: which page the address asks for, the bar above it, who is logged in.

import { h, show, say } from './dom.js';
import { ask, act, connect, disconnect, listen, prefix } from './client.js';
import { overview } from './overview.js';
import { workers, worker } from './workers.js';
import { tasks } from './tasks.js';
import { task } from './task.js';
import { queues } from './queues.js';
import { queue } from './queue.js';
import { workflows } from './workflows.js';
import { schedules } from './schedules.js';
import { addSchedule, schedule } from './schedule.js';
import { broker } from './broker.js';
import { audit } from './audit.js';
import { login } from './login.js';

const pages = [
  { path: /^\/?$/, name: 'Overview', nav: '/', open: overview },
  { path: /^\/workers$/, name: 'Workers', nav: '/workers', open: workers },
  { path: /^\/workers?\/(.+)$/, name: 'Worker', under: '/workers', open: worker },
  { path: /^\/tasks$/, name: 'Tasks', nav: '/tasks', open: tasks },
  { path: /^\/tasks?\/(.+)$/, name: 'Task', under: '/tasks', open: task },
  { path: /^\/queues$/, name: 'Queues', nav: '/queues', open: queues },
  { path: /^\/queues?\/(.+)$/, name: 'Queue', under: '/queues', open: queue },
  { path: /^\/workflows$/, name: 'Workflows', nav: '/workflows', open: workflows },
  { path: /^\/schedules$/, name: 'Schedules', nav: '/schedules', open: schedules },
  { path: /^\/schedules\/new$/, name: 'Add an entry', under: '/schedules', open: addSchedule },
  { path: /^\/schedules?\/(.+)$/, name: 'Schedule', under: '/schedules', open: schedule },
  { path: /^\/broker$/, name: 'Broker', nav: '/broker', open: broker },
  { path: /^\/audit$/, name: 'Audit', nav: '/audit', open: audit, scope: 'admin' },
];

const main = document.getElementById('main');
const bar = document.getElementById('bar');
let me = null;
let leave = null; // ends the page that is open
let live = false;

function theme() {
  const chosen = localStorage.getItem('theme');
  if (chosen) document.documentElement.setAttribute('data-theme', chosen);
  else document.documentElement.removeAttribute('data-theme');
}

function turn() {
  const dark = document.documentElement.getAttribute('data-theme') || (matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light');
  localStorage.setItem('theme', dark === 'dark' ? 'light' : 'dark');
  theme();
}

// here is the path of the page, as it is written: what is decoded twice is not what it was.
function here() {
  const path = location.pathname, under = encodeURI(prefix);
  return path.startsWith(under) ? path.slice(under.length) : path;
}

function draw() {
  const at = here();
  const links = pages.filter(p => p.nav && (!p.scope || me && me.scopes.includes(p.scope))).map(p => {
    const current = p.nav === at || p.nav !== '/' && at.startsWith(p.nav.slice(0, -1) + '/') || p.nav !== '/' && at.startsWith(p.nav + '/');
    return h('a', { href: prefix + p.nav, 'aria-current': current ? 'page' : null }, p.name);
  });
  show(bar,
    h('a', { class: 'brand', href: prefix + '/', 'aria-label': 'Umbel, overview' }, h('img', { src: prefix + '/static/icon.svg', alt: '', width: 20, height: 20 }), 'umbel'),
    h('nav', { 'aria-label': 'Pages' }, me ? links : null),
    h('div', { class: 'aside' },
      me ? h('span', { class: 'live ' + (live ? 'on' : 'off'), title: live ? 'what you see is live' : 'the connection is lost; trying again' }, live ? 'live' : 'not live') : null,
      me && me.read_only ? h('span', { class: 'tag' }, 'read only') : null,
      me && me.via !== 'nothing' ? h('span', { class: 'who' }, me.name) : null,
      me && me.via === 'session' ? h('button', { class: 'plain', onclick: logout }, 'Log out') : null,
      me && me.via === 'nothing' && me.login ? h('a', { href: prefix + '/login' }, 'Log in') : null,
      h('button', { class: 'plain', onclick: turn, 'aria-label': 'Change between light and dark', title: 'light or dark' }, '◐')));
}

async function logout() {
  await act('logout');
  disconnect();
  me = null;
  go(prefix + '/login');
}

// go opens an address of ours.
export function go(address, replace) {
  history[replace ? 'replaceState' : 'pushState'](null, '', address);
  open(!replace);
}

async function open(moved) {
  if (leave) leave();
  leave = null;
  const at = here();
  if (at !== '/login' && !me) {
    try {
      me = await ask('me');
      connect();
    } catch (e) {
      if (e.status !== 401) {
        show(main, h('h1', null, 'Umbel'), h('p', { class: 'note bad' }, e.message));
        return;
      }
      history.replaceState(null, '', prefix + '/login?to=' + encodeURIComponent(location.pathname + location.search));
      return open(moved);
    }
  }
  const found = at === '/login' ? { name: 'Log in', open: login } : pages.find(p => p.path.test(at));
  document.title = (found ? found.name + ' · ' : '') + 'Umbel';
  draw();
  const current = bar.querySelector('nav [aria-current]');
  if (current) current.scrollIntoView({ block: 'nearest', inline: 'nearest' }); // a narrow bar scrolls
  main.replaceChildren();
  if (!found) {
    show(main, h('h1', null, 'There is no such page'), h('p', null, h('a', { href: prefix + '/' }, 'Overview')));
    return;
  }
  const parts = found.path ? found.path.exec(at) : [];
  let ended = false;
  const ends = [];
  const page = {
    place: main, me, params: new URLSearchParams(location.search), part: parts[1] ? decodeURIComponent(parts[1]) : '',
    ended: () => ended,
    until: f => ends.push(f), // called when the page is left
    every: (ms, f) => { const t = setInterval(f, ms); ends.push(() => clearInterval(t)); },
    // turn changes what the address says behind the ?
    turn: params => {
      const text = params.toString();
      history.replaceState(null, '', location.pathname + (text ? '?' + text : ''));
    },
    fail: e => {
      if (ended || e.name === 'AbortError') return;
      if (e.status === 401) { me = null; disconnect(); open(false); return; }
      let note = main.querySelector('.note.bad');
      if (!note) { note = h('p', { class: 'note bad', role: 'alert' }); main.prepend(note); }
      note.textContent = e.message;
    },
    well: () => { const n = main.querySelector(':scope > .note.bad'); if (n) n.remove(); },
    entered: () => { me = null; },
  };
  leave = () => { ended = true; for (const f of ends) f(); };
  try {
    await found.open(page);
  } catch (e) {
    page.fail(e);
  }
  if (moved && !ended) {
    if (!main.contains(document.activeElement)) main.focus({ preventScroll: true }); // else the page has chosen where one begins
    scrollTo(0, 0);
    say(found.name);
  }
}

document.addEventListener('click', e => {
  const a = e.target.closest('a[href]');
  if (!a || e.defaultPrevented || e.button || e.metaKey || e.ctrlKey || e.shiftKey || a.getAttribute('target')) return;
  const to = new URL(a.getAttribute('href'), location.href); // an SVG's link has no properties for this
  if (to.origin !== location.origin || to.hash && to.pathname === location.pathname) return;
  if (to.pathname.startsWith(prefix + '/api/') || to.pathname.startsWith(prefix + '/static/')) return;
  e.preventDefault();
  go(to.href);
});

// Keys: / goes to the search, g and a letter to a page.
let led = 0;
document.addEventListener('keydown', e => {
  if (e.target.matches('input, textarea, select') || e.metaKey || e.ctrlKey || e.altKey) return;
  if (e.key === '/') {
    e.preventDefault();
    const box = document.getElementById('search');
    if (box) box.focus(); else go(prefix + '/tasks?focus=search');
  } else if (e.key === 'g') {
    led = Date.now();
  } else if (Date.now() - led < 1500) {
    const to = { o: '/', w: '/workers', t: '/tasks', q: '/queues', f: '/workflows', s: '/schedules', b: '/broker', a: '/audit' }[e.key];
    if (to) go(prefix + to);
    led = 0;
  }
});

addEventListener('popstate', () => open(true));
listen('link', on => { live = on; draw(); });
theme();
open(false);
