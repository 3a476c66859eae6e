package cli

import (
	"bufio"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/codec"
	"github.com/umbel-go/umbel/event"
	"github.com/umbel-go/umbel/protocol"
)

// A dumper prints events, one a line, as celery events --dump does.
type dumper struct {
	asJSON bool
	known  *event.State // of tasks, for the names that later events do not have

	mu  sync.Mutex // guards out and err
	out *bufio.Writer
	err error // of writing
}

// dumpedTasks is how many tasks' names are remembered, as in Celery.
const dumpedTasks = 4095

func (p *program) dumpEvents(ctx context.Context, b broker.Broker, f *eventsFlags) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	d := &dumper{asJSON: f.asJSON, known: event.NewState(event.StateConfig{MaxTasks: dumpedTasks, MaxWorkers: 1}), out: bufio.NewWriter(p.Out)}
	err := p.listen(ctx, b, f, func(events []*protocol.Event, at time.Time) {
		if d.print(events, at) != nil {
			cancel() // nobody reads: head has seen enough
		}
	}, func(s broker.ConsumerState, err error) {
		switch {
		case p.global.quiet:
		case s == broker.ConsumerLost:
			fmt.Fprintf(p.Err, "connection lost, events are missed: %v\n", err)
		case s == broker.ConsumerRestored:
			fmt.Fprintln(p.Err, "connected again")
		}
	}, func() error {
		if !p.global.quiet && !f.asJSON {
			fmt.Fprintln(p.Err, "-> listening to events; Ctrl-C ends")
		}
		<-ctx.Done()
		return nil
	})
	return err
}

func (d *dumper) print(events []*protocol.Event, at time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, e := range events {
		d.known.Apply(e, at)
		if d.asJSON {
			text, err := protocol.AppendEvent(nil, e)
			if err != nil {
				continue // a value that JSON does not have, in another serializer
			}
			_, _ = d.out.Write(append(text, '\n'))
		} else {
			_, _ = d.out.WriteString(d.line(e) + "\n")
		}
	}
	if err := d.out.Flush(); err != nil {
		d.err = err
	}
	return d.err
}

// humanTypes are Celery's words for events of workers.
var humanTypes = map[string]string{
	protocol.TypeWorkerOnline: "started", protocol.TypeWorkerOffline: "shutdown", protocol.TypeWorkerHeartbeat: "heartbeat",
}

// line is an event as celery events --dump prints it. Texts come from strangers: they cannot move the cursor.
func (d *dumper) line(e *protocol.Event) string {
	what := humanTypes[e.Type()]
	if what == "" {
		what = strings.ReplaceAll(strings.ToLower(e.Type()), "-", " ")
	}
	var subject string
	fields := eventFields(e)
	if id := fields["uuid"]; id != "" && protocol.EventGroup(e.Type()) == "task" {
		delete(fields, "uuid")
		for _, own := range []string{"name", "args", "kwargs"} {
			delete(fields, own)
		}
		t, _ := d.known.Task(id)
		subject = fmt.Sprintf(" %s(%s) args=%s kwargs=%s", t.Name, id, t.Args, t.Kwargs)
		if t.Name == "" {
			subject = " " + id
		}
	}
	names := make([]string, 0, len(fields))
	for n := range fields {
		names = append(names, n)
	}
	slices.Sort(names)
	for i, n := range names {
		names[i] = n + "=" + fields[n]
	}
	return printable(fmt.Sprintf("%s [%s] %s:%s %s", e.Hostname, e.Time().UTC().Format("2006-01-02 15:04:05.000000"), what, subject, strings.Join(names, ", ")))
}

// eventFields are an event's members but for its first line, as text.
func eventFields(e *protocol.Event) map[string]string {
	text, err := protocol.AppendEvent(nil, e)
	if err != nil {
		return map[string]string{}
	}
	members, err := codec.SplitObject(text)
	if err != nil {
		return map[string]string{}
	}
	fields := make(map[string]string, len(members))
	for _, m := range members {
		switch m.Name {
		case "hostname", "timestamp", "type":
			continue
		}
		v, err := m.Value.Any()
		if err != nil {
			continue
		}
		if s, is := v.(string); is {
			fields[m.Name] = s
		} else {
			fields[m.Name] = codec.Repr(v)
		}
	}
	return fields
}

// printable replaces what a terminal would obey.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t' || r == '\r':
			return ' '
		case unicode.IsControl(r), r == '\u2028', r == '\u2029', r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069:
			return '\uFFFD'
		}
		return r
	}, s)
}
