package monitor_test

import (
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/umbel-go/umbel/monitor"
	"github.com/umbel-go/umbel/monitor/access"
)

// unreadable lists what people who do not see, or see little, could not use on a page: elements without a name, fields without a
// label, missing landmarks, text of too little contrast (WCAG 2, AA), ids that are there twice, a page wider than its window.
const unreadable = `(() => {
  const bad = [];
  const shown = e => e.getClientRects().length > 0 && getComputedStyle(e).visibility !== 'hidden';
  const name = e => (e.getAttribute('aria-label') || e.innerText || e.textContent || (e.labels ? [...e.labels].map(l => l.innerText).join(' ') : '') ||
    (e.querySelector('img[alt]') || {}).alt || '').trim();
  for (const e of document.querySelectorAll('a, button, summary, [tabindex="0"], [role=img], [role=meter], [role=region], [role=group], progress, dialog'))
    if (shown(e) && !name(e)) bad.push('no name: ' + e.outerHTML.slice(0, 140));
  for (const e of document.querySelectorAll('input, select, textarea'))
    if (shown(e) && !(e.labels && e.labels.length && e.labels[0].innerText.trim()) && !e.getAttribute('aria-label')) bad.push('no label: ' + e.outerHTML.slice(0, 140));
  for (const e of document.querySelectorAll('img')) if (!e.hasAttribute('alt')) bad.push('no alt: ' + e.outerHTML);
  for (const e of document.querySelectorAll('th')) if (!e.hasAttribute('scope')) bad.push('a heading of a table without scope: ' + e.innerText);
  for (const e of document.querySelectorAll('section')) if (!e.getAttribute('aria-label') && !e.querySelector('h2, h3') && shown(e)) bad.push('a section without a heading: ' + e.outerHTML.slice(0, 100));
  for (const s of ['header', 'nav[aria-label]', 'main', '[role=status][aria-live=polite]', 'a.skip']) if (!document.querySelector(s)) bad.push('there is no ' + s);
  if (document.querySelectorAll('h1').length !== 1) bad.push(document.querySelectorAll('h1').length + ' h1');
  if (document.querySelectorAll('nav [aria-current=page]').length > 1) bad.push('two pages are current');
  if (document.documentElement.lang !== 'en' || !document.title.includes('Umbel')) bad.push('no language, or no title');
  const ids = [...document.querySelectorAll('[id]')].map(e => e.id);
  for (const id of new Set(ids.filter((x, i) => ids.indexOf(x) !== i))) bad.push('twice: ' + id);
  if (document.documentElement.scrollWidth > innerWidth) bad.push('wider than the window by ' + (document.documentElement.scrollWidth - innerWidth));
  const rgb = text => { const m = /rgba?\(([\d.]+), ([\d.]+), ([\d.]+)(?:, ([\d.]+))?\)/.exec(text); return m ? [+m[1], +m[2], +m[3], m[4] === undefined ? 1 : +m[4]] : [0, 0, 0, 0]; };
  const light = c => { const f = v => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; return 0.2126 * f(c[0]) + 0.7152 * f(c[1]) + 0.0722 * f(c[2]); };
  const ground = e => { for (; e; e = e.parentElement) { const c = rgb(getComputedStyle(e).backgroundColor); if (c[3] > 0.99) return c; } return [255, 255, 255, 1]; };
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const told = new Set();
  for (let n = walk.nextNode(); n; n = walk.nextNode()) {
    const e = n.parentElement;
    if (!n.data.trim() || !shown(e) || e.closest('svg, noscript, .unseen, .skip, .busy, option')) continue;
    const a = light(rgb(getComputedStyle(e).color)), b = light(ground(e));
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    const size = parseFloat(getComputedStyle(e).fontSize), want = size >= 24 || size >= 18.6 && getComputedStyle(e).fontWeight >= 700 ? 3 : 4.5;
    const what = e.tagName + '.' + e.className;
    if (ratio < want && !told.has(what)) { told.add(what); bad.push('contrast ' + ratio.toFixed(2) + ': ' + what + ' ' + n.data.trim().slice(0, 40)); }
  }
  return bad;
})()`

// Every page, full and empty, wide and narrow, light and dark.
func TestPagesAreReadableForEveryone(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "h.db")
	world(t, path)
	full := monitor.Config{Schedules: newDesk(), Access: access.Config{Anonymous: access.Owner}}
	full.History.URL = path
	var b *browser
	for what, c := range map[string]monitor.Config{"full": full, "empty": {Access: access.Config{Anonymous: access.Owner}}} {
		r := start(t, c)
		if b == nil {
			b = browse(t, r.url)
		}
		b.URL = r.url
		for _, width := range map[string][]int64{"full": {1280, 390}, "empty": {390}}[what] {
			b.Run(chromedp.EmulateViewport(width, 860))
			for _, page := range []string{"/", "/workers", "/worker/w1@shop-1", "/tasks?focus=search", "/tasks?worker=w1@shop-1", "/task/f10a-ship", "/queues", "/queue/celery", "/workflows", "/schedules",
				"/broker", "/audit", "/login", "/nothing"} {
				b.Open(page, "")
				b.So("document.querySelector('main h1') !== null && !document.querySelector('.busy')")
				for _, theme := range []string{"light", "dark"} {
					b.Eval("document.documentElement.setAttribute('data-theme', '" + theme + "')")
					b.So("document.getAnimations().length === 0") // colours change by and by
					for _, fault := range b.List(unreadable) {
						t.Errorf("%s, %s, %d wide, %s: %s", page, what, width, theme, fault)
					}
				}
			}
		}
		b.Complain()
	}
}

// The monitor is used from the keyboard alone: to the content past the bar, to a page and its search, into a dialog and out of it.
func TestPagesAreUsedFromTheKeyboard(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "h.db")
	world(t, path)
	c := monitor.Config{Schedules: newDesk(), Access: access.Config{Anonymous: access.Owner}}
	c.History.URL = path
	r := start(t, c)
	b := browse(t, r.url)
	press := func(keys ...string) {
		t.Helper()
		for _, k := range keys {
			b.Run(chromedp.KeyEvent(k))
		}
	}
	b.Open("/task/f10a-ship", "What happened")
	b.Eval("document.activeElement.blur()")
	press(kb.Tab)
	b.So("document.activeElement.className === 'skip'")
	press(kb.Enter)
	b.So("document.activeElement.id === 'main' || location.hash === '#main'")
	press("g", "s")
	b.Sees("nightly-report")
	b.So("document.activeElement.id === 'main' && document.getElementById('said').textContent === 'Schedules'")
	b.Eval("document.querySelector('[aria-label=\"Run cleanup now\"]').focus()")
	press(kb.Enter)
	b.So("document.querySelector('dialog[open]') !== null && document.querySelector('dialog').contains(document.activeElement)")
	press(kb.Escape)
	b.So("document.querySelector('dialog') === null && document.activeElement.getAttribute('aria-label') === 'Run cleanup now'")
	for key, at := range map[string]string{"o": "/", "w": "/workers", "t": "/tasks", "q": "/queues", "f": "/workflows", "b": "/broker", "a": "/audit"} {
		press("g", key)
		b.So("location.pathname === '" + at + "'")
	}
	press("/")
	b.So("document.activeElement.id === 'search'")
	b.Complain()
}
