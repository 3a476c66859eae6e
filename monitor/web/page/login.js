import { h, show } from './dom.js';
import { act, ask, prefix } from './client.js';
import { go } from './app.js';

export async function login(page) {
  let wrong = page.params.get('refused') || '', ways = { password: true, provider: '' };
  try { ways = await ask('login'); } catch { /* a password may do */ }
  const draw = () => show(page.place,
    h('form', { class: 'login', onsubmit: enter },
      h('h1', null, 'Log in'),
      wrong ? h('p', { class: 'note bad', role: 'alert' }, wrong) : null,
      ways.provider ? h('a', { class: 'button main', href: prefix + '/login/oidc' + (page.params.get('to') ? '?to=' + encodeURIComponent(page.params.get('to')) : ''), target: '_self' }, 'Log in with ' + ways.provider) : null,
      ways.password ? [
        h('label', null, 'Name', h('input', { name: 'name', autocomplete: 'username', required: true, autofocus: true })),
        h('label', null, 'Password', h('input', { name: 'password', type: 'password', autocomplete: 'current-password', required: true })),
        h('button', { class: ways.provider ? null : 'main' }, 'Log in')] : null));

  async function enter(e) {
    e.preventDefault();
    const form = e.target;
    try {
      await act('login', { name: form.elements.name.value, password: form.elements.password.value });
      page.entered();
      const to = page.params.get('to') || '';
      go(/^\/[^/\\]/.test(to) || to === '/' ? to : prefix + '/', true); // an address here, and never elsewhere
    } catch (problem) {
      wrong = problem.status === 401 ? 'Name or password is wrong.' : problem.message;
      draw();
      form.elements.password.value = '';
      form.elements.password.focus();
    }
  }
  draw();
  page.place.querySelector('a.button, input').focus();
}
