package api

import (
	"errors"
	"net/http"
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

// Logout ends a session. It stands outside of the guard.
func (a *API) Logout() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.Guard.Logout(w, r)
		w.WriteHeader(http.StatusNoContent)
	})
}

// note adds a line to the audit log.
func (a *API) note(r *http.Request, act history.Act) error {
	act.At, act.From = time.Now(), a.Guard.Addr(r)
	if p := access.From(r.Context()); p != nil {
		act.Who = p.Name
	}
	err := a.Store.Note(r.Context(), act)
	if err != nil {
		a.Log.Error("cannot write the audit log", "action", act.Action, "who", act.Who, "error", err)
	}
	return err
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
