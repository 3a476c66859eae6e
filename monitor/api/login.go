package api

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/umbel-go/umbel/monitor/access"
	"github.com/umbel-go/umbel/monitor/history"
)

// Login begins a session. It stands outside of the guard.
func (a *API) Login() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in struct {
			Name     string `json:"name"`
			Password string `json:"password"`
		}
		if !Decode(w, r, &in) {
			return
		}
		status := a.Guard.Login(w, r, in.Name, in.Password)
		if status != 0 {
			if status != http.StatusTooManyRequests { // or whoever guesses would fill the disk
				_ = a.note(r, history.Act{Who: in.Name, Action: "login", Outcome: "refused"})
			}
			Deny(w, r, status)
			return
		}
		_ = a.note(r, history.Act{Who: in.Name, Action: "login", Outcome: "done"})
		w.WriteHeader(http.StatusNoContent)
	})
}

// Ways tells how one can log in. It stands outside of the guard.
func (a *API) Ways() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		reply(w, http.StatusOK, map[string]any{"password": a.Guard.Passwords(), "provider": a.Guard.Provider()})
	})
}

// Depart sends a browser to the login of the provider; prefix is that of the pages. It stands outside of the guard.
func (a *API) Depart(prefix string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := a.Guard.Depart(w, r); err != nil {
			a.Log.Error("cannot begin a login", "error", err)
			a.refuse(w, r, prefix, err)
		}
	})
}

// Arrive takes a browser that comes back from the provider. It stands outside of the guard.
func (a *API) Arrive(prefix string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name, to, err := a.Guard.Arrive(w, r)
		if err != nil {
			a.Log.Warn("a login is refused", "who", name, "error", err)
			if name != "" || !errors.Is(err, access.ErrLogin) { // else whoever calls the address would fill the disk
				_ = a.note(r, history.Act{Who: name, Action: "login", Detail: a.Guard.Provider(), Outcome: "refused: " + err.Error()})
			}
			a.refuse(w, r, prefix, err)
			return
		}
		_ = a.note(r, history.Act{Who: name, Action: "login", Detail: a.Guard.Provider(), Outcome: "done"})
		http.Redirect(w, r, cmp.Or(to, prefix+"/"), http.StatusFound)
	})
}

// refuse shows on the login's page why it did not work.
func (a *API) refuse(w http.ResponseWriter, r *http.Request, prefix string, err error) {
	text := "the login's provider does not answer"
	if errors.Is(err, access.ErrLogin) {
		text = err.Error()
	}
	http.Redirect(w, r, prefix+"/login?refused="+url.QueryEscape(text), http.StatusFound)
}

// Logout ends a session. It stands outside of the guard.
func (a *API) Logout() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.Guard.Logout(w, r)
		w.WriteHeader(http.StatusNoContent)
	})
}

// noteWithin bounds the writing of one line.
const noteWithin = 10 * time.Second

// note adds a line to the audit log. That the client has gone does not keep it from being written: who hangs up at once has acted
// all the same.
func (a *API) note(r *http.Request, act history.Act) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), noteWithin)
	defer cancel()
	act.At, act.From = time.Now(), a.Guard.Addr(r)
	if p := access.From(r.Context()); p != nil {
		act.Who = p.Name
	}
	err := a.Store.Note(ctx, act)
	if err != nil {
		a.Log.Error("cannot write the audit log", "action", act.Action, "who", act.Who, "error", err)
	}
	return err
}

// Forbid is Deny, and notes who has tried what he may not do. Whoever shows nothing is not noted: he would fill the disk.
func (a *API) Forbid(w http.ResponseWriter, r *http.Request, status int) {
	if p := access.From(r.Context()); p != nil && p.Via != "nothing" && status == http.StatusForbidden && r.Method == http.MethodPost {
		_ = a.note(r, history.Act{Action: r.Method, Target: r.URL.Path, Outcome: "refused"})
	}
	Deny(w, r, status)
}

// Note adds a line to the audit log about an action of another face of the monitor.
func (a *API) Note(r *http.Request, act history.Act, err error) {
	act.Outcome = "done"
	if err != nil {
		act.Outcome = "failed: " + err.Error()
	}
	_ = a.note(r, act) // what fails is in the log
}

// Refusal is what a worker said against a command; ok is false for other errors.
func Refusal(err error) (text string, ok bool) {
	var no *refusal
	if errors.As(err, &no) {
		return no.text, true
	}
	return "", false
}
