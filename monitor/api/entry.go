package api

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"reflect"
	"strings"
	"time"
	"unicode"

	"github.com/umbel-go/umbel/monitor/access"
	"github.com/umbel-go/umbel/monitor/history"
)

// An Entry is a schedule with all its keys, as the setting beat_schedule has them; what is default is left out.
type Entry struct {
	Schedule
	Keys map[string]any
	Due  []time.Time // the next due times, by the entry's clocks
	Zone string      // of those clocks
}

// DueTimes is how many due times of an entry are told.
const DueTimes = 5

// A Fault is what is wrong with one key of an entry.
type Fault struct {
	Field string `json:"field"` // an option's has "options." before it
	Error string `json:"error"`
}

// An EntryError is all that is wrong with an entry.
type EntryError struct{ Faults []Fault }

func (e *EntryError) Error() string {
	all := make([]string, len(e.Faults))
	for i, f := range e.Faults {
		all[i] = f.Field + ": " + f.Error
		if strings.HasPrefix(f.Error, "is ") { // not known
			all[i] = f.Field + " " + f.Error
		}
	}
	return strings.Join(all, "; ")
}

func faultOf(field, text string) *EntryError { return &EntryError{[]Fault{{field, text}}} }

const (
	nameMost   = 200 // bytes of an entry's name
	detailMost = 500 // and of what the audit log keeps of a change
)

// checkName refuses what no page and no path could name.
func checkName(name string) error {
	switch {
	case strings.TrimSpace(name) == "":
		return faultOf("name", "an entry has a name")
	case len(name) > nameMost:
		return faultOf("name", "it is longer than 200 bytes")
	case name == "." || name == ".." || name != strings.TrimSpace(name) || strings.ContainsFunc(name, unicode.IsControl):
		return faultOf("name", "want letters, digits and signs, without blanks around them")
	}
	return nil
}

// scheduled answers where nobody knows a schedule.
func (a *API) scheduled(w http.ResponseWriter) bool {
	if a.Schedules == nil {
		fail(w, http.StatusNotImplemented, "this monitor knows no schedule")
	}
	return a.Schedules != nil
}

// faulty answers errors that are the caller's.
func (a *API) faulty(w http.ResponseWriter, err error) bool {
	var e *EntryError
	switch {
	case errors.As(err, &e):
		reply(w, http.StatusBadRequest, map[string]any{"error": e.Error(), "fields": e.Faults})
	case errors.Is(err, ErrNoSchedule):
		fail(w, http.StatusNotFound, err.Error())
	case errors.Is(err, ErrScheduleExists):
		reply(w, http.StatusConflict, map[string]any{"error": err.Error(), "fields": []Fault{{"name", err.Error()}}})
	case errors.Is(err, ErrScheduleKept):
		fail(w, http.StatusConflict, err.Error())
	default:
		return false
	}
	return true
}

// version tells one state of an entry from the next.
func (e *Entry) version() string {
	text, _ := json.Marshal(e.Keys) // of plain values
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}

// conceal is an entry's keys as people may see them.
func (a *API) conceal(keys map[string]any) (shown map[string]any, hidden bool) {
	shown = maps.Clone(keys)
	if a.Mask == nil {
		return shown, false
	}
	task, _ := keys["task"].(string)
	for _, k := range []string{"args", "kwargs", "options"} {
		switch v := keys[k]; {
		case v == nil:
		case k != "options" && a.Mask.Hides(task):
			delete(shown, k)
		default:
			shown[k] = a.Mask.Value(v)
		}
	}
	return shown, !reflect.DeepEqual(shown, keys)
}

// An entryAnswer is an entry as it is told.
type entryAnswer struct {
	schedule
	Entry   map[string]any `json:"entry"`
	Hidden  bool           `json:"hidden"` // values are shown as ***, or arguments not at all, and stay what they are unless they are changed
	Version string         `json:"version"`
	Due     []string       `json:"due"` // RFC 3339, by the entry's clocks
	Zone    string         `json:"zone"`
}

func (a *API) tellEntry(e *Entry) entryAnswer {
	out := entryAnswer{schedule: describe(&e.Schedule), Version: e.version(), Due: []string{}, Zone: e.Zone}
	out.Entry, out.Hidden = a.conceal(e.Keys)
	for _, t := range e.Due {
		out.Due = append(out.Due, t.Format(time.RFC3339))
	}
	return out
}

func (a *API) showEntry(w http.ResponseWriter, r *http.Request) {
	if !a.scheduled(w) {
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), actWithin)
	defer cancel()
	e, err := a.Schedules.Entry(ctx, r.PathValue("name"))
	switch {
	case a.faulty(w, err):
	case err != nil:
		fail(w, http.StatusBadGateway, "the schedule cannot be read: "+err.Error())
	default:
		reply(w, http.StatusOK, a.tellEntry(e))
	}
}

// mayWrite: who writes an entry has its task sent, and so needs the scope to send tasks beside that of the route.
func (a *API) mayWrite(w http.ResponseWriter, r *http.Request) bool {
	if !access.From(r.Context()).May(access.Tasks) {
		a.Forbid(w, r, http.StatusForbidden)
		return false
	}
	return a.scheduled(w)
}

func (a *API) addEntry(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Name  string         `json:"name"`
		Entry map[string]any `json:"entry"`
		Dry   bool           `json:"dry_run"`
	}
	if !a.mayWrite(w, r) || !DecodeExact(w, r, &in) {
		return
	}
	if err := checkName(in.Name); err != nil && !in.Dry {
		a.faulty(w, err)
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), actWithin)
	defer cancel()
	e, err := a.Schedules.Add(ctx, in.Name, in.Entry, in.Dry)
	if err != nil && in.Dry {
		err = alsoName(in.Name, err)
	} else if in.Dry {
		err = checkName(in.Name)
	}
	a.wrote(w, r, "add schedule", "added ", in.Name, e, in.Entry, in.Dry, err)
}

// alsoName tells what is wrong with a name beside what is wrong with the keys.
func alsoName(name string, err error) error {
	var keys, own *EntryError
	if errors.As(err, &keys) && errors.As(checkName(name), &own) {
		faults := own.Faults
		for _, f := range keys.Faults {
			if f.Field != "name" {
				faults = append(faults, f)
			}
		}
		return &EntryError{faults}
	}
	return err
}

func (a *API) editEntry(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Changes map[string]any `json:"changes"`
		Version string         `json:"version"`
		Dry     bool           `json:"dry_run"`
	}
	if !a.mayWrite(w, r) || !DecodeExact(w, r, &in) {
		return
	}
	if len(in.Changes) == 0 && !in.Dry {
		fail(w, http.StatusBadRequest, "nothing to change was given")
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), actWithin)
	defer cancel()
	name := r.PathValue("name")
	now, err := a.Schedules.Entry(ctx, name)
	if err != nil {
		a.wrote(w, r, "edit schedule", "", name, nil, in.Changes, in.Dry, err)
		return
	}
	if in.Version != "" && in.Version != now.version() {
		fail(w, http.StatusConflict, name+" was changed by somebody else meanwhile: look at it again")
		return
	}
	shown, _ := a.conceal(now.Keys)
	for _, k := range []string{"args", "kwargs", "options"} {
		if v := in.Changes[k]; v != nil {
			in.Changes[k] = restore(v, shown[k], now.Keys[k])
		}
	}
	told := maps.Clone(in.Changes)
	if told["task"] == nil {
		told["task"] = now.Keys["task"] // the mask goes by it
	}
	if err := a.unmasks(now.Keys, in.Changes); err != nil {
		a.faulty(w, err)
		return
	}
	e, err := a.Schedules.Edit(ctx, name, in.Changes, in.Dry)
	a.wrote(w, r, "edit schedule", "changed ", name, e, told, in.Dry, err)
}

// unmasks refuses to show the arguments of a task that are hidden by making them another's.
func (a *API) unmasks(now, changes map[string]any) error {
	from, _ := now["task"].(string)
	to, ok := changes["task"].(string)
	if a.Mask == nil || !ok || !a.Mask.Hides(from) || a.Mask.Hides(to) {
		return nil
	}
	for _, k := range []string{"args", "kwargs"} {
		if _, given := changes[k]; now[k] != nil && !given {
			return faultOf(k, "those of "+from+" are hidden: for another task give them anew")
		}
	}
	return nil
}

// wrote answers who wrote an entry, or would have.
func (a *API) wrote(w http.ResponseWriter, r *http.Request, action, past, name string, e *Entry, keys map[string]any, dry bool, err error) {
	switch {
	case a.faulty(w, err):
	case err == nil && dry:
		reply(w, http.StatusOK, map[string]any{"message": "nothing was written", "entry": a.tellEntry(e)})
	default:
		var answer any
		if err == nil {
			answer = map[string]any{"message": past + name, "entry": a.tellEntry(e)}
		}
		a.finish(w, r, history.Act{Action: action, Target: name, Detail: a.told(keys)}, err, answer)
	}
}

// told is what the audit log keeps of keys.
func (a *API) told(keys map[string]any) string {
	shown, _ := a.conceal(keys)
	text, err := json.Marshal(shown)
	if err != nil {
		return ""
	}
	if len(text) > detailMost {
		return strings.ToValidUTF8(string(text[:detailMost]), "") + "…"
	}
	return string(text)
}

// removeEntry removes an entry, or takes back what was changed of it. Its name is typed once more.
func (a *API) removeEntry(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Confirm string `json:"confirm"`
	}
	if !a.scheduled(w) || !Decode(w, r, &in) {
		return
	}
	name := r.PathValue("name")
	if in.Confirm != name {
		fail(w, http.StatusBadRequest, "confirm is not the name of the entry")
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), actWithin)
	defer cancel()
	restored, err := a.Schedules.Remove(ctx, name)
	if a.faulty(w, err) {
		return
	}
	act, text := history.Act{Action: "remove schedule", Target: name}, "removed "+name
	if restored {
		act.Action, text = "restore schedule", name+" is as settings and file say again"
	}
	a.finish(w, r, act, err, map[string]any{"message": text, "restored": restored})
}
