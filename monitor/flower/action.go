package flower

import (
	"fmt"
	"net/http"
	"strconv"

	"github.com/umbel-go/umbel/monitor/api"
	"github.com/umbel-go/umbel/monitor/history"
)

// command tells the worker of the path something and writes it down. done is Flower's answer; refused has room for what the
// worker said.
func (f *Flower) command(w http.ResponseWriter, r *http.Request, worker, method string, args map[string]any, done func(said string) string,
	refused func(why string) string) {
	if !f.known(worker) {
		fail(w, http.StatusNotFound, fmt.Sprintf("Unknown worker '%s'", worker))
		return
	}
	said, err := f.Command(r.Context(), worker, method, args)
	f.Note(r, history.Act{Action: method, Target: worker, Detail: fmt.Sprint(args)}, err)
	if err != nil {
		why, ok := api.Refusal(err)
		if !ok {
			why = err.Error()
		}
		if name, is := args["task_name"]; is && why == "unknown task" {
			fail(w, http.StatusNotFound, fmt.Sprintf("Unknown task '%s'", name))
			return
		}
		fail(w, http.StatusForbidden, refused(why))
		return
	}
	reply(w, map[string]string{"message": done(said)})
}

func (f *Flower) known(worker string) bool {
	for _, x := range f.Fleet.Workers() {
		if x.Hostname == worker {
			return true
		}
	}
	return false
}

func (f *Flower) pool(method, done, refused string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		n, err := strconv.Atoi(r.FormValue("n"))
		if r.FormValue("n") == "" {
			n, err = 1, nil
		}
		if err != nil {
			fail(w, http.StatusBadRequest, "")
			return
		}
		worker := r.PathValue("worker")
		f.command(w, r, worker, method, map[string]any{"n": n}, func(string) string { return fmt.Sprintf(done, worker, n) },
			func(why string) string { return fmt.Sprintf(refused, worker, why) })
	}
}

func (f *Flower) restart(w http.ResponseWriter, r *http.Request) {
	worker := r.PathValue("worker")
	f.command(w, r, worker, "pool_restart", nil, func(string) string { return fmt.Sprintf("Restarting '%s' worker's pool", worker) },
		func(why string) string { return fmt.Sprintf("Failed to restart the '%s' pool: %s", worker, why) })
}

func (f *Flower) autoscale(w http.ResponseWriter, r *http.Request) {
	least, err := strconv.Atoi(r.FormValue("min"))
	most, err2 := strconv.Atoi(r.FormValue("max"))
	if err != nil || err2 != nil {
		fail(w, http.StatusBadRequest, "")
		return
	}
	worker := r.PathValue("worker")
	f.command(w, r, worker, "autoscale", map[string]any{"min": least, "max": most},
		func(string) string {
			return fmt.Sprintf("Autoscaling '%s' worker (min=%d, max=%d)", worker, least, most)
		},
		func(why string) string { return fmt.Sprintf("Failed to autoscale '%s' worker: %s", worker, why) })
}

func (f *Flower) consumer(method, refused string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		queue, worker := r.FormValue("queue"), r.PathValue("worker")
		if queue == "" {
			fail(w, http.StatusBadRequest, "")
			return
		}
		f.command(w, r, worker, method, map[string]any{"queue": queue}, func(said string) string { return said },
			func(why string) string { return fmt.Sprintf(refused, queue, worker, why) })
	}
}

func (f *Flower) shutdown(w http.ResponseWriter, r *http.Request) {
	f.command(w, r, r.PathValue("worker"), "shutdown", nil, func(string) string { return "Shutting down!" }, func(why string) string { return why })
}

func (f *Flower) rateLimit(w http.ResponseWriter, r *http.Request) {
	name, rate := r.PathValue("name"), r.FormValue("ratelimit")
	f.command(w, r, r.FormValue("workername"), "rate_limit", map[string]any{"task_name": name, "rate_limit": rate},
		func(said string) string { return said }, func(why string) string { return fmt.Sprintf("Failed to set rate limit: '%s'", why) })
}

func (f *Flower) timeout(w http.ResponseWriter, r *http.Request) {
	args := map[string]any{"task_name": r.PathValue("name")}
	for name, form := range map[string]string{"soft": "soft", "hard": "hard"} {
		if s := r.FormValue(form); s != "" {
			n, err := strconv.ParseFloat(s, 64)
			if err != nil {
				fail(w, http.StatusBadRequest, "")
				return
			}
			args[name] = n
		}
	}
	f.command(w, r, r.FormValue("workername"), "time_limit", args, func(said string) string { return said },
		func(why string) string { return fmt.Sprintf("Failed to set timeouts: '%s'", why) })
}

func (f *Flower) revoke(w http.ResponseWriter, r *http.Request) {
	id, terminate := r.PathValue("id"), r.FormValue("terminate")
	end := terminate == "1" || terminate == "true" || terminate == "True"
	err := f.Revoke(r.Context(), id, end, r.FormValue("signal"))
	f.Note(r, history.Act{Action: "revoke", Target: id, Detail: fmt.Sprintf("terminate: %t", end)}, err)
	if err != nil {
		fail(w, http.StatusInternalServerError, "")
		return
	}
	reply(w, map[string]string{"message": fmt.Sprintf("Revoked '%s'", id)})
}
