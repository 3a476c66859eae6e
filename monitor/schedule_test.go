package monitor_test

import (
	"cmp"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/umbel-go/umbel/monitor"
	"github.com/umbel-go/umbel/monitor/access"
	"github.com/umbel-go/umbel/monitor/api"
	"github.com/umbel-go/umbel/monitor/mask"
)

func TestSchedulesAreListedPausedAndRun(t *testing.T) {
	t.Parallel()
	r := start(t, monitor.Config{Access: access.Config{Users: users}, Schedules: newDesk()})
	ann, bob := as("ann", "ann's password"), as("bob", "bob's password")
	var got struct {
		Leader    string
		Known     bool
		Schedules []struct {
			Name, When, Problem string
			Paused              bool
			Next                *float64
			Count               int
		}
	}
	list := func() {
		r.send("GET", "/api/v1/schedules", nil, bob).into(t, &got)
	}
	list()
	if !got.Known || got.Leader != "beat@shop-1" || len(got.Schedules) != 4 || got.Schedules[0].When != "1h" || got.Schedules[0].Next == nil || got.Schedules[1].Problem == "" {
		t.Errorf("%+v", got)
	}
	for _, c := range []struct {
		path string
		who  func(*http.Request)
		want int
		text string
	}{
		{"cleanup/pause", bob, 403, ""}, {"cleanup/run", bob, 403, ""}, {"cleanup/pause", ann, 200, "paused cleanup"}, {"cleanup/run", ann, 200, "sent cleanup as run-1"},
		{"nobody/run", ann, 404, "no such entry"}, {"cleanup/resume", ann, 200, "resumed"}, {"cleanup/pause", ann, 200, "paused"},
	} {
		if a := r.send("POST", "/api/v1/schedules/"+c.path, map[string]any{}, c.who); a.StatusCode != c.want || !strings.Contains(string(a.body), c.text) {
			t.Errorf("%s: %s %s", c.path, a.Status, a.body)
		}
	}
	if list(); !got.Schedules[0].Paused || got.Schedules[0].Count != 813 {
		t.Errorf("%+v", got.Schedules[0])
	}
}

// A written is what adding and editing answers, and what is wrong.
type written struct {
	Message, Error string
	Restored       bool
	Fields         []struct{ Field, Error string }
	Entry          struct {
		Name, Version, Source, When, Zone string
		Entry                             map[string]any
		Hidden, Edited, Paused            bool
		Due                               []string
	}
}

// faults are the fields that are told, in order.
func (w *written) faults() string {
	var all []string
	for _, f := range w.Fields {
		all = append(all, f.Field)
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

// A clerk writes schedules, and holds answers against the document.
type clerk struct {
	t   *testing.T
	r   *rig
	doc document
}

func newClerk(t *testing.T, r *rig) *clerk {
	t.Helper()
	c := &clerk{t: t, r: r}
	if err := json.Unmarshal(api.Document, &c.doc); err != nil {
		t.Fatal(err)
	}
	return c
}

func (c *clerk) post(path string, body any, want int, who func(*http.Request)) (w written) {
	c.t.Helper()
	a := c.r.send("POST", "/api/v1/schedules"+path, body, who)
	if a.StatusCode != want {
		c.t.Errorf("%s %v: %s %s, want %d", path, body, a.Status, a.body, want)
	}
	var v any
	a.into(c.t, &v)
	a.into(c.t, &w)
	route := "/api/v1/schedules"
	if i := strings.LastIndex(path, "/"); i >= 0 {
		route += "/{name}" + path[i:]
	}
	for _, wrong := range c.doc.fits(c.doc.Paths[route]["post"].Responses[a.Status[:3]].Content["application/json"].Schema, v, route) {
		c.t.Error(wrong)
	}
	return w
}

func TestEntriesAreAddedEditedAndRemoved(t *testing.T) {
	t.Parallel()
	d := newDesk()
	c := monitor.Config{Schedules: d}
	holder := func(name string, scopes ...access.Scope) func(*http.Request) { // tokens, for passwords take their time
		token, text := access.NewToken(name, scopes)
		c.Access.Tokens = append(c.Access.Tokens, token)
		return func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+text) }
	}
	bearer := holder("deploy", access.Read, access.Workers)
	op, bob, ann := holder("carol", access.Operator.Scopes()...), holder("bob", access.Read), holder("ann", access.Owner.Scopes()...)
	r := start(t, c)
	k := newClerk(t, r)
	entry := map[string]any{"task": "shop.report", "schedule": "0 4 * * mon-fri", "timezone": "Europe/Berlin", "args": []any{1}, "kwargs": map[string]any{"format": "pdf", "token": "t-1"},
		"options": map[string]any{"queue": "reports", "expires": 60}, "jitter": "1m"}

	// Who may not is refused: viewers, and who may not send tasks.
	for _, path := range []string{"", "/cleanup/edit", "/cleanup/remove"} {
		k.post(path, map[string]any{}, 403, bob)
	}
	k.post("", map[string]any{"name": "nightly", "entry": entry}, 403, bearer)
	k.post("/cleanup/edit", map[string]any{"changes": map[string]any{"task": "x"}}, 403, bearer)

	// A dry run says what it would be, and writes nothing.
	w := k.post("", map[string]any{"name": "nightly", "entry": entry, "dry_run": true}, 200, op)
	if len(w.Entry.Due) != 5 || !strings.Contains(w.Entry.Due[0], "T04:00:00+0") || w.Entry.Zone != "Europe/Berlin" {
		t.Errorf("%+v", w)
	}
	if a := r.send("GET", "/api/v1/schedules/nightly", nil, op); a.StatusCode != 404 {
		t.Errorf("after a dry run: %s", a.Status)
	}

	// Each fault is told at its field.
	w = k.post("", map[string]any{"name": " ", "entry": map[string]any{"schedule": "0 25 * * *", "args": map[string]any{}, "jitter": "soon", "options": map[string]any{"priority": 300, "ques": "x"}}, "dry_run": true}, 400, op)
	if got := w.faults(); got != "args jitter name options.priority options.ques schedule task" {
		t.Errorf("faults at %q: %s", got, w.Error)
	}
	for name, at := range map[string]string{"": "name", "..": "name", "a\nb": "name", strings.Repeat("n", 201): "name"} {
		if w := k.post("", map[string]any{"name": name, "entry": entry}, 400, op); w.faults() != at {
			t.Errorf("the name %q: %+v", name, w)
		}
	}
	if w := k.post("", map[string]any{"name": "cleanup", "entry": entry}, 409, op); w.faults() != "name" {
		t.Errorf("a name that is there: %+v", w)
	}

	if w = k.post("", map[string]any{"name": "nightly", "entry": entry}, 200, op); w.Message != "added nightly" || w.Entry.Source != "store" || !w.Entry.Hidden {
		t.Errorf("%+v", w)
	}
	shown := func() (w written) {
		a := r.send("GET", "/api/v1/schedules/nightly", nil, bob)
		a.into(t, &w.Entry)
		return w
	}
	now := shown()
	if kw := now.Entry.Entry["kwargs"].(map[string]any); kw["format"] != "pdf" || kw["token"] != "***" {
		t.Errorf("a viewer sees %v", now.Entry.Entry)
	}

	// An edit changes what it names; what is hidden stays what it is; who has seen an older state is told.
	change := map[string]any{"schedule": "30m", "jitter": nil, "kwargs": map[string]any{"format": "csv", "token": "***"}}
	w = k.post("/nightly/edit", map[string]any{"changes": change, "version": now.Entry.Version}, 200, op)
	if w.Message != "changed nightly" || w.Entry.When != "30m" || w.Entry.Entry["jitter"] != nil || w.Entry.Entry["timezone"] != "Europe/Berlin" {
		t.Errorf("%+v", w)
	}
	if kw := d.stored("nightly")["kwargs"].(map[string]any); kw["token"] != "t-1" || kw["format"] != "csv" {
		t.Errorf("stored is %v", kw)
	}
	if w = k.post("/nightly/edit", map[string]any{"changes": change, "version": now.Entry.Version}, 409, op); !strings.Contains(w.Error, "by somebody else") {
		t.Errorf("%+v", w)
	}
	if w = k.post("/nightly/edit", map[string]any{"changes": map[string]any{"end": "never"}}, 400, op); w.faults() != "end" {
		t.Errorf("%+v", w)
	}
	k.post("/nightly/edit", map[string]any{"changes": map[string]any{}}, 400, op)
	k.post("/nobody/edit", map[string]any{"changes": change}, 404, op)

	// What settings say is changed by what is laid over it, and removed only there.
	if w = k.post("/cleanup/remove", map[string]any{"confirm": "cleanup"}, 409, op); !strings.Contains(w.Error, "from file") {
		t.Errorf("%+v", w)
	}
	if w = k.post("/cleanup/edit", map[string]any{"changes": map[string]any{"schedule": "2h"}}, 200, op); !w.Entry.Edited {
		t.Errorf("%+v", w)
	}
	if w = k.post("/cleanup/remove", map[string]any{"confirm": "cleanup"}, 200, op); !w.Restored {
		t.Errorf("%+v", w)
	}
	k.post("/nightly/remove", map[string]any{"confirm": "nightl"}, 400, op)
	k.post("/nightly/remove", map[string]any{"confirm": "nightly"}, 200, op)
	k.post("/nightly/remove", map[string]any{"confirm": "nightly"}, 404, op)

	var log struct {
		Acts []struct{ Who, Action, Target, Detail, Outcome string }
	}
	r.send("GET", "/api/v1/audit", nil, ann).into(t, &log)
	var acts []string
	first := ""
	for _, a := range slices.Backward(log.Acts) {
		if a.Outcome == "refused" { // those who may not
			acts = append(acts, a.Who+" refused")
			continue
		}
		acts = append(acts, a.Who+" "+a.Action+" "+a.Target)
		first = cmp.Or(first, a.Detail)
		if strings.Contains(a.Detail, "t-1") {
			t.Errorf("a secret is in the audit log: %+v", a)
		}
	}
	want := []string{"token bob refused", "token bob refused", "token bob refused", "token deploy refused", "token deploy refused", "token carol add schedule nightly", "token carol edit schedule nightly", "token carol edit schedule cleanup", "token carol restore schedule cleanup", "token carol remove schedule nightly"}
	if !slices.Equal(acts, want) || !strings.Contains(first, `"schedule":"0 4 * * mon-fri"`) {
		t.Errorf("%+v", log)
	}
}

// Arguments that are hidden whole stay so, whatever an entry's task is made.
func TestHiddenArgumentsOfAnEntryStayHidden(t *testing.T) {
	t.Parallel()
	r := start(t, monitor.Config{Access: access.Config{Anonymous: access.Owner}, Schedules: newDesk(), Mask: mask.Config{Tasks: []string{"bank.*"}}})
	c := newClerk(t, r)
	c.post("", map[string]any{"name": "pay", "entry": map[string]any{"task": "bank.pay", "schedule": "1h", "args": []any{"DE02"}}}, 200, nil)
	a := r.send("GET", "/api/v1/schedules/pay", nil, nil)
	if strings.Contains(string(a.body), "DE02") || !strings.Contains(string(a.body), `"hidden":true`) {
		t.Errorf("%s", a.body)
	}
	for _, dry := range []bool{true, false} {
		if w := c.post("/pay/edit", map[string]any{"changes": map[string]any{"task": "shop.echo"}, "dry_run": dry}, 400, nil); w.faults() != "args" {
			t.Errorf("%+v", w)
		}
	}
	c.post("/pay/edit", map[string]any{"changes": map[string]any{"task": "shop.echo", "args": []any{"DE03"}}}, 200, nil)
	if a := r.send("GET", "/api/v1/audit", nil, nil); strings.Contains(string(a.body), "DE02") {
		t.Errorf("%s", a.body)
	}
}
