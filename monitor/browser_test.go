package monitor_test

import (
	"context"
	"fmt"
	"net/url"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/umbel-go/umbel/codec"
	"github.com/umbel-go/umbel/event"
	"github.com/umbel-go/umbel/internal/testenv/chromium"
	"github.com/umbel-go/umbel/monitor"
	"github.com/umbel-go/umbel/monitor/access"
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
	b.shot("overview")
	b.Press("6 h")
	b.So("location.search === '?range=21600'")
	b.Press("1 h")
	b.So("location.search === ''")
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
	b.Press("celery")
	b.Sees("Messages that wait")
	b.Press("6 h")
	b.So("location.search === '?range=21600'")
	b.So("document.querySelectorAll('.plot .mark').length >= 6") // six hours are on it
	looks := "performance.getEntriesByType('resource').filter(e => e.name.endsWith('/api/v1/queues')).length"
	b.Eval("window.before = " + looks + "; document.querySelector('.plot').focus()")
	b.Run(chromedp.KeyEvent("+"))
	b.Sees("Leave zoom")
	b.So(looks + " >= window.before + 3") // the page is drawn anew meanwhile
	b.So("document.activeElement === document.querySelector('.plot')")

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

// Every action of a worker's page, and a stop that is meant.
func TestEveryActionOfAWorkersPage(t *testing.T) {
	t.Parallel()
	r := start(t, monitor.Config{Access: access.Config{Users: users, Anonymous: access.Owner}})
	r.employ("w1@host")
	r.say(heartbeat())
	b := browse(t, r.url)
	b.Open("/worker/w1@host", "of 2 busy")
	act := func(button string, fields map[string]string, says string) {
		t.Helper()
		b.Press(button)
		b.So("document.querySelector('dialog[open]') !== null")
		for name, value := range fields {
			b.Eval(fmt.Sprintf("document.querySelector('dialog [name=%s]').value = %q", name, value))
		}
		b.Eval("document.querySelector('dialog form').requestSubmit(document.querySelector('dialog [value=yes]'))")
		b.So("document.querySelector('dialog') === null")
		b.So(fmt.Sprintf("document.querySelector('.said').innerText.includes(%q)", says))
	}
	act("Grow", map[string]string{"n": "3"}, "pool will grow")
	b.Sees("of 5 busy")
	act("Shrink", map[string]string{"n": "4"}, "pool will shrink")
	b.Sees("of 1 busy")
	act("Shrink", map[string]string{"n": "1"}, "a pool of 0: want 1")
	act("Autoscale", map[string]string{"max": "4", "min": "1"}, "Autoscale not enabled")
	act("Add consumer", map[string]string{"queue": "extra"}, "add consumer extra")
	b.So("[...document.querySelectorAll('.facts a')].some(a => a.innerText === 'extra')")
	act("Cancel consumer", map[string]string{"queue": "extra"}, "no longer consuming from extra")
	act("Rate limit", map[string]string{"task_name": "shop.add", "rate_limit": "7/m"}, "new rate limit set successfully")
	act("Rate limit", map[string]string{"task_name": "shop.none", "rate_limit": "7/m"}, "unknown task")
	act("Time limit", map[string]string{"task_name": "shop.add", "soft": "2.5"}, "time limits set successfully")
	act("Time limit", map[string]string{"task_name": "shop.add", "soft": "2", "hard": "3"}, "time limits set successfully")
	act("Stop", nil, "shutdown sent")
	b.Open("/audit", "shutdown")
	for _, did := range []string{"pool_grow", "pool_shrink", "autoscale", "add_consumer", "cancel_consumer", "rate_limit", "time_limit"} {
		b.Sees(did)
	}
	b.Complain()
}

// A name with what means something in an address is found by its link.
func TestNamesOfEveryKindAreFoundByTheirLinks(t *testing.T) {
	t.Parallel()
	r := start(t, monitor.Config{})
	b := browse(t, r.url)
	r.say(heartbeat())
	ids := []string{"100%", "a%41b", "a/b?c#d", "ü &=+ \"'", "../tasks"}
	for _, id := range ids {
		r.say(life(id, "shop.pay")...)
	}
	for _, id := range ids {
		b.Open("/tasks", "shop.pay")
		find := fmt.Sprintf("[...document.querySelectorAll('tbody a.mono')].find(a => a.title === %q)", id)
		b.So(find + " !== undefined")
		b.Eval(find + ".click()")
		b.Sees("What happened")
		b.So(fmt.Sprintf("document.querySelector('.id').innerText.startsWith(%q)", id))
		b.Open("/task/"+url.PathEscape(id), "What happened")
		b.So(fmt.Sprintf("document.querySelector('.id').innerText.startsWith(%q)", id))
	}
	b.Complain()
}

// evilEvents are one of each kind about tasks, with this text in every field that holds one.
func evilEvents(evil string) (out []protocol.EventBody) {
	for _, e := range []protocol.EventBody{&protocol.TaskSent{}, &protocol.TaskReceived{}, &protocol.TaskStarted{}, &protocol.TaskRetried{}, &protocol.TaskFailed{HasTraceback: true},
		&protocol.TaskSucceeded{}, &protocol.TaskRevoked{Signum: codec.Of(evil)}, &protocol.TaskRejected{}} {
		v := reflect.ValueOf(e).Elem()
		for i := range v.NumField() {
			if v.Field(i).Kind() == reflect.String {
				v.Field(i).SetString(evil)
			}
		}
		out = append(out, e)
	}
	return out
}

// What a task says is text on every page, whatever it looks like.
func TestNothingThatATaskSaysRunsInTheBrowser(t *testing.T) {
	t.Parallel()
	const evil = `<img src=x onerror="window.pwned=1"><script>window.pwned=1</script>`
	evilUser := access.User{Name: "eve" + evil, Role: access.Owner, Hash: annHash}
	r := start(t, monitor.Config{Access: access.Config{Users: []access.User{evilUser}, Anonymous: access.Owner}})
	b := browse(t, r.url)
	stranger := event.NewDispatcher(event.DispatcherConfig{Broker: r.broker, Hostname: "w" + evil})
	stranger.Enable()
	told := make(chan struct{})
	go func() { stranger.Run(); close(told) }()
	stranger.Send(&protocol.WorkerStatus{Kind: protocol.TypeWorkerHeartbeat, Freq: 2, Ident: evil, Version: evil, System: evil})
	for _, e := range evilEvents(evil) {
		stranger.Send(e)
	}
	end, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	stranger.Close(end)
	<-told
	child := &protocol.TaskReceived{UUID: "child", Name: evil, RootID: evil, ParentID: evil}
	r.say(heartbeat(), child, &protocol.TaskFailed{UUID: "child", Exception: evil, Traceback: evil, HasTraceback: true})
	for range 6 { // a task that fails often is told of
		r.say(&protocol.TaskReceived{UUID: fmt.Sprint("again-", evil), Name: evil}, &protocol.TaskFailed{UUID: fmt.Sprint("again-", evil), Exception: evil})
	}
	r.send("POST", "/api/v1/login", map[string]string{"name": evilUser.Name, "password": "wrong" + evil}, nil)

	b.Open("/tasks", "onerror")
	clean := "document.querySelectorAll('main img, main script').length === 0 && window.pwned === undefined"
	b.So(clean)
	b.Eval("document.querySelector('tbody th a').click()")
	b.Sees("What happened")
	b.So(clean)
	name := url.PathEscape(evil)
	for path, shows := range map[string]string{"/": "", "/workers": "onerror", "/worker/w1@host": "", "/worker/w" + name: "onerror", "/task/" + name: "What happened", "/task/child": "onerror",
		"/queues": "onerror", "/queue/" + name: "onerror", "/workflows?state=all": "onerror", "/audit": "onerror", "/broker": "", "/schedules": "", "/nothing" + name: "",
		"/tasks?text=%3Cimg%20src=x%20onerror=alert(1)%3E": ""} {
		b.Open(path, shows)
		b.So("document.querySelector('h1') !== null && " + clean)
	}
	b.Complain()
}
