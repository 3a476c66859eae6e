package monitor_test

import (
	"fmt"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/umbel-go/umbel/monitor"
	"github.com/umbel-go/umbel/monitor/access"
)

// enter types into a field, or chooses from a list.
func (b *browser) enter(name, value string) {
	b.t.Helper()
	b.so(fmt.Sprintf("document.querySelector('form [name=%s]') !== null", name))
	b.eval(fmt.Sprintf(`{const e = document.querySelector('form [name=%s]'); e.focus(); e.value = %q; for (const k of ['input', 'change']) e.dispatchEvent(new Event(k, {bubbles: true}))}`, name, value))
}

// An operator adds an entry, sees what is wrong with it and when it would be due, changes it, and deletes it.
func TestPagesOfSchedules(t *testing.T) {
	t.Parallel()
	d := newDesk()
	d.list, d.keys, d.first = nil, map[string]map[string]any{}, nil
	r := start(t, monitor.Config{Access: access.Config{Users: users}, Schedules: d})
	b := browse(t, r.url)
	b.open("/schedules", "Log in")
	login := func(name, password string) {
		b.eval(fmt.Sprintf("{const f = document.querySelector('form').elements; f.name.value = %q; f.password.value = %q; document.querySelector('form').requestSubmit()}", name, password))
	}
	login("ann", "ann's password")
	b.sees("Nothing is sent by schedule")
	b.press("Add an entry")
	b.so("location.pathname === '/schedules/new' && document.activeElement.name === 'name'")
	b.so("document.querySelector('[aria-invalid]') === null") // nothing is wrong before something is said

	// What is wrong stands at its field.
	b.enter("name", "nightly report")
	b.enter("task", "apps.reports.tasks.build_report")
	b.press("Crontab")
	b.enter("hour", "25")
	b.so("document.getElementById('wrong-schedule').innerText.includes('25 is out of range')")
	b.enter("timezone", "Europe/Berln")
	b.so("document.getElementById('wrong-timezone').innerText.includes('Europe/Berln')")
	b.enter("kwargs", `{"format": "pdf",`)
	b.so("document.getElementById('wrong-kwargs').innerText !== '' && document.querySelector('[name=kwargs]').getAttribute('aria-invalid') === 'true'")
	b.enter("priority", "high")
	b.so("document.getElementById('wrong-priority').innerText.includes('high')")
	b.press("Add")
	b.sees("Not saved")
	b.so("document.activeElement.getAttribute('aria-invalid') === 'true'")
	b.shot("schedule-wrong")
	b.readable("a form with errors")

	// When it would be due is seen before it is saved.
	b.enter("hour", "4")
	b.enter("weekday", "mon-fri")
	b.enter("timezone", "Europe/Berlin")
	b.enter("kwargs", `{"format": "pdf"}`)
	b.enter("priority", "5")
	b.enter("queue", "reports")
	b.enter("expires", "15m")
	b.enter("jitter", "1m")
	b.so("document.querySelectorAll('.soon li').length === 5 && [...document.querySelectorAll('.soon li')].every(e => /^(Mon|Tue|Wed|Thu|Fri) [-0-9]+ 04:00:00 \\+0[12]:00\\s+in /.test(e.innerText))")
	b.so("document.querySelector('[aria-invalid]') === null")
	b.sees("Clocks of Europe/Berlin. Each up to 1m later.")
	b.eval("scrollTo(0, 0)")
	b.shot("schedule-new")
	b.readable("a form")
	b.run(chromedp.EmulateViewport(390, 860))
	b.eval("document.documentElement.dataset.theme = 'dark'; scrollTo(0, 0)")
	b.so("document.getAnimations().length === 0 && document.documentElement.scrollWidth <= innerWidth")
	b.shot("schedule-narrow")
	b.readable("a narrow, dark form")
	b.run(chromedp.EmulateViewport(1280, 860))
	b.press("Add")
	b.so("location.pathname === '/schedule/nightly%20report'")
	b.sees("It was added at run time.")
	b.sees("0 4 * * mon-fri")
	b.sees("after 15m")
	b.so("document.querySelectorAll('[data-key=due] li').length === 5")
	b.eval("delete document.documentElement.dataset.theme")
	b.so("document.getAnimations().length === 0")
	b.shot("schedule")
	b.readable("an entry")

	// Every kind of schedule is written so that it is read the same.
	edit := func(kind string, then func(), want string) {
		t.Helper()
		b.press("Edit")
		b.sees("Edit nightly report")
		b.press(kind)
		then()
		b.so("document.querySelectorAll('.soon li').length > 0 && document.querySelector('[aria-invalid]') === null")
		b.press("Save")
		b.so("location.search === ''")
		b.sees(want)
	}
	edit("Interval", func() { b.enter("every", "1h30m"); b.enter("timezone", "") }, "1h30m")
	edit("Sun", func() { b.enter("event", "dusk_civil"); b.enter("lat", "52.52"); b.enter("lon", "13.405") }, "dusk_civil 52.52 13.405")
	edit("Once", func() { b.enter("at", "2124-12-24 18:00") }, "2124-12-24 18:00")
	edit("Crontab", func() { b.enter("minute", "*/15") }, "*/15 * * * *")
	b.sees(`"format": "pdf"`) // what was not changed

	// Who comes too late is told, and overwrites nothing.
	b.press("Edit")
	b.sees("Edit nightly report")
	if a := r.send("POST", "/api/v1/schedules/nightly%20report/edit", map[string]any{"changes": map[string]any{"jitter": "2m"}}, as("ann", "ann's password")); a.StatusCode != 200 {
		t.Fatal(a.Status)
	}
	b.enter("queue", "other")
	b.sees("was changed by somebody else meanwhile")
	b.press("Cancel")
	b.so("location.search === ''")
	b.press("Delete…")
	b.so("document.querySelector('dialog input') === document.activeElement")
	b.eval("document.activeElement.value = 'nightly'; document.querySelector('dialog .danger').click()")
	b.sees("confirm is not the name of the entry")
	b.press("Delete…")
	b.eval("document.activeElement.value = 'nightly report'; document.querySelector('dialog .danger').click()")
	b.so("location.pathname === '/schedules'")
	b.sees("Nothing is sent by schedule")
	b.press("Audit")
	b.sees("add schedule")
	b.sees("remove schedule")
	b.complain()

	// A viewer sees entries and their due times, and changes nothing.
	full := newDesk()
	d.mu.Lock()
	d.list, d.keys, d.first = full.list, full.keys, full.first
	d.mu.Unlock()
	b.press("Log out")
	b.sees("Password")
	login("bob", "bob's password")
	b.press("Schedules")
	b.press("nightly-report")
	b.sees("from the settings (beat_schedule)")
	b.so("document.querySelectorAll('[data-key=due] li').length === 5 && !document.body.innerText.includes('hunter2') && document.body.innerText.includes('***')")
	b.so("document.querySelectorAll('main button').length === 0 && document.querySelector('main a.button') === null")
	b.open("/schedules/new", "Operators may add entries")
	b.complain()

	// Changes to an entry of the settings are laid over it, and can be undone.
	b.press("Log out")
	b.sees("Password")
	login("ann", "ann's password")
	b.press("Schedules")
	b.press("nightly-report")
	b.so("[...document.querySelectorAll('main button')].every(e => e.innerText !== 'Delete…')")
	b.press("Edit")
	b.sees("What is changed here is laid over that")
	b.sees("Values shown as ***")
	b.enter("minute", "30")
	b.press("Save")
	b.sees("edited here")
	b.sees("30 4 * * mon-fri")
	if kw, _ := d.stored("nightly-report")["kwargs"].(map[string]any); kw["password"] != "hunter2" {
		t.Errorf("a hidden value was changed: %v", kw)
	}
	b.press("Undo changes…")
	b.press("Undo changes")
	b.sees("is as settings and file say again")
	b.so("document.querySelector('.facts').innerText.includes('0 4 * * mon-fri')")
	b.complain()
}

// readable requires that everybody can use what is shown.
func (b *browser) readable(what string) {
	b.t.Helper()
	for _, fault := range b.faultsOf(unreadable) {
		b.t.Errorf("%s: %s", what, fault)
	}
}
