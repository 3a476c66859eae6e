// Numbers and times for people: aligned, short, and exact where one hovers.

const whole = new Intl.NumberFormat('en');

export const count = n => n === null || n === undefined ? '–' : whole.format(n);

// rate is tasks a second: 0, 0.03, 4.2, 120.
export function rate(n) {
  if (n === null || n === undefined) return '–';
  if (n === 0) return '0';
  if (n < 0.1) return n.toFixed(2);
  if (n < 10) return n.toFixed(1);
  return whole.format(Math.round(n));
}

// span is a length of time: 0.4 ms, 12 ms, 3.4 s, 5 min 3 s, 2 h 4 min, 3 d 2 h.
export function span(s) {
  if (s === null || s === undefined || Number.isNaN(s)) return '–';
  const neg = s < 0 ? '−' : '';
  s = Math.abs(s);
  if (s === 0) return '0 s';
  if (s < 0.01) return neg + (s * 1000).toFixed(1) + ' ms';
  if (s < 1) return neg + Math.round(s * 1000) + ' ms';
  if (s < 10) return neg + s.toFixed(1) + ' s';
  if (s < 60) return neg + Math.round(s) + ' s';
  const m = Math.round(s / 60);
  if (s < 600) return neg + Math.floor(s / 60) + ' min ' + Math.floor(s % 60) + ' s';
  if (m < 60) return neg + m + ' min';
  if (m < 48 * 60) return neg + Math.floor(m / 60) + ' h ' + (m % 60) + ' min';
  return neg + Math.floor(m / 1440) + ' d ' + Math.floor(m % 1440 / 60) + ' h';
}

// ago is how long something is in the past.
export function ago(t) {
  if (!t) return '–';
  const s = Date.now() / 1000 - t;
  return s < 1.5 ? 'now' : (s < 60 ? Math.round(s) + ' s' : span(s)) + ' ago';
}

const pad = (n, w = 2) => String(n).padStart(w, '0');

// clock is a time of day, with the date unless it is today.
export function clock(t, exact) {
  if (!t) return '–';
  const d = new Date(t * 1000);
  const time = pad(d.getHours()) + ':' + pad(d.getMinutes()) + ':' + pad(d.getSeconds()) + (exact ? '.' + pad(d.getMilliseconds(), 3) : '');
  return d.toDateString() === new Date().toDateString() ? time : day(d) + ' ' + time;
}

const day = d => d.getFullYear() + '-' + pad(d.getMonth() + 1) + '-' + pad(d.getDate());

// full is a time that cannot be taken for another.
export function full(t) {
  return t ? new Date(t * 1000).toISOString().replace('T', ' ').replace('Z', ' UTC') : '';
}

// tick is a time on a chart's axis, for a chart of so many seconds.
export function tick(t, width) {
  const d = new Date(t * 1000);
  if (width > 3 * 86400) return pad(d.getMonth() + 1) + '-' + pad(d.getDate());
  const time = pad(d.getHours()) + ':' + pad(d.getMinutes());
  return width < 600 ? time + ':' + pad(d.getSeconds()) : time;
}

// bytes: 12 KB, 3.4 MB.
export function bytes(n) {
  if (n === null || n === undefined) return '–';
  const units = ['B', 'KB', 'MB', 'GB', 'TB'];
  let i = 0;
  while (n >= 1000 && i < units.length - 1) { n /= 1000; i++; }
  return (i === 0 || n >= 100 ? Math.round(n) : n.toFixed(1)) + ' ' + units[i];
}
