package worker

// Refusal: messages that never become a task. Each is logged with Celery's meaning, leaves a terminal state where its id
// is known, and is rejected without requeue, so that a queue with a dead-letter exchange keeps it.
// Celery: celery/worker/consumer/consumer.py, on_unknown_message, on_unknown_task, on_invalid_task, on_decode_error.

import (
	"errors"
	"time"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/codec"
	"github.com/umbel-go/umbel/protocol"
)

func (w *Worker) refuse(q umbel.QueuePlan, d *broker.Delivery, err error) {
	w.stats.rejected.Add(1)
	w.meter.refuse(refusalReason(err))
	w.app.NotifyRejected(err)
	log := w.log.With("queue", d.Queue, "content_type", d.Properties.ContentType, "content_encoding", d.Properties.ContentEncoding,
		"bytes", len(d.Body), "error", err)
	var (
		invalid    *protocol.InvalidTaskError
		decode     *protocol.DecodeError
		disallowed *codec.DisallowedError
		exc        protocol.Exception
		id         string
	)
	switch {
	case errors.Is(err, protocol.ErrUnknownMessage):
		log.Warn("received and rejected unknown message: wrong destination?")
	case errors.As(err, &disallowed):
		log.Error("received invalid task message: its content type is not in accept_content")
		exc, id = namedException("kombu.exceptions", "ContentDisallowed", disallowed.Error()), messageID(d)
	case errors.As(err, &invalid):
		log.Error("received invalid task message", "id", invalid.ID, "task", invalid.Name)
		exc, id = namedException("celery.exceptions", "InvalidTaskError", invalid.Reason), invalid.ID
	case errors.As(err, &decode):
		log.Error("cannot decode message body", "id", decode.ID, "task", decode.Name)
		exc, id = namedException("kombu.exceptions", "DecodeError", decode.Err.Error()), decode.ID
	default:
		log.Error("received a message that cannot be read")
		exc, id = namedException("kombu.exceptions", "DecodeError", err.Error()), messageID(d)
	}
	w.buryRefused(q, d, refusalReason(err), err.Error(), 0, func(how settlement) {
		if id == "" {
			w.settle(d, how)
			return
		}
		w.finisher.refuse(d, refusalDocument(d, id, &exc), how)
	})
}

func (w *Worker) refuseUnknown(q umbel.QueuePlan, d *broker.Delivery, t *protocol.Task) {
	w.stats.rejected.Add(1)
	w.meter.refuse(umbel.DeadUnregistered)
	w.app.NotifyUnknown(t.Name, t.ID)
	_, err := w.app.Lookup(t.Name)
	w.log.Error("received unregistered task; it is rejected", "task", t.Name, "id", t.ID, "queue", d.Queue, "error", err)
	exc := namedException("celery.exceptions", "NotRegistered", t.Name)
	w.tellUnknown(t, &exc)
	doc := refusalDocument(d, t.ID, &exc)
	if t.IgnoreResult != nil && *t.IgnoreResult {
		doc = nil
	}
	w.buryRefused(q, d, umbel.DeadUnregistered, err.Error(), t.Retries, func(how settlement) { w.refuseRun(d, t, doc, &exc, how) })
}

func refusalDocument(d *broker.Delivery, id string, exc *protocol.Exception) *protocol.Result {
	correlation := d.Properties.CorrelationID
	if correlation == "" {
		correlation = id
	}
	return &protocol.Result{TaskID: id, Status: umbel.Failure, Result: exc.Value(), HasChildren: true, DateDone: time.Now(),
		ReplyTo: d.Properties.ReplyTo, CorrelationID: correlation}
}

func messageID(d *broker.Delivery) string {
	id, _ := d.Headers["id"].(string)
	return id
}

func namedException(module, name string, args ...any) protocol.Exception {
	exc := protocol.Exception{Module: module, Type: name}
	for _, a := range args {
		exc.Message = append(exc.Message, codec.Of(a))
	}
	return exc
}
