package monitor_test

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/umbel-go/umbel/internal/testenv/chromium"
	"github.com/umbel-go/umbel/monitor"
	"github.com/umbel-go/umbel/protocol"
)

// A browser shows the monitor's pages.
type browser struct {
	*chromium.Browser
	t *testing.T
}

func browse(t *testing.T, url string) *browser {
	t.Helper()
	return &browser{chromium.Start(t, url), t}
}

// shot writes a picture when pictures are asked for.
func (b *browser) shot(name string) { b.Shot("monitor-" + name) }

func TestPagesOfAFullFleet(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "h.db")
	world(t, path)
	c := monitor.Config{Version: "0.1.0"}
	c.History.URL = path
	r := start(t, c)
	b := browse(t, r.url)

	b.Open("/", "Tasks a second")
	b.So("document.querySelectorAll('.plot path.line').length >= 8")
	b.So("document.querySelector('.live.on') !== null")
	b.Press("6 h")
	b.So("location.search === '?range=21600'")
	b.Press("1 h")
	b.shot("overview")
	b.Eval("document.querySelector('.plot').focus()")
	b.Run(chromedp.KeyEvent(kb.ArrowLeft)) // arrow left
	b.So("document.querySelector('.plot .cursor') !== null && !document.querySelector('.tip').hidden")
	b.Run(chromedp.KeyEvent("+"))
	b.Sees("Leave zoom")
	b.Press("Leave zoom")

	b.Press("Workers")
	b.Sees("4 online of 4")
	b.Sees("Celery 5.2.6")
	b.shot("workers")
	b.Press("w1@shop-1")
	b.Sees("Latest tasks")

	b.Press("Tasks")
	b.Sees("apps.orders.tasks.process_order")
	b.shot("tasks")
	b.Press("failure")
	b.So("[...document.querySelectorAll('td .state')].every(e => e.innerText === 'failure') && location.search === '?state=FAILURE'")
	b.Run(chromedp.KeyEvent("/")) // goes to the search
	b.So("document.activeElement.id === 'search'")
	b.Eval("document.activeElement.value = ''") // the driver types the key as well
	b.Run(chromedp.KeyEvent("no such street"))
	b.So("document.querySelectorAll('tbody tr').length === 1")
	b.Press("apps.shipping.tasks.book")
	b.Sees("What happened")
	b.Sees("ValueError: no such street")
	b.So("document.querySelectorAll('.graph .box').length === 7")
	b.shot("task")
	b.Eval("document.querySelector('.graph a[aria-label^=\"apps.payments\"]').dispatchEvent(new MouseEvent('click', {bubbles: true, cancelable: true}))")
	b.Sees("TimeoutError('bank')")
	b.Sees("***") // the key of its arguments
	b.So("!document.body.innerText.includes('k-1')")

	b.Press("Queues")
	b.Sees("With --broker_api")
	b.shot("queues")

	b.Run(chromedp.EmulateViewport(390, 800))
	b.Open("/", "Tasks a second")
	b.So("document.documentElement.scrollWidth <= innerWidth")
	b.So("document.querySelectorAll('.plot path.line').length >= 8")
	b.shot("narrow")
	for _, page := range []string{"/workers", "/tasks", "/task/f10a-ship", "/queues"} {
		b.Open(page, "")
		b.So("document.querySelector('h1') !== null")
		b.So("document.documentElement.scrollWidth <= innerWidth")
	}
	b.Run(chromedp.EmulateViewport(1280, 860))
	b.Open("/", "Tasks a second")
	b.Eval("document.querySelector('[title=\"light or dark\"]').click()")
	b.So("document.documentElement.dataset.theme === 'dark'")
	b.So("document.querySelectorAll('.plot path.line').length >= 8")
	b.So("document.getAnimations().length === 0") // colours change by and by
	b.shot("dark")
	b.Complain()
}

func TestPagesOfAnEmptyFleet(t *testing.T) {
	t.Parallel()
	r := start(t, monitor.Config{Prefix: "/umbel"})
	b := browse(t, r.url)
	b.Open("/", "No worker is online")
	b.shot("empty")
	b.Press("Tasks")
	b.Sees("No task has been heard of yet")
	b.say(r)
	b.Sees("shop.pay") // it comes by itself
	b.Press("Workers")
	b.Sees("w1@host")
	b.Open("/task/nobody", "This task is not in the history")
	b.Open("/nothing", "There is no such page")
	b.Complain()
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
	b.Open("/worker/w1@host", "Log in")
	b.Eval("{const f = document.querySelector('form').elements; f.name.value = 'ann'; f.password.value = \"ann's password\"}")
	b.Eval("document.querySelector('form').requestSubmit()")
	b.Sees("1 of 2 busy") // as the worker says
	b.Sees("shop.hold")
	b.Press("Add consumer")
	b.So("document.querySelector('dialog[open] input') === document.activeElement")
	b.Eval("document.activeElement.value = 'extra'; document.querySelector('dialog .main').click()")
	b.Sees("add consumer extra")
	b.Press("Stop")
	b.Press("Cancel") // of the question
	b.So("document.querySelector('dialog') === null")
	b.Open("/task/task-1", "shop.pay")
	b.Press("Revoke…")
	b.Press("Revoke")
	b.Sees("revoked task-1")

	r.say(&protocol.TaskReceived{UUID: "task-9", Name: "shop.add", Args: "()", Kwargs: "{'A': 1, 'B': 2}"}, &protocol.TaskFailed{UUID: "task-9", Exception: "OSError()"})
	b.Open("/tasks", "OSError")
	b.Press("shop.add")
	b.Press("Retry…")
	b.So("document.querySelector('dialog textarea[name=kwargs]')?.value.includes('\"B\": 2')")
	edit := "{const t = document.querySelector('dialog textarea[name=kwargs]'); t.value = %q; t.dispatchEvent(new Event('input')); document.querySelector('dialog .main').click()}"
	b.Eval(fmt.Sprintf(edit, `{"A": 1, "B":`))
	b.So("document.querySelector('dialog[open]') !== null && document.querySelector('#kwargs-wrong')?.textContent !== ''")
	b.Eval(fmt.Sprintf(edit, `{"A": 30, "B": 12}`))
	b.Sees("sent as")
	b.Press("Show it")
	b.So("location.pathname !== '/task/task-9' && document.querySelector('h1')?.innerText.includes('success')")
	b.Sees("42")

	b.Press("Audit")
	b.Sees("run again")
	b.shot("audit")
	b.Sees("add_consumer")
	b.Sees("revoke")
	b.Complain()
}

func TestALoginInTheBrowser(t *testing.T) {
	t.Parallel()
	c := monitor.Config{}
	c.Access.Users = users
	r := start(t, c)
	b := browse(t, r.url)
	b.Open("/workers", "Log in")
	enter := func(password string) {
		b.Eval(fmt.Sprintf("{const f = document.querySelector('form').elements; f.name.value = 'ann'; f.password.value = %q}", password))
		b.Eval("document.querySelector('form').requestSubmit()")
	}
	enter("wrong")
	b.Sees("Name or password is wrong.")
	enter("ann's password")
	b.Sees("No worker has been heard of")
	b.So("location.pathname === '/workers'")
	b.Press("Audit")
	b.Sees("refused")
	b.Press("Log out")
	b.Sees("Password")
	b.Complain()
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
	b.Open("/tasks", "onerror")
	clean := "document.querySelectorAll('main img, main script').length === 0 && window.pwned === undefined"
	b.So(clean)
	b.Eval("document.querySelector('tbody th a').click()")
	b.Sees("What happened")
	b.So(clean)
	for _, path := range []string{"/", "/workers", "/worker/w1@host", "/tasks?text=%3Cimg%20src=x%20onerror=alert(1)%3E"} {
		b.Open(path, "")
		b.So("document.querySelector('h1') !== null && " + clean)
	}
	b.Complain()
}
