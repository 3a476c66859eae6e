package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/codec"
	"github.com/umbel-go/umbel/protocol"
)

type resultFlags struct {
	task      string
	traceback bool
	json      bool
	timeout   float64
}

func (p *program) resultCommand() *cobra.Command {
	f := &resultFlags{}
	cmd := &cobra.Command{
		Use:   "result ID",
		Short: "wait for a task and print its result",
		Long: `Wait for a task and print its result: text as it is, anything else as JSON.
A task that failed is told on standard error, with exit code 1.

Nothing tells an id that was never sent from a task that has not ended, so this
waits for ever unless --timeout is given; --timeout 0 says what is known now.`,
		Args: oneArg("ID"),
		RunE: func(cmd *cobra.Command, args []string) error { return p.result(cmd, f, args[0]) },
	}
	fl := cmd.Flags()
	fl.Float64Var(&f.timeout, "timeout", 0, "give up after so many `SECONDS`; 0 does not wait")
	fl.BoolVar(&f.traceback, "traceback", false, "print the stored traceback, without waiting")
	fl.BoolVarP(&f.json, "json", "j", false, "print the whole stored document as JSON, however the task ended")
	fl.StringVarP(&f.task, "task", "t", "", "`NAME` of the task; has no effect: results are read alike")
	_ = fl.MarkHidden("task")
	cmd.MarkFlagsMutuallyExclusive("traceback", "json")
	return cmd
}

func (p *program) result(cmd *cobra.Command, f *resultFlags, id string) error {
	ctx := cmd.Context()
	if _, err := p.results(ctx); err != nil {
		return err
	}
	r := p.app.Result(id)
	if f.traceback {
		doc, err := r.Document(ctx)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(p.Out, doc.Traceback)
		return err
	}
	if cmd.Flags().Changed("timeout") && f.timeout <= 0 {
		doc, err := r.Document(ctx)
		if err != nil {
			return err
		}
		if !doc.Status.Ready() && !f.json {
			return failed("task %s has not ended: its state is %s", id, doc.Status)
		}
		return p.show(doc, f.json)
	}
	if terminal(p.Err) && !p.global.quiet {
		if doc, err := r.Document(ctx); errors.Is(err, umbel.ErrUnknownTask) {
			fmt.Fprintln(p.Err, "nothing is known of this id yet; waiting (Ctrl-C ends it)")
		} else if err == nil && !doc.Status.Ready() {
			fmt.Fprintf(p.Err, "state %s; waiting\n", doc.Status)
		}
	}
	wait, cancel := limited(ctx, f.timeout)
	defer cancel()
	doc, err := r.Wait(wait)
	if err != nil {
		return err
	}
	return p.show(doc, f.json)
}

// await waits for a task that was just sent and prints how it ended.
func (p *program) await(ctx context.Context, r *umbel.AsyncResult, timeout float64) error {
	wait, cancel := limited(ctx, timeout)
	defer cancel()
	doc, err := r.Wait(wait)
	if err != nil {
		return err
	}
	return p.show(doc, false)
}

// show prints what a document says.
func (p *program) show(doc *protocol.Result, whole bool) error {
	if whole {
		text, err := protocol.AppendResult(nil, doc)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(p.Out, "%s\n", text)
		return err
	}
	if doc.Status != umbel.Success {
		return taskFault(doc)
	}
	text, err := plain(doc.Result)
	if err != nil {
		return fmt.Errorf("result of task %s: %w", doc.TaskID, err)
	}
	_, err = fmt.Fprintln(p.Out, text)
	return err
}

// plain is a value for people and for pipes: text as it is, anything else as JSON.
func plain(v codec.Value) (string, error) {
	x, err := v.Any()
	if err != nil {
		return "", err
	}
	if s, ok := x.(string); ok {
		return s, nil
	}
	text, err := v.AppendJSON(nil)
	return string(text), err
}

// taskFault tells how a task failed: by its traceback where it has one, which ends with the error itself.
func taskFault(doc *protocol.Result) error {
	text := fmt.Sprintf("task %s: %s", doc.TaskID, doc.Status)
	if exc, err := protocol.DecodeException(doc.Result); err == nil {
		text += ": " + exc.Repr()
	}
	if tb := strings.TrimRight(doc.Traceback, "\n"); tb != "" {
		text += "\n" + tb
	}
	return &fault{code: exitFailure, err: errors.New(text)}
}
