// Package chromium drives Debian's Chromium for tests, as a person would. It is no part of testenv, so that tests without a browser
// need not link what drives one.
package chromium

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"github.com/umbel-go/umbel/internal/testenv"
)

const (
	patience = 90 * time.Second      // of each wait
	between  = 50 * time.Millisecond // two looks at a page
	launches = 3                     // how often a browser that does not come up is started again
)

// one is held by the test that has a browser: two would take all processors.
var one = make(chan struct{}, 1)

// A Browser has one page open. Its methods end the test where what they wait for does not come.
type Browser struct {
	URL string // before every path that is opened

	t      testing.TB
	ctx    context.Context
	faults []string // what pages complained of
}

// Start starts a browser of 1280 by 860, whose pages are those of url. At the end of the test it is ended, and what its pages
// complained of fails the test. Where Chromium is not installed the test is skipped, and fails in CI.
func Start(t testing.TB, url string) *Browser {
	t.Helper()
	path := testenv.Chromium(t)
	one <- struct{}{}
	t.Cleanup(func() { <-one })
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
		b := &Browser{URL: url, t: t, ctx: ctx}
		t.Cleanup(func() {
			if !t.Failed() {
				b.Complain()
			}
			end()
			for _, f := range b.faults {
				t.Errorf("a page complained: %s", f)
			}
		})
		return b
	}
}

// complaints gathers what goes wrong on a page, before anything of it runs.
const complaints = `window.faults = [];
addEventListener('error', e => faults.push('error: ' + e.message));
addEventListener('unhandledrejection', e => faults.push('rejection: ' + e.reason));
document.addEventListener('securitypolicyviolation', e => faults.push('policy: ' + e.violatedDirective + ' ' + e.blockedURI + ' ' + e.sourceFile + ':' + e.lineNumber));`

// launch starts a browser; end ends it, whatever state it is in. The first call starts it, and its context lives as long as
// the browser: the bound stands beside it.
func launch(options []chromedp.ExecAllocatorOption) (ctx context.Context, end func(), err error) {
	alloc, cancelAlloc := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, cancel := chromedp.NewContext(alloc)
	end = func() { // no good-bye: a browser that has died would be waited for without end
		cancel()
		cancelAlloc()
	}
	began := make(chan error, 1)
	go func() {
		began <- chromedp.Do(ctx, chromedp.EmulateViewport(1280, 860), chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
			_, err := cdp.Call(ctx, t, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: complaints})
			return err
		}))
	}()
	select {
	case err = <-began:
	case <-time.After(patience):
		err = fmt.Errorf("no answer within %v", patience)
	}
	return ctx, end, err
}

// Run does what a browser is driven by.
func (b *Browser) Run(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		b.t.Fatal(err)
	}
}

// Open goes to a path and waits for a text.
func (b *Browser) Open(path, text string) {
	b.t.Helper()
	b.Complain()
	b.Run(chromedp.Navigate(b.URL + path))
	b.Sees(text)
}

// Complain takes down what the page that is open complained of so far.
func (b *Browser) Complain() {
	b.faults = append(b.faults, b.List("(window.faults || []).splice(0)")...)
}

// List are the texts that a script makes; none between two pages.
func (b *Browser) List(script string) []string {
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	list, err := chromedp.Run(ctx, chromedp.Evaluate[[]string](script))
	if err != nil && !betweenPages(err) {
		b.t.Errorf("%s: %v", script, err)
	}
	return list
}

// betweenPages: where one page ends and the next begins, the browser loses a script.
func betweenPages(err error) bool { return strings.Contains(err.Error(), "(-32000)") }

// Eval runs a script; one that is lost between two pages is run again.
func (b *Browser) Eval(script string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	for {
		_, err := chromedp.Run(ctx, chromedp.Evaluate[any](script))
		if err == nil {
			return
		}
		if ctx.Err() != nil || !betweenPages(err) {
			b.t.Fatalf("%s: %v", script, err)
		}
		pause(ctx)
	}
}

func pause(ctx context.Context) {
	select {
	case <-time.After(between):
	case <-ctx.Done():
	}
}

// So waits until an expression is true, also over the end of one page and the beginning of the next.
func (b *Browser) So(expression string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	for {
		is, err := chromedp.Run(ctx, chromedp.Evaluate[bool]("document.readyState === 'complete' && Boolean("+expression+")"))
		if err == nil && is {
			return
		}
		if pause(ctx); ctx.Err() != nil {
			last, cancel := context.WithTimeout(b.ctx, 5*time.Second)
			defer cancel()
			text, _ := chromedp.Run(last, chromedp.Evaluate[string]("location.href + '\\n' + document.body.innerText"))
			b.t.Fatalf("%s: not within %v (%v)\nthe page says:\n%s", expression, patience, err, text)
		}
	}
}

// Sees waits for a text.
func (b *Browser) Sees(text string) {
	b.t.Helper()
	b.So(fmt.Sprintf("document.body.innerText.includes(%q)", text))
}

// Press clicks on a button or link by its text, and returns when it was clicked: the page may be another then.
func (b *Browser) Press(text string) {
	b.t.Helper()
	find := fmt.Sprintf("[...document.querySelectorAll('button, a')].find(e => e.innerText.trim() === %q)", text)
	b.So(find + " !== undefined")
	// The answer comes before the page goes.
	b.Eval("{const e = " + find + "; window.pressing = true; setTimeout(() => { e.click(); delete window.pressing; })} true")
	b.So("window.pressing === undefined")
}

// Shot writes a picture NAME.png into the folder that UMBEL_SCREENSHOTS names, if it does.
func (b *Browser) Shot(name string) {
	b.t.Helper()
	dir := os.Getenv("UMBEL_SCREENSHOTS")
	if dir == "" {
		return
	}
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	png, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, name+".png"), png, 0o644)
	}
	if err != nil {
		b.t.Fatal(err)
	}
}
