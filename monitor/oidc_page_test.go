package monitor_test

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/umbel-go/umbel/monitor"
	"github.com/umbel-go/umbel/monitor/access"
)

// inFront is a proxy before a monitor that is started later: its address is known first, as that of a monitor is which the provider
// of its login knows.
func inFront(t *testing.T) (at string, lead func(to string)) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var behind atomic.Pointer[url.URL]
	transport := &http.Transport{}
	s := httptest.NewUnstartedServer(&httputil.ReverseProxy{Transport: transport, FlushInterval: -1, Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(behind.Load())
		r.SetXForwarded()
		r.Out.Host = r.In.Host
	}})
	s.Listener.Close()
	s.Listener = listener
	return "http://" + listener.Addr().String(), func(to string) {
		u, err := url.Parse(to)
		if err != nil {
			t.Fatal(err)
		}
		behind.Store(u)
		s.Start()
		t.Cleanup(func() {
			s.CloseClientConnections()
			s.Close()
			transport.CloseIdleConnections()
		})
	}
}

// People log in at a provider on another site, and are who it says, with the role that it says.
func TestALoginAtAProviderInTheBrowser(t *testing.T) {
	t.Parallel()
	p := newIDP(t)
	p.issuer = strings.Replace(p.server.URL, "127.0.0.1", "localhost", 1) // another site than the monitor's
	person := func(name string, groups ...string) map[string]any {
		return map[string]any{"preferred_username": name, "groups": groups}
	}
	p.people = map[string]map[string]any{"olga": person("olga", "ops"), "vera": person("vera", "staff"), "lea": person("lea", "staff", "leads"), "mallory": person("mallory", "strangers")}
	at, lead := inFront(t)
	r := start(t, monitor.Config{Schedules: newDesk(), Access: access.Config{Proxy: true, OIDC: &access.OIDC{Issuer: p.issuer, ClientID: "umbel", ClientSecret: "client's secret", Name: "Example ID",
		RedirectURL: at + "/login/callback", Roles: map[string]access.Role{"ops": access.Operator, "staff": access.Viewer, "leads": access.Owner}}}})
	lead(r.url)
	b := browse(t, at)

	enter := func(name string) {
		t.Helper()
		b.Press("Log in with Example ID")
		b.Sees("Who are you?")
		b.So("location.hostname === 'localhost'")
		b.Eval(fmt.Sprintf("{document.forms[0].elements.name.value = %q; setTimeout(() => document.forms[0].requestSubmit())} true", name))
		b.So("location.hostname === '127.0.0.1'")
	}
	leave := func() {
		t.Helper()
		b.Press("Log out")
		b.Sees("Log in with Example ID")
	}
	// status asks the API from within the page, with the page's cookie.
	status := func(method, path, body string, want int) {
		t.Helper()
		init := fmt.Sprintf("{method: %q}", method)
		if body != "" {
			init = fmt.Sprintf("{method: %q, body: %q, headers: {'Content-Type': 'application/json'}}", method, body)
		}
		b.Eval(fmt.Sprintf("window.status = ''; fetch('/api/v1/%s', %s).then(r => { window.status = '%s %s ' + r.status }); true", path, init, method, path))
		b.So(fmt.Sprintf("window.status === '%s %s %d'", method, path, want))
	}
	is := func(name, nav string) {
		t.Helper()
		b.So(fmt.Sprintf("document.querySelector('.who')?.innerText === %q", name))
		b.So(fmt.Sprintf("[...document.querySelectorAll('nav a')].map(e => e.innerText).join(' ') === %q", nav))
	}
	const pages = "Overview Workers Tasks Queues Workflows Schedules Broker"

	b.Open("/schedules?from=link", "Log in with Example ID")
	b.So("document.querySelector('[type=password]') === null") // nobody has one
	b.shot("login")
	b.readable("the login")

	// Who is nobody here is told so, and let in nowhere.
	enter("mallory")
	b.Sees("mallory has no role here")
	status("GET", "me", "", 401)

	// An operator acts, and sees and does nothing that admins do.
	b.Open("/schedules?from=link", "Log in with Example ID")
	enter("olga")
	b.So("location.pathname + location.search === '/schedules?from=link'") // what was asked for
	is("olga", pages)
	b.So("document.querySelector('[aria-label=\"Pause cleanup\"]') !== null")
	b.Eval("document.querySelector('[aria-label=\"Pause cleanup\"]').click()")
	b.Sees("paused cleanup")
	status("POST", "queues/celery/purge", `{"confirm": "celery"}`, 403)
	status("POST", "workers/w1@host/shutdown", `{}`, 403)
	status("GET", "audit", "", 403)
	b.Open("/audit", "you may not do this")

	// After the logout the session is gone, here and at the monitor.
	b.Open("/workers", "No worker has been heard of")
	leave()
	status("GET", "me", "", 401)
	b.Open("/workers", "Log in with Example ID")

	// A viewer has no buttons, and the API refuses what they would do.
	enter("vera")
	b.So("location.pathname === '/workers'")
	is("vera", pages)
	b.Press("Schedules")
	b.Sees("nightly-report")
	b.So("document.querySelectorAll('main button').length === 0")
	status("POST", "schedules/cleanup/resume", `{}`, 403)
	leave()

	// An admin reads in the audit log who came, who acted, and who was not let in.
	enter("lea")
	is("lea", pages+" Audit")
	b.Press("Audit")
	b.Sees("mallory has no role here")
	b.So("[...document.querySelectorAll('tbody tr')].some(e => e.innerText.includes('olga') && e.innerText.includes('pause schedule') && e.innerText.includes('127.0.0.1'))")
	leave()
}
