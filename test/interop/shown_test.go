package interop

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/internal/testenv"
	"github.com/umbel-go/umbel/worker"
)

// A side is a worker that is shown each scene, on a queue of its own: Python's prefork pool, or ours of goroutines or of
// processes.
type side struct{ name, queue, node string }

var (
	pythonSide = side{"python", "shown.py", "shown.py@py"}
	ourSides   = []side{{"goroutine", "shown.go", "shown.go@go"}, {"process", "shown.proc", "shown.proc@go"}}
)

// TestEachStateIsShownAsPythonShowsIt plays every scene on Python's worker and on both of ours, and compares what is shown of
// it member by member: the document in Redis, what Python's AsyncResult makes of it, the events. What differs stands in
// differences, with its reason; a difference that is not there fails, and so does an entry that explains nothing any more.
func TestEachStateIsShownAsPythonShowsIt(t *testing.T) {
	w := newWorld(t, map[string]any{"result_extended": true, "worker_lost_wait": 1})
	app := w.newApp(t, func(c *umbel.Config) { c.WorkerSendTaskEvents = true })
	registerStateTasks(app)
	w.client.run(t, nil, pythonListens)
	w.startWorker(t, pythonSide.queue, nil, "-P", "prefork", "-c", "4", "-E")
	for _, s := range ourSides {
		c := worker.Config{Queues: []string{s.queue}, Nodename: s.node, Pool: s.name, Concurrency: 4}
		if s.name == "process" {
			c.ChildCommand = w.childOf(s)
		}
		startGo(t, app, c)
	}

	p := &play{t: t, world: w, folder: t.TempDir(), ids: make(map[scene]string), seen: make(map[string]map[string]string)}
	for _, s := range append([]side{pythonSide}, ourSides...) {
		for _, name := range sceneNames {
			if !scenes[name].playedBy(s) {
				continue
			}
			p.begin(scene{name, s})
		}
	}
	for sc := range p.ids {
		p.await(sc)
	}
	for _, s := range append([]side{pythonSide}, ourSides...) { // whatever was told before this is heard now
		p.fence(s)
	}
	used := make(map[int]bool)
	for _, name := range sceneNames {
		t.Run(name, func(t *testing.T) {
			python := p.shown(scene{name, pythonSide})
			for _, s := range ourSides {
				if scenes[name].playedBy(s) {
					compareShown(t, name, s, python, p.shown(scene{name, s}), used)
				}
			}
		})
	}
	manual, err := os.ReadFile("../../docs/celery.md")
	if err != nil {
		t.Fatal(err)
	}
	said := strings.Join(strings.Fields(string(manual)), " ")
	for i, d := range differences {
		if !used[i] && !d.sometimes {
			t.Errorf("differences explains what does not differ: %+v", d)
		}
		if !strings.Contains(said, d.because) {
			t.Errorf("docs/celery.md does not say: %s", d.because)
		}
	}
}

// childOf is the command of a child of our pool of processes.
func (w *world) childOf(s side) func() *exec.Cmd {
	return func() *exec.Cmd {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "INTEROP_ROLE=worker", "INTEROP_SETTINGS="+w.settings, "INTEROP_QUEUE="+s.queue, "INTEROP_NODE="+s.node)
		return cmd
	}
}

// A scene is one way to end, or a state on the way, on one side.
type scene struct {
	name string
	side side
}

// A play is all scenes on all sides.
type play struct {
	t      *testing.T
	world  *world
	folder string // where words to tasks are left
	ids    map[scene]string
	seen   map[string]map[string]string // by id: what was shown while it went on
}

// begin sends a scene's task and goes through what is to happen to it.
func (p *play) begin(sc scene) {
	id := uuid.NewString()
	p.ids[sc], p.seen[id] = id, make(map[string]string)
	do := scenes[sc.name]
	if do.before != nil {
		do.before(p, sc, id)
	}
	p.world.client.run(p.t, nil, "app.send_task("+do.send+", queue=given[0], task_id=given[1])", sc.side.queue, id, p.folder)
	if do.during != nil {
		do.during(p, sc, id)
	}
}

// look keeps what is shown now.
func (p *play) look(sc scene, id, when string) {
	maps.Copy(p.seen[id], p.picture(sc, id, when+": "))
}

// awaitState waits until Python's client sees a state.
func (p *play) awaitState(id, state string) {
	p.t.Helper()
	testenv.Await(p.t, "state "+state, func() bool { return p.state(id) == state }, func() string { return p.state(id) })
}

func (p *play) state(id string) string {
	return value[string](p.t, p.world.client, "AsyncResult(given[0]).state", id)
}

// goOn is the word to a task that it may.
func (p *play) goOn(id string) {
	if err := os.WriteFile(filepath.Join(p.folder, id), nil, 0o600); err != nil {
		p.t.Fatal(err)
	}
}

// told are the events of a task, in order.
func (p *play) told(id string) []map[string]any {
	return value[[]map[string]any](p.t, p.world.client, `[e for e in heard if e.get("uuid") == given[0]]`, id)
}

// await waits until a scene is over.
func (p *play) await(sc scene) {
	p.t.Helper()
	id, last := p.ids[sc], cmp.Or(scenes[sc.name].last, "task-succeeded")
	testenv.Await(p.t, fmt.Sprintf("%s of %q on %s", last, sc.name, sc.side.name), func() bool {
		return slices.ContainsFunc(p.told(id), func(e map[string]any) bool { return e["type"] == last })
	}, func() string { return fmt.Sprint(p.state(id), p.told(id)) })
}

// fence waits for a task that was sent after all others: the worker tells of it last.
func (p *play) fence(s side) {
	for range 4 { // one for each slot
		id := uuid.NewString()
		p.world.client.run(p.t, nil, `get(app.send_task("state.ok", (1,), queue=given[0], task_id=given[1]))`, s.queue, id)
		testenv.Await(p.t, "the event of the last task", func() bool {
			return slices.ContainsFunc(p.told(id), func(e map[string]any) bool { return e["type"] == "task-succeeded" })
		}, nil)
	}
}

// shown is all that was shown of a scene, by the path of each member.
func (p *play) shown(sc scene) map[string]string {
	id := p.ids[sc]
	all := p.picture(sc, id, "")
	maps.Copy(all, p.seen[id])
	var types []string
	count := make(map[string]int)
	for _, e := range p.told(id) {
		typ := e["type"].(string)
		types = append(types, typ)
		if count[typ]++; count[typ] > 1 {
			typ = fmt.Sprint(typ, " ", count[typ])
		}
		for _, own := range []string{"clock", "timestamp", "utcoffset", "pid", "local_received", "type"} {
			delete(e, own)
		}
		p.flatten(all, sc, typ, e)
	}
	all["events"] = strings.Join(types, ", ")
	return all
}

// picture is what a client is shown now.
func (p *play) picture(sc scene, id, prefix string) map[string]string {
	all := make(map[string]string)
	p.flatten(all, sc, prefix+"client", value[map[string]any](p.t, p.world.client, "shown(given[0])", id))
	return all
}

// flatten writes each leaf under its path, without what differs by nature: ids, names of workers and queues, times.
func (p *play) flatten(into map[string]string, sc scene, path string, v any) {
	switch v := v.(type) {
	case map[string]any:
		for k, member := range v {
			p.flatten(into, sc, path+"."+k, member)
		}
	case string:
		into[path] = p.neutral(sc, path, v)
	default:
		text, err := json.Marshal(v)
		if err != nil {
			p.t.Fatal(err)
		}
		into[path] = p.neutral(sc, path, string(text))
	}
}

var (
	digits   = regexp.MustCompile(`[0-9]+`)
	jobs     = regexp.MustCompile(`Job: \d+`)
	isoTimes = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?`)
)

func (p *play) neutral(sc scene, path, text string) string {
	text = strings.NewReplacer(p.ids[sc], "ID", sc.side.node, "NODE", sc.side.queue, "QUEUE", p.folder, "FOLDER").Replace(text)
	switch last := path[strings.LastIndexByte(path, '.')+1:]; {
	case last == "traceback" && text != "null":
		lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
		return jobs.ReplaceAllString(lines[0]+" … "+lines[len(lines)-1], "Job: N")
	case last == "date_done" || strings.Contains(path, ".date_done."):
		return digits.ReplaceAllString(text, "9")
	case last == "runtime":
		if _, err := strconv.ParseFloat(text, 64); err == nil {
			return "a number"
		}
	case last == "pid", strings.Contains(text, "'pid': "):
		return digits.ReplaceAllString(text, "9")
	}
	return jobs.ReplaceAllString(isoTimes.ReplaceAllString(text, "TIME"), "Job: N") // children count their tasks
}

// compareShown compares what a side shows of a scene with what Python shows.
func compareShown(t *testing.T, name string, s side, python, ours map[string]string, used map[int]bool) {
	t.Helper()
	all := maps.Clone(python)
	maps.Copy(all, ours)
	for _, path := range slices.Sorted(maps.Keys(all)) {
		a, pythons := python[path]
		b, isOurs := ours[path]
		if pythons == isOurs && a == b {
			continue
		}
		if i := slices.IndexFunc(differences, func(d difference) bool { return d.covers(name, path) }); i >= 0 {
			used[i] = true
			continue
		}
		t.Errorf("%s, %s:\n  Python %s\n  ours   %s", s.name, path, orNothing(a, pythons), orNothing(b, isOurs))
	}
}

func orNothing(text string, is bool) string {
	if !is {
		return "(nothing)"
	}
	return text
}
