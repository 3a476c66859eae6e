package web

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"net/http"
	"time"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/examples/shop/reports"
	"github.com/umbel-go/umbel/examples/shop/store"
	"github.com/umbel-go/umbel/protocol"
)

// Live progress, as server-sent events: one for each change of a report, each a whole picture of it, so that a client that
// missed some has lost nothing once it has the last one, which it is sent whenever it connects.
//
//	row (requested, ready …) ─┐
//	                          ├──► event {"state": "running", "done": 3000, "of": 30000}
//	result store (PROGRESS) ──┘

const (
	maxStreams = 1000             // that are open at once
	lookEvery  = time.Second      // at the row: for what no result tells of
	breath     = 15 * time.Second // a line now and then keeps proxies from hanging up
	patience   = 30 * time.Second // for a client to take what is written
)

// progress fills in how far a report has come, by what its task has told the result store.
func (s *site) progress(ctx context.Context, v reportView) reportView {
	if v.Final() || v.Task == "" {
		return v
	}
	doc, err := s.App.Result(v.Task).Document(ctx)
	if err != nil {
		return v // nothing is told yet
	}
	return merge(v, doc)
}

// merge adds what a task's result says to what the row says.
func merge(v reportView, doc *protocol.Result) reportView {
	switch doc.Status {
	case umbel.Progress:
		var p reports.Progress
		if doc.Result.Decode(&p) == nil {
			v.State, v.Done, v.Of = store.Running, p.Done, p.Of
		}
	case umbel.Failure, umbel.Revoked:
		v.State = store.Failed
		if v.Error == "" {
			v.Error = "its task ended with " + string(doc.Status)
		}
	}
	return v
}

func (s *site) events(w http.ResponseWriter, r *http.Request) {
	row, err := s.row(r)
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	if s.streams.Add(1) > maxStreams {
		s.streams.Add(-1)
		w.Header().Set("Retry-After", "5")
		s.fail(w, r, http.StatusServiceUnavailable, "too many watch already")
		return
	}
	defer s.streams.Add(-1)
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no") // for nginx
	out := &stream{w: w, control: http.NewResponseController(w)}
	if err := out.write("retry: 1000\n\n"); err != nil {
		return
	}
	told, watched := s.watch(ctx, row.Task)
	defer func() { cancel(); <-watched }()
	s.follow(ctx, out, row, told)
}

// watch passes on what the result store says of a task. Of what nobody has taken yet the latest is kept.
func (s *site) watch(ctx context.Context, task string) (told <-chan *protocol.Result, ended <-chan struct{}) {
	docs, done := make(chan *protocol.Result, 1), make(chan struct{})
	go func() {
		defer close(done)
		if task == "" {
			return
		}
		_ = s.App.Result(task).Watch(ctx, func(doc *protocol.Result) { // without it the row is looked at each second
			select {
			case <-docs:
			default:
			}
			docs <- doc // there is room: this is the only one who puts in
		})
	}()
	return docs, done
}

// follow sends events until the report has ended or the client has gone.
func (s *site) follow(ctx context.Context, out *stream, row store.Report, told <-chan *protocol.Result) {
	look, beat := time.NewTicker(lookEvery), time.NewTicker(breath)
	defer look.Stop()
	defer beat.Stop()
	last := s.progress(ctx, viewReport(row))
	for {
		if err := out.send(last); err != nil || last.Final() {
			return
		}
		var doc *protocol.Result
		select {
		case <-ctx.Done():
			return
		case <-beat.C:
			if out.write(": still here\n\n") != nil {
				return
			}
			continue
		case doc = <-told:
		case <-look.C:
		}
		if doc == nil || doc.Status != umbel.Progress {
			now, err := s.Store.Report(ctx, row.ID)
			if err != nil {
				return // gone, or the database is away: the client comes back
			}
			row = now
		}
		next := viewReport(row)
		next.Done, next.Of = max(next.Done, last.Done), max(next.Of, last.Of)
		if doc != nil && !next.Final() {
			next = merge(next, doc)
		}
		last = next
	}
}

// A stream writes events to one client.
type stream struct {
	w       http.ResponseWriter
	control *http.ResponseController
	last    string
}

// send writes an event, unless it says what the one before said.
func (o *stream) send(v reportView) error {
	data, err := json.Marshal(v)
	if err != nil || string(data) == o.last {
		return err
	}
	o.last = string(data)
	id := fnv.New64a()
	_, _ = id.Write(data)
	return o.write(fmt.Sprintf("id: %x\nevent: report\ndata: %s\n\n", id.Sum64(), data))
}

func (o *stream) write(text string) error {
	if err := o.control.SetWriteDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	if _, err := o.w.Write([]byte(text)); err != nil {
		return err
	}
	return o.control.Flush()
}
