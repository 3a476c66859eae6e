package monitor_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/umbel-go/umbel/monitor"
	"github.com/umbel-go/umbel/monitor/access"
	"github.com/umbel-go/umbel/monitor/api"
	"github.com/umbel-go/umbel/protocol"
)

// What an attacker would try. Each of Flower's published vulnerabilities has its test here, named by its number.

func TestWithoutCredentialsNothingIsTold(t *testing.T) { // CVE-2022-30034: whoever reached Flower's API could command workers
	t.Parallel()
	token, text := access.NewToken("deploy", []access.Scope{access.Read})
	r := start(t, monitor.Config{Access: access.Config{Users: users, Tokens: []access.Token{token}}})
	for _, route := range append(api.Routes(), "GET /api/", "GET /api/workers", "GET /api/tasks", "POST /api/task/async-apply/x", "GET /api/v1/nothing", "GET /metrics") {
		method, path, _ := strings.Cut(route, " ")
		path = strings.NewReplacer("{id}", "x", "{name}", "x").Replace(path)
		for what, edit := range map[string]func(*http.Request){
			"nothing":        nil,
			"a wrong token":  func(r *http.Request) { r.Header.Set("Authorization", "Bearer umbel_x") },
			"an empty token": func(r *http.Request) { r.Header.Set("Authorization", "Bearer ") },
			"a scheme":       func(r *http.Request) { r.Header.Set("Authorization", "Negotiate x") },
			"a session":      func(r *http.Request) { r.AddCookie(&http.Cookie{Name: "umbel_session", Value: "x"}) },
		} {
			if strings.Contains(what, "token") && path != "/api/v1/me" {
				continue // failures are counted
			}
			if a := r.send(method, path, nil, edit); a.StatusCode != http.StatusUnauthorized {
				t.Errorf("%s with %s: %s", route, what, a.Status)
			}
		}
	}
	for _, edit := range []func(*http.Request){as("ann", "ann's password"), func(r *http.Request) { r.Header.Set("Authorization", "bearer "+text) }} {
		if a := r.send("GET", "/api/v1/overview", nil, edit); a.StatusCode != http.StatusOK {
			t.Errorf("the right credentials: %s", a.Status)
		}
	}
}

func TestRolesAndScopesAreKept(t *testing.T) {
	t.Parallel()
	token, text := access.NewToken("deploy", []access.Scope{access.Read})
	r := start(t, monitor.Config{Access: access.Config{Users: users, Tokens: []access.Token{token}}})
	for who, c := range map[string]struct {
		edit func(*http.Request)
		want int
	}{
		"an admin":         {as("ann", "ann's password"), 200},
		"a viewer":         {as("bob", "bob's password"), 403},
		"a reader's token": {func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+text) }, 403},
	} {
		if a := r.send("GET", "/api/v1/audit", nil, c.edit); a.StatusCode != c.want {
			t.Errorf("%s: %s, want %d", who, a.Status, c.want)
		}
	}
}

func TestALoginIsASessionUntilTheLogout(t *testing.T) {
	t.Parallel()
	r := start(t, monitor.Config{Access: access.Config{Users: users}})
	a := r.send("POST", "/api/v1/login", map[string]string{"name": "ann", "password": "ann's password"}, nil)
	if a.StatusCode != http.StatusNoContent || len(a.Cookies()) != 1 {
		t.Fatalf("%s %v", a.Status, a.Cookies())
	}
	c := a.Cookies()[0]
	if !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Path != "/" || len(c.Value) < 40 {
		t.Errorf("%+v", c)
	}
	with := func(r *http.Request) { r.AddCookie(c) }
	if a := r.send("GET", "/api/v1/me", nil, with); a.StatusCode != 200 || !strings.Contains(string(a.body), `"ann"`) {
		t.Errorf("%s %s", a.Status, a.body)
	}
	var acts struct {
		Acts []struct{ Who, From, Action, Outcome string }
	}
	r.send("GET", "/api/v1/audit", nil, with).into(t, &acts)
	if len(acts.Acts) != 1 || acts.Acts[0].Who != "ann" || acts.Acts[0].Action != "login" || acts.Acts[0].From != "127.0.0.1" {
		t.Errorf("%+v", acts)
	}
	r.send("POST", "/api/v1/logout", nil, with)
	if a := r.send("GET", "/api/v1/me", nil, with); a.StatusCode != http.StatusUnauthorized {
		t.Errorf("after the logout: %s", a.Status)
	}
}

func TestGuessingIsSlowedDown(t *testing.T) {
	t.Parallel()
	r := start(t, monitor.Config{Access: access.Config{Users: users}})
	refused := 0
	for i := range 14 {
		a := r.send("POST", "/api/v1/login", map[string]string{"name": "ann", "password": fmt.Sprint("guess ", i)}, nil)
		switch a.StatusCode {
		case http.StatusTooManyRequests:
			refused++
		case http.StatusUnauthorized:
		default:
			t.Errorf("guess %d: %s", i, a.Status)
		}
	}
	if refused < 4 {
		t.Errorf("%d of 14 guesses were not looked at", refused)
	}
	if a := r.send("POST", "/api/v1/login", map[string]string{"name": "ann", "password": "ann's password"}, nil); a.StatusCode != http.StatusTooManyRequests {
		t.Errorf("the right password while guesses are refused: %s", a.Status)
	}
}

func TestAnotherSiteCannotMakeABrowserAct(t *testing.T) { // published with CVE-2022-30034: no protection against forged requests
	t.Parallel()
	r := start(t, monitor.Config{Access: access.Config{Users: users}})
	for what, edit := range map[string]func(*http.Request){
		"its origin":    func(r *http.Request) { r.Header.Set("Origin", "https://evil.example") },
		"a null origin": func(r *http.Request) { r.Header.Set("Origin", "null") },
		"fetch's word":  func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") },
		"a sister site": func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-site") },
	} {
		a := r.send("POST", "/api/v1/login", map[string]string{"name": "ann", "password": "ann's password"}, edit)
		if a.StatusCode != http.StatusForbidden || len(a.Cookies()) != 0 {
			t.Errorf("%s: %s", what, a.Status)
		}
	}
	// What a form can send without asking is not taken for JSON.
	a := r.send("POST", "/api/v1/login", `{"name": "ann", "password": "ann's password"}`, func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") })
	if a.StatusCode != http.StatusUnsupportedMediaType {
		t.Errorf("a form's body: %s", a.Status)
	}
}

func TestANameThatResolvesToUsIsNotServedWithoutAPassword(t *testing.T) { // DNS rebinding
	t.Parallel()
	r := start(t, monitor.Config{})
	for host, want := range map[string]int{"evil.example": 421, "evil.example:5555": 421, "127.0.0.1.evil.example": 421, "localhost:5555": 200, "127.0.0.1": 200, "[::1]:80": 200} {
		if a := r.send("GET", "/api/v1/overview", nil, func(r *http.Request) { r.Host = host }); a.StatusCode != want {
			t.Errorf("host %s: %s, want %d", host, a.Status, want)
		}
	}
}

func TestAnonymousPeopleOnlyLook(t *testing.T) {
	t.Parallel()
	r := start(t, monitor.Config{})
	if a := r.send("GET", "/api/v1/audit", nil, nil); a.StatusCode != http.StatusForbidden {
		t.Errorf("audit: %s", a.Status)
	}
}

func TestEveryAnswerForbidsWhatPagesDoNotNeed(t *testing.T) {
	t.Parallel()
	r := start(t, monitor.Config{})
	for _, path := range []string{"/", "/tasks", "/task/x", "/static/app.js", "/static/nothing.js", "/api/v1/overview", "/api/v1/nothing", "/healthcheck", "/login"} {
		a := r.send("GET", path, nil, nil)
		csp := a.Header.Get("Content-Security-Policy")
		if !strings.HasPrefix(csp, "default-src 'self';") || strings.Contains(csp, "unsafe") || !strings.Contains(csp, "frame-ancestors 'none'") {
			t.Errorf("%s: policy %q", path, csp)
		}
		if a.Header.Get("X-Content-Type-Options") != "nosniff" || a.Header.Get("Referrer-Policy") != "no-referrer" || a.Header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: %v", path, a.Header)
		}
	}
}

func TestTextOfTasksIsNeverMarkup(t *testing.T) { // Flower showed names and arguments unescaped
	t.Parallel()
	r := start(t, monitor.Config{})
	const evil = `<script>alert(1)</script><img src=x onerror=alert(1)>`
	r.say(&protocol.TaskReceived{UUID: "x" + evil, Name: evil, Args: evil, Kwargs: evil})
	r.await("the task is told", func() bool {
		a := r.send("GET", "/api/v1/tasks", nil, nil)
		if strings.Contains(string(a.body), "<script") || a.Header.Get("Content-Type") != "application/json" {
			t.Fatalf("%s: %s", a.Header.Get("Content-Type"), a.body)
		}
		return strings.Contains(string(a.body), `\u003cscript\u003e`)
	})
	for _, path := range []string{"/task/" + evil, "/nothing" + evil, "/api/v1/tasks/%3Cscript%3E", "/api/v1/tasks?state=%3Cscript%3E&x%3Cscript%3E=1"} {
		if a := r.send("GET", strings.ReplaceAll(path, " ", "%20"), nil, nil); strings.Contains(string(a.body), "<script>") {
			t.Errorf("%s is answered with itself: %s", path, a.body)
		}
	}
}

func TestPathsDoNotLeaveTheirFolder(t *testing.T) {
	t.Parallel()
	r := start(t, monitor.Config{Access: access.Config{Users: users}})
	for _, path := range []string{"/static/../../web.go", "/static/..%2f..%2fweb.go", "/static/%2e%2e/%2e%2e/web.go", "/static//etc/passwd", "/static/..\\web.go",
		"//api/v1/tasks", "/static/../api/v1/tasks", "/api/v1/../v1/tasks", "/API/v1/tasks", "/api/v1/tasks/", "/login/../api/v1/tasks", "/%2e/api/v1/tasks", "/api%2fv1%2ftasks"} {
		conn, err := net.Dial("tcp", strings.TrimPrefix(r.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", path)
		text, _ := io.ReadAll(conn)
		conn.Close()
		if strings.Contains(string(text), "package web") || strings.Contains(string(text), "root:") || strings.Contains(string(text), `"tasks"`) {
			t.Errorf("%s: %.200s", path, text)
		}
	}
}

func TestBodiesAndHeadersAreBounded(t *testing.T) {
	t.Parallel()
	r := start(t, monitor.Config{Access: access.Config{Users: users}})
	a := r.send("POST", "/api/v1/login", `{"name": "`+strings.Repeat("x", access.MaxBody)+`"}`, nil)
	if a.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("a body of more than 1 MiB: %s", a.Status)
	}
	a = r.send("GET", "/", nil, func(r *http.Request) { r.Header.Set("X", strings.Repeat("x", 100<<10)) })
	if a.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("a header of 100 KiB: %s", a.Status)
	}
	deep := strings.Repeat("[", 900_000)
	if a := r.send("POST", "/api/v1/login", deep, nil); a.StatusCode != http.StatusBadRequest {
		t.Errorf("a deep body: %s", a.Status)
	}
}

func TestSlowClientsDoNotKeepOthersWaiting(t *testing.T) {
	t.Parallel()
	r := start(t, monitor.Config{})
	for range 100 {
		conn, err := net.Dial("tcp", strings.TrimPrefix(r.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprint(conn, "GET /api/v1/overview HTTP/1.1\r\nHost: localhost\r\nX-")
	}
	var v map[string]any
	r.get("/api/v1/overview", &v)
}

func TestASlowClientIsLetGo(t *testing.T) {
	t.Parallel()
	r := start(t, monitor.Config{})
	conn, err := net.Dial("tcp", strings.TrimPrefix(r.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: localhost\r\n") // and never ends
	_ = conn.SetReadDeadline(time.Now().Add(patience))
	text, err := io.ReadAll(bufio.NewReader(conn))
	if err != nil {
		t.Errorf("it is still connected: %v, %q", err, text)
	}
}
