// Package api is the monitor's public interface over HTTP: JSON under /api/v1, described by openapi.json, and a stream of what
// changes (server-sent events). The pages are drawn from it and from nothing else.
package api

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"log/slog"
	"mime"
	"net/http"
	"strconv"
	"time"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/monitor/access"
	"github.com/umbel-go/umbel/monitor/fleet"
	"github.com/umbel-go/umbel/monitor/history"
	"github.com/umbel-go/umbel/monitor/mask"
)

// Document is the description of this interface, OpenAPI 3.1.
//
//go:embed openapi.json
var Document []byte

// A Config is what the interface shows.
type Config struct {
	Store    *history.Store
	Recorder *history.Recorder
	Fleet    *fleet.Fleet
	Guard    *access.Guard
	App      *umbel.App // for actions
	Mask     *mask.Mask // hides what is shown of arguments; nil: nothing

	// Schedules are what beat sends; nil: nobody knows.
	Schedules Schedules

	Version   string
	ReadOnly  bool
	Anonymous bool // nobody can log in

	// Log defaults to nowhere.
	Log *slog.Logger
}

// An API answers under /api/v1/.
type API struct {
	Config
	hub     *hub
	mux     *http.ServeMux
	errands errands
}

// A route is one operation of the interface.
type route struct {
	Pattern string // method and path
	Scope   access.Scope
	handle  http.HandlerFunc
}

// New makes the interface.
func New(c Config) *API {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	a := &API{Config: c, mux: http.NewServeMux()}
	a.hub = newHub(a)
	for _, r := range a.routes() {
		a.mux.HandleFunc(r.Pattern, access.Need(r.Scope, r.handle, a.Forbid))
	}
	a.mux.HandleFunc("/api/v1/", func(w http.ResponseWriter, r *http.Request) { fail(w, http.StatusNotFound, "there is no such path") })
	return a
}

func (a *API) routes() []route {
	return []route{
		{"GET /api/v1/me", access.Read, a.me},
		{"GET /api/v1/overview", access.Read, a.overview},
		{"GET /api/v1/stream", access.Read, a.hub.serve},
		{"GET /api/v1/workers", access.Read, a.workers},
		{"GET /api/v1/workers/{name}", access.Read, a.worker},
		{"GET /api/v1/workers/{name}/inspect", access.Read, a.inspect},
		{"GET /api/v1/tasks", access.Read, a.tasks},
		{"GET /api/v1/tasks/{id}", access.Read, a.task},
		{"GET /api/v1/tasks/{id}/workflow", access.Read, a.workflow},
		{"GET /api/v1/names", access.Read, a.names},
		{"GET /api/v1/queues", access.Read, a.queues},
		{"GET /api/v1/series", access.Read, a.series},
		{"GET /api/v1/audit", access.Admin, a.audit},
		{"GET /api/v1/openapi.json", access.Read, a.document},
		{"GET /api/v1/tasks/{id}/call", access.Tasks, a.showCall},
		{"POST /api/v1/tasks/{id}/revoke", access.Tasks, a.revoke},
		{"POST /api/v1/tasks/{id}/run", access.Tasks, a.again},
		{"POST /api/v1/workers/{name}/{command}", access.Read, a.tell}, // its scope goes by the command
		{"POST /api/v1/queues/{name}/purge", access.Admin, a.purge},
		{"POST /api/v1/queues/{name}/pause", access.Workers, a.pause},
		{"POST /api/v1/queues/{name}/resume", access.Workers, a.resume},
		{"GET /api/v1/queues/{name}/messages", access.Tasks, a.peek},
		{"POST /api/v1/queues/{name}/dead/replay", access.Tasks, a.replay},
		{"POST /api/v1/queues/{name}/dead/edit", access.Tasks, a.editLetter},
		{"POST /api/v1/queues/{name}/dead/drop", access.Admin, a.drop},
		{"GET /api/v1/errands", access.Read, a.listErrands},
		{"POST /api/v1/errands/{id}/stop", access.Tasks, a.stopErrand},
		{"GET /api/v1/workflows", access.Read, a.workflows},
		{"GET /api/v1/broker", access.Read, a.brokerage},
		{"GET /api/v1/schedules", access.Read, a.schedules},
		{"POST /api/v1/schedules", access.Workers, a.addEntry}, // and tasks
		{"GET /api/v1/schedules/{name}", access.Read, a.showEntry},
		{"POST /api/v1/schedules/{name}/edit", access.Workers, a.editEntry}, // and tasks
		{"POST /api/v1/schedules/{name}/remove", access.Workers, a.removeEntry},
		{"POST /api/v1/schedules/{name}/pause", access.Workers, a.entry("pause schedule", "paused", a.pauseEntry)},
		{"POST /api/v1/schedules/{name}/resume", access.Workers, a.entry("resume schedule", "resumed", a.resumeEntry)},
		{"POST /api/v1/schedules/{name}/run", access.Tasks, a.entry("run schedule", "sent", a.runEntry)},
	}
}

// Routes are the methods and paths of the interface.
func Routes() []string {
	var out []string
	for _, r := range (&API{hub: &hub{}}).routes() {
		out = append(out, r.Pattern)
	}
	return out
}

// ServeHTTP answers requests that a Guard has let in.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.mux.ServeHTTP(w, r) }

// Run feeds the streams until ctx ends, and ends what goes on for somebody.
func (a *API) Run(ctx context.Context) error {
	defer a.errands.end()
	return a.hub.run(ctx)
}

// Changed tells the streams of tasks that were written.
func (a *API) Changed(list []*history.Task) { a.hub.changed(list) }

// A problem is how every error is told.
type problem struct {
	Error string `json:"error"`
}

func fail(w http.ResponseWriter, status int, text string) { reply(w, status, problem{text}) }

func reply(w http.ResponseWriter, status int, v any) {
	text, err := json.Marshal(v)
	if err != nil {
		status, text = http.StatusInternalServerError, []byte(`{"error":"the answer cannot be written as JSON"}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(text, '\n'))
}

// Deny answers a request that is not let in.
func Deny(w http.ResponseWriter, r *http.Request, status int) {
	text := "you may not do this"
	switch status {
	case http.StatusUnauthorized:
		text = "say who you are: log in, or send a token or a password"
		if r.Header.Get("Sec-Fetch-Mode") == "" { // no browser's script: one would open a dialog
			w.Header().Set("WWW-Authenticate", `Basic realm="umbel monitor", charset="UTF-8"`)
		}
	case http.StatusTooManyRequests:
		text = "too many wrong passwords: wait a few minutes"
	}
	fail(w, status, text)
}

// broken answers an error that is not the caller's fault.
func (a *API) broken(w http.ResponseWriter, r *http.Request, err error) {
	switch {
	case errors.Is(err, history.ErrNotFound):
		fail(w, http.StatusNotFound, err.Error())
	case errors.Is(err, history.ErrQuery):
		fail(w, http.StatusBadRequest, err.Error())
	case r.Context().Err() != nil: // nobody reads the answer
	default:
		a.Log.Error("cannot answer", "path", r.URL.Path, "error", err)
		fail(w, http.StatusInternalServerError, "the history cannot be read: see the monitor's log")
	}
}

// Decode reads a JSON body strictly.
func Decode(w http.ResponseWriter, r *http.Request, into any) bool { return decode(w, r, into, false) }

// DecodeExact is Decode that keeps the digits of numbers in values of any kind.
func DecodeExact(w http.ResponseWriter, r *http.Request, into any) bool {
	return decode(w, r, into, true)
}

func decode(w http.ResponseWriter, r *http.Request, into any, digits bool) bool {
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind != "application/json" {
		fail(w, http.StatusUnsupportedMediaType, "want Content-Type: application/json")
		return false
	}
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	if digits {
		d.UseNumber()
	}
	if err := d.Decode(into); err != nil {
		var large *http.MaxBytesError
		if errors.As(err, &large) {
			fail(w, http.StatusRequestEntityTooLarge, "the body is larger than 1 MiB")
			return false
		}
		fail(w, http.StatusBadRequest, "the body is not the JSON object that is wanted: "+err.Error())
		return false
	}
	return true
}

// number reads a whole number from the query.
func number(r *http.Request, name string, least, most, otherwise int64) (int64, error) {
	text := r.URL.Query().Get(name)
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < least || n > most {
		return 0, errors.New(name + " is no whole number from " + strconv.FormatInt(least, 10) + " to " + strconv.FormatInt(most, 10))
	}
	return n, nil
}

// moment reads a time from the query: RFC 3339, or Unix seconds.
func moment(r *http.Request, name string, otherwise time.Time) (time.Time, error) {
	text := r.URL.Query().Get(name)
	if text == "" {
		return otherwise, nil
	}
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t, nil
	}
	if s, err := strconv.ParseFloat(text, 64); err == nil && s >= 0 && s < 1e11 {
		return time.UnixMicro(int64(s * 1e6)), nil
	}
	return time.Time{}, errors.New(name + " is no time: want one like 2026-05-04T12:00:00Z, or Unix seconds")
}

func (a *API) document(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(Document)
}

func (a *API) me(w http.ResponseWriter, r *http.Request) {
	p := access.From(r.Context())
	reply(w, http.StatusOK, map[string]any{"name": p.Name, "scopes": p.Scopes, "via": p.Via, "read_only": a.ReadOnly, "login": !a.Anonymous,
		"version": a.Version})
}
