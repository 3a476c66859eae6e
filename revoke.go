package umbel

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/umbel-go/umbel/backend"
	"github.com/umbel-go/umbel/codec"
	"github.com/umbel-go/umbel/protocol"
)

// Revocation: a task that is revoked does not start. Who revokes writes that down in the result store, for workers that
// start later, stores the state REVOKED, and tells the workers that run now.
//
//	App.Revoke ─► book of revocations (result store) ─► read by workers when they start, and after each lost connection
//	           ─► state REVOKED, unless the task has ended
//	           ─► revoke, broadcast ─► workers note the ids, and write them down as well: Python's clients only broadcast

const (
	// RevokedBook is the book of revocations in the result store, an id or a stamp each. Workers read it.
	RevokedBook = "revoked"

	// RevokedMost and RevokedAge bound what is remembered: the newest so many, for so long. (In Celery 50,000, for three
	// hours: a task that comes later than that, from a long queue or a long delay, runs after all.)
	RevokedMost = 50_000
	RevokedAge  = 30 * 24 * time.Hour
)

// A RevokeOption says how tasks are revoked.
type RevokeOption func(*revocation)

type revocation struct {
	terminate bool
	signal    string
}

// Terminate ends the task if it runs: its context is cancelled with the cause ErrRevoked. A handler that does not heed
// its context goes on, but its result does not count. Celery: terminate=True.
func Terminate() RevokeOption { return func(r *revocation) { r.terminate = true } }

// Signal is how Terminate ends a task: SIGTERM cancels its context, and kills its child process, if it has one, after
// worker_terminate_grace; SIGKILL kills that at once; SIGUSR1 is the soft time limit before its time; of others the child
// process gets the signal besides. Celery's workers send it to the task's process. Defaults to SIGTERM. Celery: signal.
func Signal(name string) RevokeOption { return func(r *revocation) { r.signal = name } }

// Revoke keeps tasks from starting, wherever they wait: in a queue, in a worker, for their time, or not yet sent. Tasks
// that run go on unless Terminate is given. What has ended stays as it ended. It returns when the revocation is written
// down and has been sent; workers that are cut off from the broker hear of it when they are back.
//
// Without a result store that keeps records (Redis, SQLite, PostgreSQL) only the workers that run now learn of it.
// Celery: app.control.revoke.
func (a *App) Revoke(ctx context.Context, ids []string, options ...RevokeOption) error {
	if len(ids) == 0 {
		return nil
	}
	if slices.Contains(ids, "") {
		return errors.New("revoke: an id is empty")
	}
	names := make([]string, len(ids))
	for i, id := range ids {
		names[i] = RevokedID(id)
	}
	args := map[string]any{"task_id": ids}
	if len(ids) == 1 {
		args["task_id"] = ids[0]
	}
	return a.revoke(ctx, "revoke", args, names, ids, options)
}

// RevokeStamped revokes every task that bears one of these stamps with one of its values. Celery:
// app.control.revoke_by_stamped_headers.
func (a *App) RevokeStamped(ctx context.Context, stamps map[string][]string, options ...RevokeOption) error {
	var names []string
	headers := make(map[string]any, len(stamps))
	for _, name := range slices.Sorted(maps.Keys(stamps)) {
		headers[name] = stamps[name]
		for _, v := range stamps[name] {
			names = append(names, RevokedStamp(name, v))
		}
	}
	if len(names) == 0 {
		return nil
	}
	return a.revoke(ctx, "revoke_by_stamped_headers", map[string]any{"headers": headers}, names, nil, options)
}

func (a *App) revoke(ctx context.Context, command string, args map[string]any, names, ids []string, options []RevokeOption) error {
	r := revocation{signal: "SIGTERM"}
	for _, o := range options {
		o(&r)
	}
	b, err := a.Backend(ctx)
	if err == nil {
		err = WriteRevoked(ctx, b, names, ids)
	}
	if errors.Is(err, ErrNoBackend) {
		err = nil
	}
	args["terminate"], args["signal"] = r.terminate, r.signal
	if cast := a.Control().Cast(ctx, command, args); cast != nil {
		err = errors.Join(err, fmt.Errorf("revoke: tell the workers: %w", cast))
	}
	return err
}

// Revoke keeps the task from starting, or with Terminate ends it: see App.Revoke. Celery: AsyncResult.revoke.
func (r *AsyncResult) Revoke(ctx context.Context, options ...RevokeOption) error {
	return r.app.Revoke(ctx, []string{r.id}, options...)
}

// RevokedID and RevokedStamp are the names of records in RevokedBook.
func RevokedID(id string) string { return recordName("id", id) }

// RevokedStamp is the name of a record of a stamp.
func RevokedStamp(name, value string) string { return recordName("stamp", name, value) }

func recordName(parts ...string) string {
	text, _ := json.Marshal(parts) // strings always can be
	return string(text)
}

// ReadRevoked splits the name of a record: an id, or else a stamp's name and value. ok is false when it is neither.
func ReadRevoked(record string) (id, stamp, value string, ok bool) {
	var parts []string
	if json.Unmarshal([]byte(record), &parts) != nil {
		return "", "", "", false
	}
	switch {
	case len(parts) == 2 && parts[0] == "id":
		return parts[1], "", "", true
	case len(parts) == 3 && parts[0] == "stamp":
		return "", parts[1], parts[2], true
	}
	return "", "", "", false
}

// WriteRevoked writes records into the book of revocations, where the store has one, and stores REVOKED for the ids that
// have not ended. Workers and App.Revoke call it. (Celery overwrites a FAILURE with REVOKED; here what happened stays.)
func WriteRevoked(ctx context.Context, b backend.Backend, names, ids []string) error {
	if ledger, ok := b.(backend.Ledger); ok {
		records := make([]backend.Record, len(names))
		until := time.Now().Add(RevokedAge)
		for i, n := range names {
			records[i] = backend.Record{Name: n, Expires: until}
		}
		if err := ledger.Record(ctx, RevokedBook, records, RevokedMost); err != nil {
			return fmt.Errorf("revoke: write it down in the result store: %w", err)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	have, err := b.GetMany(ctx, ids)
	if errors.Is(err, backend.ErrUnsupported) {
		return nil // rpc:// keeps nothing, and does not know who asks
	}
	if err != nil {
		return fmt.Errorf("revoke: look at the results: %w", err)
	}
	var docs []*protocol.Result
	for _, id := range ids {
		if doc := have[id]; doc == nil || !doc.Status.Ready() {
			docs = append(docs, revokedNow(id))
		}
	}
	if len(docs) == 0 {
		return nil
	}
	return errors.Join(b.Store(ctx, docs)...)
}

func revokedNow(id string) *protocol.Result {
	exc := protocol.Exception{Module: "celery.exceptions", Type: "TaskRevokedError", Message: []codec.Value{codec.Of("revoked")}}
	return &protocol.Result{TaskID: id, Status: Revoked, Result: exc.Value(), HasChildren: true, DateDone: time.Now(), CorrelationID: id}
}
