package interop

import (
	"maps"
	"slices"

	"github.com/umbel-go/umbel/internal/testenv"
)

// A sceneDo says what happens in a scene.
type sceneDo struct {
	send   string // Python: name and options of send_task; given[2] is the folder of words
	before func(p *play, sc scene, id string)
	during func(p *play, sc scene, id string)
	last   string // event that is told last; task-succeeded when not given

	processesOnly bool // it takes a process that can be killed
}

func (d sceneDo) playedBy(s side) bool { return !d.processesOnly || s.name != "goroutine" }

var sceneNames = slices.Sorted(maps.Keys(scenes))

// Python stores RETRY after the next attempt is published: retries that fail wait for two seconds, or FAILURE would be
// overwritten at times. (SUCCESS never is.)
var scenes = map[string]sceneDo{
	"SUCCESS":                   {send: `"state.ok", (1,)`},
	"SUCCESS, named arguments":  {send: `"state.ok", kwargs={"x": [1, {"a": None}]}`},
	"SUCCESS, of a group":       {send: `"state.ok", (1,), group_id="the-group", parent_id="the-parent", root_id="the-root"`},
	"SUCCESS, under a nickname": {send: `"state.ok", (1,), shadow="a nickname"`},
	"SUCCESS, with a callback":  {send: `"state.ok", (1,), link=app.signature("state.ok", queue=given[0], task_id=given[1] + "-callback")`},
	"SUCCESS, with a child":     {send: `"state.parent", (given[0], given[1] + "-child")`},
	"SUCCESS, on the second attempt": {
		send: `"state.retry.once"`,
	},
	"SUCCESS, result ignored by the task":    {send: `"state.unwanted"`},
	"SUCCESS, result ignored by the message": {send: `"state.ok", (1,), ignore_result=True`},
	"SUCCESS, requeued once":                 {send: `"state.requeue.late"`},
	"SUCCESS, its first process lost":        {send: `"state.lost.again"`, processesOnly: true},

	"FAILURE":                              {send: `"state.fail"`, last: "task-failed"},
	"FAILURE, acks late":                   {send: `"state.fail.late"`, last: "task-failed"},
	"FAILURE, acks late, rejected":         {send: `"state.fail.rejected"`, last: "task-failed"},
	"FAILURE, of a group":                  {send: `"state.fail", group_id="the-group", parent_id="the-parent"`, last: "task-failed"},
	"FAILURE, ignored":                     {send: `"state.unwanted.fails"`, last: "task-failed"},
	"FAILURE, ignored by the message":      {send: `"state.fail", ignore_result=True`, last: "task-failed"},
	"FAILURE, ignored but stored":          {send: `"state.stored.fails"`, last: "task-failed"},
	"FAILURE, of too many retries":         {send: `"state.retry", (2,)`, last: "task-failed"},
	"FAILURE, of retries without a cause":  {send: `"state.retry.bare", (2,)`, last: "task-failed"},
	"FAILURE, of a policy's retries":       {send: `"state.retry.auto"`, last: "task-failed"},
	"FAILURE, of a missing argument":       {send: `"state.ok"`, last: "task-failed"},
	"FAILURE, of a result without a form":  {send: `"state.odd"`, last: "task-failed"},
	"FAILURE, not registered":              {send: `"state.nobody", (1,)`, last: "task-failed"},
	"FAILURE, soft time limit":             {send: `"state.hang", soft_time_limit=1`, last: "task-failed"},
	"FAILURE, soft time limit, acks late":  {send: `"state.hang.late", soft_time_limit=1`, last: "task-failed"},
	"FAILURE, hard time limit":             {send: `"state.hang", time_limit=1`, last: "task-failed"},
	"FAILURE, hard time limit, acks late":  {send: `"state.hang.late", time_limit=1`, last: "task-failed"},
	"FAILURE, lost process":                {send: `"state.lost"`, last: "task-failed", processesOnly: true},
	"FAILURE, lost process, acks late":     {send: `"state.lost.late"`, last: "task-failed", processesOnly: true},
	"FAILURE, rejected":                    {send: `"state.reject"`, last: "task-started"},
	"FAILURE, rejected, acks late":         {send: `"state.reject.late"`, last: "task-rejected"},
	"ignored":                              {send: `"state.ignore"`, last: "task-started"},
	"REVOKED, expired":                     {send: `"state.ok", (1,), headers={"expires": "2020-01-02T03:04:05+00:00"}`, last: "task-revoked"},
	"REVOKED, before it came":              {before: revoke, send: `"state.ok", (1,)`, last: "task-revoked"},
	"REVOKED, terminated":                  {send: `"state.hang"`, during: terminate, last: "task-revoked"},
	"REVOKED, terminated, acks late":       {send: `"state.hang.late"`, during: terminate, last: "task-revoked"},
	"RETRY, between the attempts":          {send: `"state.retry", (600,)`, during: seen("RETRY"), last: "task-retried"},
	"RETRY, between them, without a cause": {send: `"state.retry.bare", (600,)`, during: seen("RETRY"), last: "task-retried"},
	"STARTED":                              {send: `"state.wait", (given[2],)`, during: seen("STARTED")},
	"PROGRESS":                             {send: `"state.progress", (given[2],)`, during: seen("PROGRESS")},
}

// seen looks at a task in a state on its way, and then lets it go on.
func seen(state string) func(*play, scene, string) {
	return func(p *play, sc scene, id string) {
		p.awaitState(id, state)
		p.look(sc, id, "at "+state)
		p.goOn(id)
	}
}

// revoke revokes a task that has not been sent. What is stored at once is not looked at: Celery does so from 5.5 on only.
func revoke(p *play, sc scene, id string) {
	p.world.client.run(p.t, nil, `assert app.control.revoke(given[0], destination=[given[1]], reply=True, timeout=30, limit=1)`, id, sc.side.node)
}

// terminate ends a task while it runs.
func terminate(p *play, sc scene, id string) {
	testenv.Await(p.t, "the task's start", func() bool {
		for _, e := range p.told(id) {
			if e["type"] == "task-started" {
				return true
			}
		}
		return false
	}, nil)
	p.world.client.run(p.t, nil, `assert app.control.revoke(given[0], terminate=True, destination=[given[1]], reply=True, timeout=30, limit=1)`, id, sc.side.node)
}
