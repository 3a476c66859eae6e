package interop

import "path"

// A difference is a member that our workers show otherwise than Python's, and why. docs/celery.md gives the same reasons.
type difference struct {
	scenes    string // pattern, as path.Match has it
	member    string // pattern
	because   string
	sometimes bool // Python's own order is a matter of chance
}

func (d difference) covers(scene, member string) bool {
	name, _ := path.Match(d.scenes, scene)
	is, _ := path.Match(d.member, member)
	return name && is
}

const (
	zones     = "times bear their zone, as Celery's do from 5.5 on; 5.2 stores UTC without one"
	rejected  = "a rejected task ends as FAILURE, as in Celery from 5.5 on; 5.2 leaves it PENDING for ever"
	ignored   = "the message's ignore_result decides, as in Celery from 5.6 on; in 5.2 the task's own does, and the message's for SUCCESS alone"
	attempts  = "the history of attempts is kept in a member of its own, which Python's clients do not look at"
	inOrder   = "task-retried is told before the next attempt can be received; Python's pool and its main process race"
	parks     = "the next attempt waits in the broker and is received when it is due; Python's worker holds it from the start"
	noChild   = "a task is no child of its own: Python's RETRY lists the next attempt, which has the same id, among the children"
	lateNews  = "a failure is told before the rejection that follows from it, as Celery does for Reject"
	plainly   = "what the process of a task could not tell is told by name; Python's event says ExceptionWithTraceback()"
	goWords   = "the type is Python's, the text says it in Go's terms"
	noRequest = "a message that is no task of this worker has no request, so that its document has none of the extended members; Celery 5.2 writes them as null"
)

const (
	members    = "a reply is the document as it would be stored, as in Celery from 5.5 on; 5.2 leaves out the date and the parent"
	noPriority = "priority 0 and none are the same on the wire"
	once       = "the end by a hard time limit is said once; Python's main process and its pool both say it"
)

// replyDifferences are those of replies by rpc://.
var replyDifferences = []difference{
	{scenes: "*", member: "*client.members", because: members},
	{scenes: "*", member: "*client.document.date_done", because: members},
	{scenes: "*", member: "*client.document.parent_id", because: members},
	{scenes: "*", member: "*client.properties.priority", because: noPriority},
	{scenes: "*retr*", member: "client.document.attempts", because: attempts},
	{scenes: "FAILURE, of retries without a cause", member: "reply 0: client.document.children", because: noChild},
	{scenes: "FAILURE, of retries without a cause", member: "events", because: inOrder, sometimes: true},
	{scenes: "RETRY, *", member: "client.document.children", because: noChild},
	{scenes: "RETRY, *", member: "events", because: parks},
	{scenes: "RETRY, *", member: "task-received 2.*", because: parks},
	{scenes: "FAILURE, hard time limit", member: "repl*", because: once},
	{scenes: "FAILURE, hard time limit", member: "task-failed.*", because: plainly},
	{scenes: "FAILURE, soft time limit", member: "*traceback", because: goWords},
}

var differences = []difference{
	{scenes: "*", member: "client.date_done.value", because: zones},
	{scenes: "*", member: "client.document.date_done", because: zones},

	{scenes: "FAILURE, rejected*", member: "client.*", because: rejected},
	{scenes: "FAILURE, rejected*", member: "task-failed.*", because: rejected},
	{scenes: "FAILURE, rejected*", member: "events", because: rejected},

	{scenes: "SUCCESS, result ignored by the task", member: "client.*", because: ignored},
	{scenes: "FAILURE, ignored", member: "client.*", because: ignored},
	{scenes: "FAILURE, ignored by the message", member: "client.*", because: ignored},

	{scenes: "FAILURE, *retries*", member: "client.document.attempts", because: attempts},
	{scenes: "FAILURE, *retries*", member: "client.members", because: attempts},
	{scenes: "FAILURE, *retries*", member: "events", because: inOrder, sometimes: true},
	{scenes: "SUCCESS, on the second attempt", member: "client.document.attempts", because: attempts},
	{scenes: "SUCCESS, on the second attempt", member: "client.members", because: attempts},
	{scenes: "SUCCESS, on the second attempt", member: "events", because: inOrder, sometimes: true},

	{scenes: "RETRY, *", member: "events", because: parks},
	{scenes: "RETRY, *", member: "task-received 2.*", because: parks},
	{scenes: "RETRY, *", member: "*client.children.value", because: noChild},
	{scenes: "RETRY, *", member: "*client.document.children", because: noChild},

	{scenes: "FAILURE, acks late, rejected", member: "events", because: lateNews},

	{scenes: "FAILURE, hard time limit*", member: "task-failed.*", because: plainly},
	{scenes: "FAILURE, lost process*", member: "task-failed.*", because: plainly},

	{scenes: "FAILURE, soft time limit*", member: "*traceback", because: goWords},
	{scenes: "FAILURE, of a missing argument", member: "*", because: goWords},
	{scenes: "FAILURE, of a result without a form", member: "*", because: goWords},

	{scenes: "FAILURE, not registered", member: "client.document.*", because: noRequest},
	{scenes: "FAILURE, not registered", member: "client.members", because: noRequest},
}
