package monitor_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/umbel-go/umbel/monitor"
	"github.com/umbel-go/umbel/protocol"
)

// aBrowser is held by the test that has one: two would take all processors.
var aBrowser = make(chan struct{}, 1)

// A browser is Debian's Chromium, driven as a person would.
type browser struct {
	t   *testing.T
	ctx context.Context
	url string

	faults []string // what the page complained of
}

func browse(t *testing.T, url string) *browser {
	t.Helper()
	aBrowser <- struct{}{}
	t.Cleanup(func() { <-aBrowser })
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
		b := &browser{t: t, ctx: ctx, url: url}
		t.Cleanup(func() {
			end()
			for _, f := range b.faults {
				t.Errorf("the page complained: %s", f)
			}
		})
		return b
	}
}

// launches is how often a browser that does not come up is started again.
const launches = 3

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
	go func() { began <- chromedp.Do(ctx, chromedp.EmulateViewport(1280, 860)) }()
	select {
	case err = <-began:
	case <-time.After(patience):
		err = fmt.Errorf("no answer within %v", patience)
	}
	return ctx, end, err
}

// run has a bound.
func (b *browser) run(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		b.t.Fatal(err)
	}
}

// faultsFirst gathers what goes wrong on a page, before anything of it runs.
const faultsFirst = `window.faults = [];
addEventListener('error', e => faults.push('error: ' + e.message));
addEventListener('unhandledrejection', e => faults.push('rejection: ' + e.reason));
document.addEventListener('securitypolicyviolation', e => faults.push('policy: ' + e.violatedDirective + ' ' + e.blockedURI + ' ' + e.sourceFile + ':' + e.lineNumber));`

// open goes to a path and waits for a text.
func (b *browser) open(path, text string) {
	b.t.Helper()
	b.complain()
	b.run(chromedp.Navigate(b.url + path))
	b.eval(faultsFirst + "; true")
	b.sees(text)
}

// complain takes down what the page that is open complained of.
func (b *browser) complain() {
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if list, err := chromedp.Run(ctx, chromedp.Evaluate[[]string]("window.faults || []")); err == nil {
		b.faults = append(b.faults, list...)
	}
}

func (b *browser) eval(script string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if _, err := chromedp.Run(ctx, chromedp.Evaluate[any](script)); err != nil {
		b.t.Fatalf("%s: %v", script, err)
	}
}

// so waits until an expression is true.
func (b *browser) so(expression string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if _, err := chromedp.Run(ctx, chromedp.Poll[any](expression, chromedp.WithPollingInterval(50*time.Millisecond), chromedp.WithPollingTimeout(patience))); err != nil {
		ctx, cancel := context.WithTimeout(b.ctx, 5*time.Second)
		defer cancel()
		text, _ := chromedp.Run(ctx, chromedp.Evaluate[string]("document.body.innerText"))
		b.t.Fatalf("%s: %v\nthe page says:\n%s", expression, err, text)
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
	b.eval(find + ".click()")
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
		err = os.WriteFile(filepath.Join(dir, "monitor-"+name+".png"), png, 0o644)
	}
	if err != nil {
		b.t.Fatal(err)
	}
}

func TestPagesOfAFullFleet(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "h.db")
	world(t, path)
	c := monitor.Config{Version: "0.1.0"}
	c.History.URL = path
	r := start(t, c)
	b := browse(t, r.url)

	b.open("/", "Tasks a second")
	b.so("document.querySelectorAll('.plot path.line').length >= 8")
	b.so("document.querySelector('.live.on') !== null")
	b.press("6 h")
	b.so("location.search === '?range=21600'")
	b.press("1 h")
	b.shot("overview")
	b.eval("document.querySelector('.plot').focus()")
	b.run(chromedp.KeyEvent(kb.ArrowLeft)) // arrow left
	b.so("document.querySelector('.plot .cursor') !== null && !document.querySelector('.tip').hidden")
	b.run(chromedp.KeyEvent("+"))
	b.sees("Leave zoom")
	b.press("Leave zoom")

	b.press("Workers")
	b.sees("4 online of 4")
	b.sees("Celery 5.2.6")
	b.shot("workers")
	b.press("w1@shop-1")
	b.sees("Latest tasks")

	b.press("Tasks")
	b.sees("apps.orders.tasks.process_order")
	b.shot("tasks")
	b.press("failure")
	b.so("[...document.querySelectorAll('td .state')].every(e => e.innerText === 'failure') && location.search === '?state=FAILURE'")
	b.run(chromedp.KeyEvent("/")) // goes to the search
	b.so("document.activeElement.id === 'search'")
	b.eval("document.activeElement.value = ''") // the driver types the key as well
	b.run(chromedp.KeyEvent("no such street"))
	b.so("document.querySelectorAll('tbody tr').length === 1")
	b.press("apps.shipping.tasks.book")
	b.sees("What happened")
	b.sees("ValueError: no such street")
	b.so("document.querySelectorAll('.graph .box').length === 7")
	b.shot("task")
	b.eval("document.querySelector('.graph a[aria-label^=\"apps.payments\"]').dispatchEvent(new MouseEvent('click', {bubbles: true, cancelable: true}))")
	b.sees("TimeoutError('bank')")
	b.sees("***") // the key of its arguments
	b.so("!document.body.innerText.includes('k-1')")

	b.press("Queues")
	b.sees("With --broker_api")
	b.shot("queues")

	b.run(chromedp.EmulateViewport(390, 800))
	b.open("/", "Tasks a second")
	b.so("document.documentElement.scrollWidth <= innerWidth")
	b.so("document.querySelectorAll('.plot path.line').length >= 8")
	b.shot("narrow")
	for _, page := range []string{"/workers", "/tasks", "/task/f10a-ship", "/queues"} {
		b.open(page, "")
		b.so("document.querySelector('h1') !== null")
		b.so("document.documentElement.scrollWidth <= innerWidth")
	}
	b.run(chromedp.EmulateViewport(1280, 860))
	b.open("/", "Tasks a second")
	b.eval("document.querySelector('[title=\"light or dark\"]').click()")
	b.so("document.documentElement.dataset.theme === 'dark'")
	b.so("document.querySelectorAll('.plot path.line').length >= 8")
	b.so("document.getAnimations().length === 0") // colours change by and by
	b.shot("dark")
	b.complain()
}

func TestPagesOfAnEmptyFleet(t *testing.T) {
	t.Parallel()
	r := start(t, monitor.Config{Prefix: "/umbel"})
	b := browse(t, r.url)
	b.open("/", "No worker is online")
	b.shot("empty")
	b.press("Tasks")
	b.sees("No task has been heard of yet")
	b.say(r)
	b.sees("shop.pay") // it comes by itself
	b.press("Workers")
	b.sees("w1@host")
	b.open("/task/nobody", "This task is not in the history")
	b.open("/nothing", "There is no such page")
	b.complain()
}

// say lets a worker tell of a task.
func (b *browser) say(r *rig) {
	r.say(heartbeat())
	r.say(life("task-1", "shop.pay")...)
}

func TestActionsInTheBrowser(t *testing.T) {
	t.Parallel()
	c := monitor.Config{}
	c.Access.Users = users
	r := start(t, c)
	r.employ("w1@host")
	r.say(heartbeat())
	r.say(&protocol.TaskReceived{UUID: "task-1", Name: "shop.pay"})
	if a := r.send("POST", "/api/v1/workers/w1@host/enable_events", map[string]any{}, as("ann", "ann's password")); a.StatusCode != 200 {
		t.Fatal(a.Status)
	}
	b := browse(t, r.url)
	held, err := r.app.Send(context.Background(), "shop.hold", struct{}{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // or its worker would wait for it
		r.send("POST", "/api/v1/tasks/"+held.ID()+"/revoke", map[string]any{"terminate": true}, as("ann", "ann's password"))
	})
	b.open("/worker/w1@host", "Log in")
	b.eval("{const f = document.querySelector('form').elements; f.name.value = 'ann'; f.password.value = \"ann's password\"}")
	b.eval("document.querySelector('form').requestSubmit()")
	b.sees("1 of 2 busy") // as the worker says
	b.sees("shop.hold")
	b.press("Add consumer")
	b.so("document.querySelector('dialog[open] input') === document.activeElement")
	b.eval("document.activeElement.value = 'extra'; document.querySelector('dialog .main').click()")
	b.sees("add consumer extra")
	b.press("Stop")
	b.press("Cancel") // of the question
	b.so("document.querySelector('dialog') === null")
	b.open("/task/task-1", "shop.pay")
	b.press("Revoke…")
	b.press("Revoke")
	b.sees("revoked task-1")

	r.say(&protocol.TaskReceived{UUID: "task-9", Name: "shop.add", Args: "()", Kwargs: "{'A': 1, 'B': 2}"}, &protocol.TaskFailed{UUID: "task-9", Exception: "OSError()"})
	b.open("/tasks", "OSError")
	b.press("shop.add")
	b.press("Retry…")
	b.so("document.querySelector('dialog textarea[name=kwargs]')?.value.includes('\"B\": 2')")
	edit := "{const t = document.querySelector('dialog textarea[name=kwargs]'); t.value = %q; t.dispatchEvent(new Event('input')); document.querySelector('dialog .main').click()}"
	b.eval(fmt.Sprintf(edit, `{"A": 1, "B":`))
	b.so("document.querySelector('dialog[open]') !== null && document.querySelector('#kwargs-wrong')?.textContent !== ''")
	b.eval(fmt.Sprintf(edit, `{"A": 30, "B": 12}`))
	b.sees("sent as")
	b.press("Show it")
	b.so("location.pathname !== '/task/task-9' && document.querySelector('h1')?.innerText.includes('success')")
	b.sees("42")

	b.press("Audit")
	b.sees("run again")
	b.shot("audit")
	b.sees("add_consumer")
	b.sees("revoke")
	b.complain()
}

func TestALoginInTheBrowser(t *testing.T) {
	t.Parallel()
	c := monitor.Config{}
	c.Access.Users = users
	r := start(t, c)
	b := browse(t, r.url)
	b.open("/workers", "Log in")
	enter := func(password string) {
		b.eval(fmt.Sprintf("{const f = document.querySelector('form').elements; f.name.value = 'ann'; f.password.value = %q}", password))
		b.eval("document.querySelector('form').requestSubmit()")
	}
	enter("wrong")
	b.sees("Name or password is wrong.")
	enter("ann's password")
	b.sees("No worker has been heard of")
	b.so("location.pathname === '/workers'")
	b.press("Audit")
	b.sees("refused")
	b.press("Log out")
	b.sees("Password")
	b.complain()
}

// What a task says is text on every page, whatever it looks like.
func TestNothingThatATaskSaysRunsInTheBrowser(t *testing.T) {
	t.Parallel()
	r := start(t, monitor.Config{})
	b := browse(t, r.url)
	const evil = `<img src=x onerror="window.pwned=1"><script>window.pwned=1</script>`
	r.say(&protocol.WorkerStatus{Kind: protocol.TypeWorkerHeartbeat, Freq: 2, Ident: evil, Version: evil, System: evil})
	r.say(&protocol.TaskReceived{UUID: "id-" + evil, Name: evil, Args: evil, Kwargs: evil, RootID: "id-" + evil, ETA: evil}, &protocol.TaskRetried{UUID: "id-" + evil,
		Exception: evil, Traceback: evil}, &protocol.TaskFailed{UUID: "id-" + evil, Exception: evil, Traceback: evil})
	b.open("/tasks", "onerror")
	clean := "document.querySelectorAll('main img, main script').length === 0 && window.pwned === undefined"
	b.so(clean)
	b.eval("document.querySelector('tbody th a').click()")
	b.sees("What happened")
	b.so(clean)
	for _, path := range []string{"/", "/workers", "/worker/w1@host", "/tasks?text=%3Cimg%20src=x%20onerror=alert(1)%3E"} {
		b.open(path, "")
		b.so("document.querySelector('h1') !== null && " + clean)
	}
	b.complain()
}
