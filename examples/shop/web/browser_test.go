package web_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/umbel-go/umbel/examples/shop/step"
	"github.com/umbel-go/umbel/examples/shop/store"
	"github.com/umbel-go/umbel/examples/shop/web"
)

// A browser is Debian's Chromium, driven as a person would.
type browser struct {
	t   *testing.T
	ctx context.Context
	url string
}

// launches is how often a browser that does not come up is started again.
const launches = 3

func browse(t *testing.T, url string) *browser {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("chromium is missing: make services")
		}
		t.Skip("chromium is missing: make services")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true), chromedp.Flag("disable-gpu", true),
		chromedp.Flag("force-color-profile", "srgb"), chromedp.WSURLReadTimeout(patience))
	for attempt := 1; ; attempt++ {
		ctx, end, err := launch(options)
		if err != nil {
			end()
			if attempt == launches {
				t.Fatalf("chromium does not start: %v", err)
			}
			t.Logf("start the browser: %v", err)
			continue
		}
		t.Cleanup(end)
		return &browser{t: t, ctx: ctx, url: url}
	}
}

// launch starts a browser; end ends it, whatever state it is in. Its context lives as long as the browser: the bound stands beside it.
func launch(options []chromedp.ExecAllocatorOption) (ctx context.Context, end func(), err error) {
	alloc, cancelAlloc := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, cancel := chromedp.NewContext(alloc)
	end = func() { // no good-bye: a browser that has died would be waited for without end
		cancel()
		cancelAlloc()
	}
	began := make(chan error, 1)
	go func() { began <- chromedp.Do(ctx, chromedp.EmulateViewport(1280, 860)) }()
	select {
	case err = <-began:
	case <-time.After(patience):
		err = fmt.Errorf("no answer within %v", patience)
	}
	return ctx, end, err
}

func (b *browser) run(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		b.t.Fatal(err)
	}
}

// eval runs a script that may well run twice: where one page ends and the next begins, the browser loses it.
func (b *browser) eval(script string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	for {
		_, err := chromedp.Run(ctx, chromedp.Evaluate[any](script))
		if err == nil {
			return
		}
		if ctx.Err() != nil || !strings.Contains(err.Error(), "(-32000)") { // between two pages
			b.t.Fatalf("%s: %v", script, err)
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
		}
	}
}

// open goes to a path, and has the page remember what goes wrong on it.
func (b *browser) open(path string) {
	b.t.Helper()
	b.run(chromedp.Navigate(b.url + path))
	b.eval(`window.faults = [];
addEventListener('error', e => faults.push('error: ' + e.message));
addEventListener('unhandledrejection', e => faults.push('rejection: ' + e.reason));
document.addEventListener('securitypolicyviolation', e => faults.push('policy: ' + e.violatedDirective + ' ' + e.blockedURI)); true`)
}

// so waits until an expression is true, also over the end of one page and the beginning of the next.
func (b *browser) so(expression string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	for {
		is, err := chromedp.Run(ctx, chromedp.Evaluate[bool]("document.readyState === 'complete' && Boolean("+expression+")"))
		if err == nil && is {
			return
		}
		select {
		case <-time.After(50 * time.Millisecond): // between two looks
		case <-ctx.Done():
			last, cancel := context.WithTimeout(b.ctx, 5*time.Second)
			defer cancel()
			text, _ := chromedp.Run(last, chromedp.Evaluate[string]("document.body.innerText"))
			b.t.Fatalf("%s: not within %v (%v)\nthe page says:\n%s", expression, patience, err, text)
		}
	}
}

func (b *browser) sees(text string) {
	b.t.Helper()
	b.so(fmt.Sprintf("document.body.innerText.includes(%q)", text))
}

// press clicks on a button or link by its text.
func (b *browser) press(text string) {
	b.t.Helper()
	find := fmt.Sprintf("[...document.querySelectorAll('button, a')].find(e => e.innerText.trim() === %q)", text)
	b.so(find + " !== undefined")
	b.eval("{const e = " + find + "; setTimeout(() => e.click())} true") // the answer comes before the page goes
}

// fits requires that a page is no wider than its window, and has complained of nothing.
func (b *browser) fits() {
	b.t.Helper()
	b.so("document.documentElement.scrollWidth <= innerWidth")
	b.so("(window.faults || []).length === 0")
}

// shot writes a picture when pictures are asked for.
func (b *browser) shot(name string) {
	b.t.Helper()
	dir := os.Getenv("UMBEL_SCREENSHOTS")
	if dir == "" {
		return
	}
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	png, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "shop-"+name+".png"), png, 0o644)
	}
	if err != nil {
		b.t.Fatal(err)
	}
}

// dark shows pages as somebody sees them who likes them dark.
func (b *browser) dark(on bool) {
	b.t.Helper()
	value := "light"
	if on {
		value = "dark"
	}
	features := []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: value}}
	b.run(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: features})
		return err
	}))
}

// A customer orders, an owner asks for a report and watches it, in a browser.
func TestTheShopInABrowser(t *testing.T) {
	hold := make(chan struct{})
	held := 0
	step.Watch(func(point string) {
		if point == "report half written" {
			if held++; held == 3 { // one report at a time is written
				<-hold
			}
		}
	})
	defer step.Watch(func(string) {})
	r := open(t, true, web.Config{})
	past := make([]store.Order, 5200)
	for i := range past {
		past[i] = store.Order{Customer: "grace@example.com", SKU: "dill", Quantity: 1 + i%3, Total: store.Cents(249 * (1 + i%3)), State: store.Paid, Placed: time.Now().Add(time.Duration(i-5300) * time.Minute)}
	}
	b := browse(t, r.url)

	b.open("/")
	b.sees("Nobody has ordered anything yet")
	b.fits()
	if err := r.store.ImportOrders(t.Context(), past); err != nil {
		t.Fatal(err)
	}

	b.press("Orders")
	b.so("location.pathname === '/orders'")
	b.eval("{const f = document.forms[0].elements; f.quantity.value = 2; f.customer.value = 'ada@example.com'; setTimeout(() => document.forms[0].requestSubmit())} true")
	b.so("location.pathname === '/orders/5201'")
	b.sees("order.confirm") // it comes by itself
	b.so("document.querySelector('h1 .state').innerText === 'paid'")
	b.fits()

	b.press("Reports")
	b.so("location.pathname === '/reports'")
	b.eval("{document.forms[0].elements.email.value = 'owner@example.com'; setTimeout(() => document.forms[0].requestSubmit())} true")
	b.so("location.pathname === '/reports/1'")
	b.sees("2,000 of 5,201") // while it is written
	b.so("document.querySelector('progress').value === 2000 && document.querySelector('.button').hidden")
	b.press("Overview")
	b.so("location.pathname === '/'")
	b.so("document.querySelector('[data-report=\"1\"] progress')?.value === 2000")
	b.shot("overview")
	close(hold)
	b.so("document.querySelector('[data-report=\"1\"] .state').innerText === 'ready'")
	b.press("Reports")
	b.so("location.pathname === '/reports'")
	b.press("1")
	b.so("location.pathname === '/reports/1'")
	b.so("!document.querySelector('.button').hidden && document.querySelector('[data-say=sha256]').innerText.length === 64")
	b.fits()
	b.shot("report")
	b.press("Audit")
	b.so("location.pathname === '/audit'")
	b.sees("report.ready")
	b.sees("mail/report-1-ready")
	b.fits()

	b.run(chromedp.EmulateViewport(390, 800))
	for _, path := range []string{"/", "/orders", "/orders/5201", "/reports", "/reports/1", "/audit", "/nothing"} {
		b.open(path)
		b.so("document.querySelector('h1') !== null")
		b.fits()
		if path == "/reports/1" {
			b.shot("narrow")
		}
	}
	b.run(chromedp.EmulateViewport(1280, 860))
	b.dark(true)
	b.open("/")
	b.fits()
	b.so("getComputedStyle(document.body.parentElement).backgroundColor === 'rgb(20, 23, 20)'")
	b.shot("dark")
}
