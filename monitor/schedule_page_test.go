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
	b.So(fmt.Sprintf("document.querySelector('form [name=%s]') !== null", name))
	b.Eval(fmt.Sprintf(`{const e = document.querySelector('form [name=%s]'); e.focus(); e.value = %q; for (const k of ['input', 'change']) e.dispatchEvent(new Event(k, {bubbles: true}))}`, name, value))
}

// An operator adds an entry, sees what is wrong with it and when it would be due, changes it, and deletes it.
func TestPagesOfSchedules(t *testing.T) {
	t.Parallel()
	d := newDesk()
	d.list, d.keys, d.first = nil, map[string]map[string]any{}, nil
	r := start(t, monitor.Config{Access: access.Config{Users: users}, Schedules: d})
	b := browse(t, r.url)
	b.Open("/schedules", "Log in")
	login := func(name, password string) {
		b.Eval(fmt.Sprintf("{const f = document.querySelector('form').elements; f.name.value = %q; f.password.value = %q; document.querySelector('form').requestSubmit()}", name, password))
	}
	login("ann", "ann's password")
	b.Sees("Nothing is sent by schedule")
	b.Press("Add an entry")
	b.So("location.pathname === '/schedules/new' && document.activeElement.name === 'name'")
	b.So("document.querySelector('[aria-invalid]') === null") // nothing is wrong before something is said

	// What is wrong stands at its field.
	b.enter("name", "nightly report")
	b.enter("task", "apps.reports.tasks.build_report")
	b.Press("Crontab")
	b.enter("hour", "25")
	b.So("document.getElementById('wrong-schedule').innerText.includes('25 is out of range')")
	b.enter("timezone", "Europe/Berln")
	b.So("document.getElementById('wrong-timezone').innerText.includes('Europe/Berln')")
	b.enter("kwargs", `{"format": "pdf",`)
	b.So("document.getElementById('wrong-kwargs').innerText !== '' && document.querySelector('[name=kwargs]').getAttribute('aria-invalid') === 'true'")
	b.enter("priority", "high")
	b.So("document.getElementById('wrong-priority').innerText.includes('high')")
	b.Press("Add")
	b.Sees("Not saved")
	b.So("document.activeElement.getAttribute('aria-invalid') === 'true'")
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
	b.So("document.querySelectorAll('.soon li').length === 5 && [...document.querySelectorAll('.soon li')].every(e => /^(Mon|Tue|Wed|Thu|Fri) [-0-9]+ 04:00:00 \\+0[12]:00\\s+in /.test(e.innerText))")
	b.So("document.querySelector('[aria-invalid]') === null")
	b.Sees("Clocks of Europe/Berlin. Each up to 1m later.")
	b.Eval("scrollTo(0, 0)")
	b.shot("schedule-new")
	b.readable("a form")
	b.Run(chromedp.EmulateViewport(390, 860))
	b.Eval("document.documentElement.dataset.theme = 'dark'; scrollTo(0, 0)")
	b.So("document.getAnimations().length === 0 && document.documentElement.scrollWidth <= innerWidth")
	b.shot("schedule-narrow")
	b.readable("a narrow, dark form")
	b.Run(chromedp.EmulateViewport(1280, 860))
	b.Press("Add")
	b.So("location.pathname === '/schedule/nightly%20report'")
	b.Sees("It was added at run time.")
	b.Sees("0 4 * * mon-fri")
	b.Sees("after 15m")
	b.So("document.querySelectorAll('[data-key=due] li').length === 5")
	b.Eval("delete document.documentElement.dataset.theme")
	b.So("document.getAnimations().length === 0")
	b.shot("schedule")
	b.readable("an entry")

	// Every kind of schedule is written so that it is read the same.
	edit := func(kind string, then func(), want string) {
		t.Helper()
		b.Press("Edit")
		b.Sees("Edit nightly report")
		b.Press(kind)
		then()
		b.So("document.querySelectorAll('.soon li').length > 0 && document.querySelector('[aria-invalid]') === null")
		b.Press("Save")
		b.So("location.search === ''")
		b.Sees(want)
	}
	edit("Interval", func() { b.enter("every", "1h30m"); b.enter("timezone", "") }, "1h30m")
	edit("Sun", func() { b.enter("event", "dusk_civil"); b.enter("lat", "52.52"); b.enter("lon", "13.405") }, "dusk_civil 52.52 13.405")
	edit("Once", func() { b.enter("at", "2124-12-24 18:00") }, "2124-12-24 18:00")
	edit("Crontab", func() { b.enter("minute", "*/15") }, "*/15 * * * *")
	b.Sees(`"format": "pdf"`) // what was not changed

	// Who comes too late is told, and overwrites nothing.
	b.Press("Edit")
	b.Sees("Edit nightly report")
	if a := r.send("POST", "/api/v1/schedules/nightly%20report/edit", map[string]any{"changes": map[string]any{"jitter": "2m"}}, as("ann", "ann's password")); a.StatusCode != 200 {
		t.Fatal(a.Status)
	}
	b.enter("queue", "other")
	b.Sees("was changed by somebody else meanwhile")
	b.Press("Cancel")
	b.So("location.search === ''")
	b.Press("Delete…")
	b.So("document.querySelector('dialog input') === document.activeElement")
	b.Eval("document.activeElement.value = 'nightly'; document.querySelector('dialog .danger').click()")
	b.Sees("confirm is not the name of the entry")
	b.Press("Delete…")
	b.Eval("document.activeElement.value = 'nightly report'; document.querySelector('dialog .danger').click()")
	b.So("location.pathname === '/schedules'")
	b.Sees("Nothing is sent by schedule")
	b.Press("Audit")
	b.Sees("add schedule")
	b.Sees("remove schedule")
	b.Complain()

	// A viewer sees entries and their due times, and changes nothing.
	full := newDesk()
	d.mu.Lock()
	d.list, d.keys, d.first = full.list, full.keys, full.first
	d.mu.Unlock()
	b.Press("Log out")
	b.Sees("Password")
	login("bob", "bob's password")
	b.Press("Schedules")
	b.Press("nightly-report")
	b.Sees("from the settings (beat_schedule)")
	b.So("document.querySelectorAll('[data-key=due] li').length === 5 && !document.body.innerText.includes('hunter2') && document.body.innerText.includes('***')")
	b.So("document.querySelectorAll('main button').length === 0 && document.querySelector('main a.button') === null")
	b.Open("/schedules/new", "Operators may add entries")
	b.Complain()

	// Changes to an entry of the settings are laid over it, and can be undone.
	b.Press("Log out")
	b.Sees("Password")
	login("ann", "ann's password")
	b.Press("Schedules")
	b.Press("nightly-report")
	b.So("[...document.querySelectorAll('main button')].every(e => e.innerText !== 'Delete…')")
	b.Press("Edit")
	b.Sees("What is changed here is laid over that")
	b.Sees("Values shown as ***")
	b.enter("minute", "30")
	b.Press("Save")
	b.Sees("edited here")
	b.Sees("30 4 * * mon-fri")
	if kw, _ := d.stored("nightly-report")["kwargs"].(map[string]any); kw["password"] != "hunter2" {
		t.Errorf("a hidden value was changed: %v", kw)
	}
	b.Press("Undo changes…")
	b.Press("Undo changes")
	b.Sees("is as settings and file say again")
	b.So("document.querySelector('.facts').innerText.includes('0 4 * * mon-fri')")

	// What is wrong with an entry of the settings is seen at its field at once, and when a paused one would be due.
	b.Open("/schedule/misspelt?edit=1", "Edit misspelt")
	b.So("document.getElementById('wrong-schedule').innerText.includes('25 is out of range')")
	b.Open("/schedule/sunset-lights?edit=1", "Edit sunset-lights")
	b.So("document.querySelectorAll('.soon li').length === 5")
	b.Sees("It is paused: none of them is sent.")
	b.Complain()
}

// readable requires that everybody can use what is shown.
func (b *browser) readable(what string) {
	b.t.Helper()
	for _, fault := range b.List(unreadable) {
		b.t.Errorf("%s: %s", what, fault)
	}
}
