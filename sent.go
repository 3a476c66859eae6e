package umbel

import (
	"time"

	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/protocol"
)

// sentWait is how long closing an app waits for its last events to leave.
const sentWait = time.Second

// tellSent tells of a task that the broker has taken, where task_send_sent_event asks for it.
func (l *link) tellSent(t *protocol.Task, queue string, m *broker.Message) {
	if l == nil || l.sent == nil || t == nil {
		return
	}
	l.sent.Send(&protocol.TaskSent{UUID: t.ID, RootID: t.RootID, ParentID: t.ParentID, Name: t.Name, Args: t.ArgsRepr, Kwargs: t.KwargsRepr,
		Retries: t.Retries, ETA: isoTime(t.ETA), Expires: isoTime(t.Expires), Queue: queue, Exchange: m.Exchange, RoutingKey: m.RoutingKey})
}

func isoTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return protocol.FormatTime(t)
}

// NotifySent tells of a message that a worker has published for a task: its next attempt. It does nothing unless
// task_send_sent_event is set. Workers call it.
func (a *App) NotifySent(t *protocol.Task, queue string, m *broker.Message) {
	a.link.Load().tellSent(t, queue, m)
}
