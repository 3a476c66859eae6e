// Buttons that change something. What one may not do has no button; what cannot be undone is asked about first.

import { h } from './dom.js';
import { act } from './client.js';

// field is what a dialog asks for: {name, label, type, value, required, json}. A text of several lines is checked as JSON.
function field(f) {
  if (f.type === 'checkbox') return h('input', { name: f.name, type: 'checkbox', value: 'yes', checked: f.value === true });
  if (f.options) return h('select', { name: f.name }, f.options.map(o => h('option', { value: o, selected: o === f.value }, o)));
  if (f.type !== 'json') return h('input', { name: f.name, type: f.type || 'text', step: f.type === 'number' ? 'any' : null, value: f.value || '', required: f.required !== false, placeholder: f.hint, autocomplete: 'off', spellcheck: 'false' });
  const box = h('textarea', { name: f.name, rows: Math.min(12, Math.max(2, (f.value || '').split('\n').length)), spellcheck: 'false', class: 'mono', 'aria-describedby': f.name + '-wrong' });
  const wrong = h('span', { class: 'bad', id: f.name + '-wrong', 'aria-live': 'polite' });
  box.value = f.value || '';
  box.oninput = () => {
    let text = '';
    try {
      const v = JSON.parse(box.value);
      if (f.array ? !Array.isArray(v) : v === null || typeof v !== 'object' || Array.isArray(v)) text = f.array ? 'This is no JSON array.' : 'This is no JSON object.';
    } catch (e) { text = e.message; }
    box.setCustomValidity(text);
    wrong.textContent = text;
  };
  box.oninput();
  return [box, wrong];
}

// ask opens a dialog, and resolves to the form's fields, or null.
export function ask(title, text, fields, button, danger) {
  return new Promise(resolve => {
    const inputs = fields.map(f => h('label', null, f.label, field(f)));
    const dialog = h('dialog', { 'aria-label': title }, h('form', { method: 'dialog' },
      h('h2', null, title), text ? h('p', null, text) : null, inputs,
      h('div', { class: 'row end' }, h('button', { type: 'button', onclick: () => dialog.close() }, 'Cancel'),
        h('button', { class: danger ? 'danger' : 'main', value: 'yes' }, button))));
    dialog.onclose = () => {
      const form = dialog.querySelector('form');
      resolve(dialog.returnValue === 'yes' ? Object.fromEntries(fields.map(f => [f.name, f.type === 'checkbox' ? form.elements[f.name].checked : form.elements[f.name].value.trim()])) : null);
      dialog.remove();
    };
    document.body.append(dialog);
    dialog.showModal();
  });
}

// doing is a place that says what came of an action, and a function that does one.
export function doing() {
  const said = h('p', { class: 'said', role: 'status', 'data-own': '', 'data-key': 'said' });
  return {
    said,
    // run acts; then is called with what was answered, and may return what to show beside the message.
    async run(path, body, then) {
      said.className = 'said faint';
      said.textContent = 'Working…';
      try {
        const r = await act(path, body);
        said.className = 'said good';
        said.textContent = r && r.message ? r.message : 'Done.';
        const more = then ? then(r) : null;
        if (more instanceof Node) said.append(' ', more);
      } catch (e) {
        said.className = 'said bad';
        said.textContent = e.message;
      }
    },
  };
}

const number = v => Number(v);

// workerActions are what can be done with a worker.
export function workerActions(page, name, out) {
  const may = s => page.me.scopes.includes(s);
  const path = c => 'workers/' + encodeURIComponent(name) + '/' + c;
  const button = (label, title, fields, command, body, danger) => h('button', { class: danger ? 'danger' : null, 'data-key': label, onclick: async () => {
    const got = await ask(title, danger ? 'It finishes the tasks that run, and leaves.' : '', fields, label, danger);
    if (got) out.run(path(command), body(got));
  } }, label);
  if (!may('workers')) return null;
  return h('section', { 'data-key': 'actions' }, h('h2', null, 'Actions'), h('div', { class: 'row' },
    button('Grow', 'Grow the pool of ' + name, [{ name: 'n', label: 'By', type: 'number', value: '1' }], 'pool_grow', g => ({ n: number(g.n) })),
    button('Shrink', 'Shrink the pool of ' + name, [{ name: 'n', label: 'By', type: 'number', value: '1' }], 'pool_shrink', g => ({ n: number(g.n) })),
    button('Autoscale', 'Autoscale ' + name, [{ name: 'max', label: 'Most', type: 'number' }, { name: 'min', label: 'Least', type: 'number' }], 'autoscale',
      g => ({ max: number(g.max), min: number(g.min) })),
    button('Add consumer', 'Make ' + name + ' consume a queue', [{ name: 'queue', label: 'Queue' }], 'add_consumer', g => ({ queue: g.queue })),
    button('Cancel consumer', 'Make ' + name + ' consume a queue no more', [{ name: 'queue', label: 'Queue' }], 'cancel_consumer', g => ({ queue: g.queue })),
    button('Rate limit', 'Rate limit on ' + name, [{ name: 'task_name', label: 'Task' }, { name: 'rate_limit', label: 'Such as 10/m; 0 is none' }], 'rate_limit', g => g),
    button('Time limit', 'Time limits on ' + name, [{ name: 'task_name', label: 'Task' }, { name: 'soft', label: 'Soft, seconds', type: 'number' },
      { name: 'hard', label: 'Hard, seconds', type: 'number', required: false, hint: 'none' }], 'time_limit', g => ({ task_name: g.task_name, soft: number(g.soft), ...(g.hard ? { hard: number(g.hard) } : {}) })),
    may('admin') ? button('Stop', 'Stop ' + name + '?', [], 'shutdown', () => ({}), true) : null), out.said);
}
