package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"

	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/event"
	"github.com/umbel-go/umbel/protocol"
)

// A picture is what a camera is shown.
type picture struct {
	Time    float64         `json:"timestamp"`
	Workers []workerPicture `json:"workers"`
	Tasks   []taskPicture   `json:"tasks"` // heard of since the last picture
	Events  int64           `json:"event_count"`
	Count   int64           `json:"task_count"` // received since the start
}

type workerPicture struct {
	Hostname  string     `json:"hostname"`
	Alive     bool       `json:"alive"`
	PID       int        `json:"pid"`
	Freq      float64    `json:"freq"`
	Active    int        `json:"active"`
	Processed int        `json:"processed"`
	LoadAvg   [3]float64 `json:"loadavg"`
	Ident     string     `json:"sw_ident"`
	Version   string     `json:"sw_ver"`
	System    string     `json:"sw_sys"`
}

type taskPicture struct {
	UUID      string  `json:"uuid"`
	Name      string  `json:"name"`
	State     string  `json:"state"`
	Worker    string  `json:"worker"`
	Args      string  `json:"args"`
	Kwargs    string  `json:"kwargs"`
	Result    string  `json:"result"`
	Exception string  `json:"exception"`
	Traceback string  `json:"traceback"`
	Runtime   float64 `json:"runtime"`
	Retries   int     `json:"retries"`
	RootID    string  `json:"root_id"`
	ParentID  string  `json:"parent_id"`
	ETA       string  `json:"eta"`
	Expires   string  `json:"expires"`
	Timestamp float64 `json:"timestamp"`
}

// photograph runs the camera now and then, when something has happened. A picture that cannot be taken ends nothing: the next shows
// its tasks, too.
func (p *program) photograph(ctx context.Context, b broker.Broker, f *eventsFlags, every time.Duration) error {
	command := strings.Fields(f.camera)
	if len(command) == 0 {
		return errors.New("--camera: it names no program")
	}
	if _, err := exec.LookPath(command[0]); err != nil {
		return fmt.Errorf("--camera: %w", err)
	}
	state := event.NewState(event.StateConfig{})
	return p.listen(ctx, b, f, func(events []*protocol.Event, at time.Time) {
		for _, e := range events {
			state.Apply(e, at)
		}
	}, nil, func() error {
		if !p.global.quiet {
			fmt.Fprintf(p.Err, "-> %s is run every %v; Ctrl-C ends\n", f.camera, every)
		}
		tick := time.NewTicker(every)
		defer tick.Stop()
		var last time.Time
		var seen int64
		for {
			select {
			case <-ctx.Done():
				return nil
			case <-b.Done():
				return errors.Join(errors.New("events are no longer heard: the broker is gone"), b.Err())
			case <-tick.C:
			}
			if n := state.Counts().Events; n == seen {
				continue
			}
			now := time.Now()
			seen = state.Counts().Events
			if err := p.shoot(ctx, command, takePicture(state, last, now)); err != nil {
				if ctx.Err() == nil {
					fmt.Fprintf(p.Err, "camera: %v\n", err)
				}
				continue
			}
			last = now
		}
	})
}

func takePicture(state *event.State, last, now time.Time) picture {
	c := state.Counts()
	pic := picture{Time: protocol.UnixSeconds(now), Events: c.Events, Count: c.Received, Workers: []workerPicture{}, Tasks: []taskPicture{}}
	for _, w := range state.Workers() {
		pic.Workers = append(pic.Workers, workerPicture{Hostname: w.Hostname, Alive: w.Alive(now), PID: w.PID, Freq: w.Freq, Active: w.Active,
			Processed: w.Processed, LoadAvg: w.LoadAvg, Ident: w.Ident, Version: w.Version, System: w.System})
	}
	for _, t := range state.Tasks(0, func(t *event.Task) bool { return !t.LastHeard.Before(last) }) {
		pic.Tasks = append(pic.Tasks, taskPicture{UUID: t.UUID, Name: t.Name, State: string(t.State), Worker: t.Worker, Args: t.Args, Kwargs: t.Kwargs,
			Result: t.Result, Exception: t.Exception, Traceback: t.Traceback, Runtime: t.Runtime, Retries: t.Retries, RootID: t.RootID, ParentID: t.ParentID,
			ETA: t.ETA, Expires: t.Expires, Timestamp: protocol.UnixSeconds(t.Timestamp)})
	}
	return pic
}

// shoot runs the program with the picture on its standard input.
func (p *program) shoot(ctx context.Context, command []string, pic picture) error {
	text, err := json.Marshal(pic)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.WaitDelay = time.Second
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(append(text, '\n')), p.Out, p.Err
	return cmd.Run()
}
