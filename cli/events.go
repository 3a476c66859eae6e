package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"time"

	"github.com/spf13/cobra"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/codec"
	"github.com/umbel-go/umbel/event"
	"github.com/umbel-go/umbel/protocol"
)

type eventsFlags struct {
	dump, asJSON    bool
	camera          string
	frequency, rate string
	key             string
	detach          bool
	empty           emptyFlags
}

var emptyEventsFlags = []emptyFlag{
	{"loglevel", "l", true, "events are printed, whatever there is to log"},
	{"logfile", "f", true, "send the output where it is to go: >FILE 2>&1"},
	{"pidfile", "", true, "the system that starts the program keeps its process id"},
	{"uid", "", true, "start the program as the user it is to be"},
	{"gid", "", true, "start the program as the group it is to be"},
	{"umask", "", true, "set the mask before the program starts"},
	{"executable", "", true, "the program is its own executable"},
}

func (p *program) eventsCommand() *cobra.Command {
	f := &eventsFlags{}
	cmd := &cobra.Command{
		Use:   "events",
		Short: "watch tasks and workers live",
		Long: `Watch what workers tell of tasks and of themselves, Python's workers among them:
on a terminal as a live view like top, else line by line.

Workers tell nothing unless asked to: start them with -E, or tell them to by
remote control (enable_events). Clients tell of what they send when
task_send_sent_event is set.

A camera is a program that is run now and then, with a JSON object on its
standard input: the workers, and the tasks heard of since the last picture.`,
		Example: `  umbel events
  umbel events --dump
  umbel events --json | jq 'select(.type == "task-failed")'
  umbel events --camera ./snapshot.sh --frequency 10`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return p.events(cmd, f) },
	}
	fl := cmd.Flags()
	fl.BoolVarP(&f.dump, "dump", "d", false, "print each event on a line of its own")
	fl.BoolVarP(&f.asJSON, "json", "j", false, "print each event as a JSON object, one per line")
	fl.StringVarP(&f.camera, "camera", "c", "", "run this `PROGRAM`, with its arguments, for each picture")
	fl.StringVarP(&f.frequency, "frequency", "F", "", "`SECONDS` between pictures; default 1")
	fl.StringVar(&f.frequency, "freq", "", "")
	fl.StringVarP(&f.rate, "maxrate", "r", "", "take no more pictures than this `RATE`, such as 10/m")
	fl.StringVar(&f.key, "routing-key", "#", "hear only events with this routing `KEY`, such as task.failed or worker.#")
	fl.BoolVar(&f.detach, "detach", false, "")
	for _, name := range []string{"freq", "detach"} {
		_ = fl.MarkHidden(name)
	}
	f.empty.add(fl, emptyEventsFlags)
	return cmd
}

func (p *program) events(cmd *cobra.Command, f *eventsFlags) error {
	if f.camera != "" && (f.dump || f.asJSON) {
		return misuse(cmd, "--camera goes with neither --dump nor --json")
	}
	if f.detach {
		return misuse(cmd, "--detach: events does not leave its terminal by itself: start it from systemd or a container, or with nohup and &")
	}
	every, err := f.interval(cmd)
	if err != nil {
		return err
	}
	f.empty.warn(slog.New(textHandler(p.Err, slog.LevelInfo, p.ink.on)))
	b, err := p.connect(cmd.Context())
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(cmd.Context(), append([]os.Signal{os.Interrupt}, termSignals...)...)
	defer stop()
	switch {
	case f.camera != "":
		return p.photograph(ctx, b, f, every)
	case f.dump || f.asJSON || !terminal(p.Out):
		return p.dumpEvents(ctx, b, f)
	}
	return p.viewEvents(ctx, b, f)
}

// interval is the time between two pictures.
func (f *eventsFlags) interval(cmd *cobra.Command) (time.Duration, error) {
	every, err := secondsFlag(cmd, "frequency", f.frequency)
	if err != nil {
		return 0, err
	}
	if every == 0 {
		every = time.Second
	}
	if f.rate != "" {
		rate, err := umbel.ParseRate(f.rate)
		if err != nil {
			return 0, misuse(cmd, "--maxrate: %w", err)
		}
		every = max(every, rate.Interval())
	}
	return every, nil
}

// listen hears events until ctx is done or the broker is given up. begun is called once they are heard.
func (p *program) listen(ctx context.Context, b broker.Broker, f *eventsFlags, handle func([]*protocol.Event, time.Time),
	notify func(broker.ConsumerState, error), begun func() error) error {
	c, err := p.app.Config()
	if err != nil {
		return err
	}
	accept, err := codec.NewAccept(append(c.AcceptContent, c.EventSerializer)...)
	if err != nil {
		return err
	}
	failed := make(chan error, 1)
	r, err := event.Receive(ctx, b, event.ReceiverConfig{
		Config: c.EventConfig(), RoutingKey: f.key, Accept: accept, Log: p.app.Logger(), Handle: handle, Wake: c.PidboxExchange(),
		Notify: func(s broker.ConsumerState, err error) {
			if s == broker.ConsumerFailed {
				select {
				case failed <- err:
				default:
				}
			}
			if notify != nil {
				notify(s, err)
			}
		},
	})
	if err != nil {
		return fmt.Errorf("listen to events: %w", err)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		_ = r.Close(ctx)
	}()
	if begun != nil {
		return begun()
	}
	select {
	case <-ctx.Done():
		return nil
	case err := <-failed:
		return fmt.Errorf("events are no longer heard: %w", err)
	case <-b.Done():
		return errors.Join(errors.New("events are no longer heard: the broker is gone"), b.Err())
	}
}
