package web_test

import (
	"context"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/umbel-go/umbel/examples/shop/step"
	"github.com/umbel-go/umbel/examples/shop/store"
	"github.com/umbel-go/umbel/examples/shop/web"
	"github.com/umbel-go/umbel/internal/testenv/chromium"
)

// A browser shows the shop's pages.
type browser struct {
	*chromium.Browser
	t *testing.T
}

func browse(t *testing.T, url string) *browser {
	t.Helper()
	return &browser{chromium.Start(t, url), t}
}

func (b *browser) open(path string) { b.Open(path, "") }

// fits requires that a page is no wider than its window, and takes down what it complained of.
func (b *browser) fits() {
	b.t.Helper()
	b.So("document.documentElement.scrollWidth <= innerWidth")
	b.Complain()
}

// shot writes a picture when pictures are asked for.
func (b *browser) shot(name string) { b.Shot("shop-" + name) }

// dark shows pages as somebody sees them who likes them dark.
func (b *browser) dark(on bool) {
	b.t.Helper()
	value := "light"
	if on {
		value = "dark"
	}
	features := []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: value}}
	b.Run(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
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
	b.Sees("Nobody has ordered anything yet")
	b.fits()
	if err := r.store.ImportOrders(t.Context(), past); err != nil {
		t.Fatal(err)
	}

	b.Press("Orders")
	b.So("location.pathname === '/orders'")
	b.Eval("{const f = document.forms[0].elements; f.quantity.value = 2; f.customer.value = 'ada@example.com'; setTimeout(() => document.forms[0].requestSubmit())} true")
	b.So("location.pathname === '/orders/5201'")
	b.Sees("order.confirm") // it comes by itself
	b.So("document.querySelector('h1 .state').innerText === 'paid'")
	b.fits()

	b.Press("Reports")
	b.So("location.pathname === '/reports'")
	b.Eval("{document.forms[0].elements.email.value = 'owner@example.com'; setTimeout(() => document.forms[0].requestSubmit())} true")
	b.So("location.pathname === '/reports/1'")
	b.Sees("2,000 of 5,201") // while it is written
	b.So("document.querySelector('progress').value === 2000 && document.querySelector('.button').hidden")
	b.Press("Overview")
	b.So("location.pathname === '/'")
	b.So("document.querySelector('[data-report=\"1\"] progress')?.value === 2000")
	b.shot("overview")
	close(hold)
	b.So("document.querySelector('[data-report=\"1\"] .state').innerText === 'ready'")
	b.Press("Reports")
	b.So("location.pathname === '/reports'")
	b.Press("1")
	b.So("location.pathname === '/reports/1'")
	b.So("!document.querySelector('.button').hidden && document.querySelector('[data-say=sha256]').innerText.length === 64")
	b.fits()
	b.shot("report")
	b.Press("Audit")
	b.So("location.pathname === '/audit'")
	b.Sees("report.ready")
	b.Sees("mail/report-1-ready")
	b.fits()

	b.Run(chromedp.EmulateViewport(390, 800))
	for _, path := range []string{"/", "/orders", "/orders/5201", "/reports", "/reports/1", "/audit", "/nothing"} {
		b.open(path)
		b.So("document.querySelector('h1') !== null")
		b.fits()
		if path == "/reports/1" {
			b.shot("narrow")
		}
	}
	b.Run(chromedp.EmulateViewport(1280, 860))
	b.dark(true)
	b.open("/")
	b.fits()
	b.So("getComputedStyle(document.body.parentElement).backgroundColor === 'rgb(20, 23, 20)'")
	b.shot("dark")
}
