// What changes by itself: reports in the making, by server-sent events, and an order on its way, which is asked for.

const say = (box, name) => box.querySelector(`[data-say="${name}"]`);
const number = n => n.toLocaleString('en');
const show = (element, on) => { if (element) element.hidden = !on; };
const text = (element, words) => { if (element) element.textContent = words; };

function state(box, name) {
  const tag = say(box, 'state');
  tag.className = `state ${name}`;
  text(tag, name.replaceAll('_', ' '));
}

const size = n => n < 1e3 ? `${n} bytes` : n < 1e6 ? `${(n / 1e3).toFixed(1)} kB` : `${(n / 1e6).toFixed(1)} MB`;

function drawReport(box, report) {
  const final = ['ready', 'failed', 'cancelled'].includes(report.state);
  state(box, report.state);
  const bar = say(box, 'bar');
  bar.max = report.of || 1;
  bar.value = report.done;
  show(bar, !final);
  text(say(box, 'rows'), !report.of ? (final ? '' : 'waiting') : final ? `${number(report.done)} rows` : `${number(report.done)} of ${number(report.of)}`);
  show(say(box, 'file'), report.state === 'ready');
  show(say(box, 'cancel'), !final);
  text(say(box, 'error'), report.error || '');
  show(say(box, 'error'), report.error);
  if (report.state === 'ready') {
    text(say(box, 'size'), size(report.bytes));
    text(say(box, 'sha256'), report.sha256);
    text(say(box, 'expires'), report.expires.replace('T', ' ').slice(0, 16) + ' UTC');
  }
  return final;
}

// A browser opens six connections to one host at most: some are left for what is clicked.
for (const box of [...document.querySelectorAll('[data-report]:not([data-final])')].slice(0, 4)) {
  const events = new EventSource(`/api/reports/${box.dataset.report}/events`);
  events.addEventListener('report', event => {
    if (drawReport(box, JSON.parse(event.data))) events.close(); // or the browser would come back for more
  });
  addEventListener('pagehide', () => events.close());
}

for (const box of document.querySelectorAll('[data-order]:not([data-final])')) {
  const look = async () => {
    const answer = await fetch(`/api/orders/${box.dataset.order}`).catch(() => null);
    if (answer?.ok) {
      const order = await answer.json();
      state(box, order.state);
      const steps = say(box, 'steps');
      steps.dataset.state = order.state;
      steps.dataset.confirmed = order.confirmed;
      if (order.state === 'sold_out') text(steps.querySelector('[data-step=reserved]'), 'Sold out');
      text(say(box, 'payment'), order.payment || '–');
      if (order.state === 'sold_out' || order.confirmed) { location.reload(); return; } // for what happened
    }
    setTimeout(look, 500);
  };
  setTimeout(look, 300);
}
