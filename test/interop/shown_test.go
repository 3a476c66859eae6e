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
	t.Parallel()
	p := newPlay(t, newWorld(t, map[string]any{"result_extended": true, "worker_lost_wait": 1}), ourSides)
	p.run(t, sceneNames, differences)
}

// checkManual sees to it that the manual gives the same reasons, and that each explains something.
func checkManual(t *testing.T, known []difference, used map[int]bool) {
	manual, err := os.ReadFile("../../docs/celery.md")
	if err != nil {
		t.Fatal(err)
	}
	said := strings.Join(strings.Fields(string(manual)), " ")
	for i, d := range known {
		if !used[i] && !d.sometimes {
			t.Errorf("this explains what does not differ: %+v", d)
		}
		if !strings.Contains(said, d.because) {
			t.Errorf("docs/celery.md does not say: %s", d.because)
		}
	}
}

// TestRepliesOfEachStateAreAsPythons is the same for rpc://: every reply, with its properties.
func TestRepliesOfEachStateAreAsPythons(t *testing.T) {
	t.Parallel()
	p := newPlay(t, newWorld(t, map[string]any{"result_backend": "rpc://"}), ourSides[:1])
	p.replies = "replies.to.the.test"
	p.world.client.run(t, nil, pythonTakesReplies, p.replies)
	p.run(t, []string{"SUCCESS", "SUCCESS, result ignored by the message", "FAILURE", "FAILURE, not registered",
		"FAILURE, of retries without a cause", "FAILURE, soft time limit", "FAILURE, hard time limit", "REVOKED, expired", "REVOKED, before it came",
		"REVOKED, terminated", "RETRY, between the attempts", "STARTED", "PROGRESS"}, replyDifferences)
}

// newPlay starts a worker of each side, which tell of their tasks.
func newPlay(t *testing.T, w *world, ours []side) *play {
	app := w.newApp(t, func(c *umbel.Config) { c.WorkerSendTaskEvents = true })
	registerStateTasks(app)
	w.client.run(t, nil, pythonListens)
	w.startWorker(t, pythonSide.queue, nil, "-P", "prefork", "-c", "4", "-E")
	for _, s := range ours {
		c := worker.Config{Queues: []string{s.queue}, Nodename: s.node, Pool: s.name, Concurrency: 4}
		if s.name == "process" {
			c.ChildCommand = w.childOf(s)
		}
		startGo(t, app, c)
	}
	return &play{t: t, world: w, ours: ours, folder: t.TempDir(), ids: make(map[scene]string), seen: make(map[string]map[string]string)}
}

// run plays scenes on Python's side and on ours, and compares.
func (p *play) run(t *testing.T, names []string, known []difference) {
	used := make(map[int]bool)
	sides := append([]side{pythonSide}, p.ours...)
	for _, s := range sides {
		for _, name := range names {
			if scenes[name].playedBy(s) {
				p.begin(scene{name, s})
			}
		}
	}
	for sc := range p.ids {
		p.await(sc)
	}
	for _, s := range sides { // whatever was told before this is heard now
		p.fence(s)
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			python := p.shown(scene{name, pythonSide})
			for _, s := range p.ours {
				if scenes[name].playedBy(s) {
					compareShown(t, scene{name, s}, python, p.shown(scene{name, s}), known, used)
				}
			}
		})
	}
	checkManual(t, known, used)
}

// childOf is the command of a child of our pool of processes.
func (w *world) childOf(s side) func() *exec.Cmd {
	return func() *exec.Cmd {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "INTEROP_ROLE=worker", "INTEROP_SETTINGS="+w.settings, "INTEROP_QUEUE="+s.queue, "INTEROP_NODE="+s.node)
		return cmd
	}
}

// pythonTakesReplies makes Python's client take in what comes to a queue of replies.
const pythonTakesReplies = `
import kombu.simple
inbox = app.connection_for_read()
kombu.Queue(given[0], channel=inbox.default_channel, durable=False, auto_delete=False).declare()
came, box = [], kombu.simple.SimpleQueue(inbox.default_channel, kombu.Queue(given[0], durable=False), no_ack=True)
def replies(id):
    while True:
        try:
            m = box.get_nowait()
        except box.Empty:
            break
        properties = {k: v for k, v in m.properties.items() if k in ("delivery_mode", "priority", "expiration", "reply_to")}
        body = m.decode()
        came.append({"body": body, "members": list(body), "content_type": m.content_type, "content_encoding": m.content_encoding,
                     "headers": m.headers, "correlation_id": m.properties.get("correlation_id"), **properties})
    return [r for r in came if r["correlation_id"] == id]
`

// A scene is one way to end, or a state on the way, on one side.
type scene struct {
	name string
	side side
}

// A play is all scenes on all sides.
type play struct {
	t       *testing.T
	world   *world
	ours    []side
	folder  string // where words to tasks are left
	replies string // queue of replies; "" where results are stored
	ids     map[scene]string
	seen    map[string]map[string]string // by id: what was shown while it went on
}

// begin sends a scene's task and goes through what is to happen to it.
func (p *play) begin(sc scene) {
	id := uuid.NewString()
	p.ids[sc], p.seen[id] = id, make(map[string]string)
	do := scenes[sc.name]
	if do.before != nil {
		do.before(p, sc, id)
	}
	p.send(do.send, sc.side, id)
	if do.during != nil {
		do.during(p, sc, id)
	}
}

// send sends a task; its replies, if any, go where they are looked for.
func (p *play) send(what string, s side, id string) {
	if p.replies != "" {
		what += fmt.Sprintf(", reply_to=%q", p.replies)
	}
	p.world.client.run(p.t, nil, "app.send_task("+what+", queue=given[0], task_id=given[1])", s.queue, id, p.folder)
}

// look keeps what is shown now.
func (p *play) look(sc scene, id, when string) {
	if p.replies != "" {
		return // each reply is there at the end
	}
	maps.Copy(p.seen[id], p.picture(sc, id, when+": "))
}

// awaitState waits until Python's client sees a state.
func (p *play) awaitState(id, state string) {
	p.t.Helper()
	testenv.Await(p.t, "state "+state, func() bool { return p.state(id) == state }, func() string { return p.state(id) })
}

func (p *play) state(id string) string {
	if p.replies != "" {
		return value[string](p.t, p.world.client, `([None] + [r["body"]["status"] for r in replies(given[0])])[-1] or "PENDING"`, id)
	}
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
		p.send(`"state.ok", (1,)`, s, id)
		testenv.Await(p.t, "the event of the last task", func() bool {
			return slices.ContainsFunc(p.told(id), func(e map[string]any) bool { return e["type"] == "task-succeeded" })
		}, nil)
	}
}

// shown is all that was shown of a scene, by the path of each member.
func (p *play) shown(sc scene) map[string]string {
	id := p.ids[sc]
	var all map[string]string
	if p.replies != "" {
		all = p.answers(sc, id)
	} else {
		all = p.picture(sc, id, "")
	}
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

// answers are the replies that have come.
func (p *play) answers(sc scene, id string) map[string]string {
	all, list := make(map[string]string), value[[]map[string]any](p.t, p.world.client, "replies(given[0])", id)
	for i, r := range list {
		prefix := ""
		if i < len(list)-1 {
			prefix = fmt.Sprintf("reply %d: ", i)
		}
		body, members := r["body"], r["members"]
		delete(r, "body")
		delete(r, "members")
		p.flatten(all, sc, prefix+"client", map[string]any{"document": body, "members": members, "properties": r})
	}
	all["replies"] = fmt.Sprint(len(list))
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
func compareShown(t *testing.T, sc scene, python, ours map[string]string, known []difference, used map[int]bool) {
	t.Helper()
	all := maps.Clone(python)
	maps.Copy(all, ours)
	for _, path := range slices.Sorted(maps.Keys(all)) {
		a, pythons := python[path]
		b, isOurs := ours[path]
		if pythons == isOurs && a == b {
			continue
		}
		if i := slices.IndexFunc(known, func(d difference) bool { return d.covers(sc.name, path) }); i >= 0 {
			used[i] = true
			continue
		}
		t.Errorf("%s, %s:\n  Python %s\n  ours   %s", sc.side.name, path, orNothing(a, pythons), orNothing(b, isOurs))
	}
}

func orNothing(text string, is bool) string {
	if !is {
		return "(nothing)"
	}
	return text
}
