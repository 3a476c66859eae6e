package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/backend"
)

type revokeFlags struct {
	terminate bool
	signal    string
	stamps    []string
}

func (p *program) revokeCommand() *cobra.Command {
	f := &revokeFlags{}
	cmd := &cobra.Command{
		Use:   "revoke [ID]...",
		Short: "keep tasks from starting, or end them",
		Long: `Keep tasks from starting, by id or by stamp, wherever they wait: in a queue, in a
worker, or for their time. With --terminate those that run are ended as well.

The revocation is written down in the result store, so that workers that start
later honour it, and told to the workers that run now, Celery's among them.`,
		Example: "  umbel revoke 1c2f4a5e-8d6b-4b43-9a1e-3f3f0c9f6c11\n  umbel revoke --terminate --stamp customer=c7",
		Args:    cobra.ArbitraryArgs,
		RunE:    func(cmd *cobra.Command, ids []string) error { return p.revoke(cmd.Context(), cmd, f, ids) },
	}
	fl := cmd.Flags()
	fl.BoolVar(&f.terminate, "terminate", false, "end those that run")
	fl.StringVarP(&f.signal, "signal", "s", "SIGTERM", "`SIGNAL` that Celery's workers end a process with")
	fl.StringArrayVar(&f.stamps, "stamp", nil, "revoke the tasks with this `NAME=VALUE`; may be repeated")
	return cmd
}

func (p *program) revoke(ctx context.Context, cmd *cobra.Command, f *revokeFlags, ids []string) error {
	if len(ids) == 0 && len(f.stamps) == 0 {
		return misuse(cmd, "Missing ids, or --stamp")
	}
	stamps := make(map[string][]string)
	for _, s := range f.stamps {
		name, value, ok := strings.Cut(s, "=")
		if !ok || name == "" {
			return misuse(cmd, "--stamp %s: want NAME=VALUE", s)
		}
		stamps[name] = append(stamps[name], value)
	}
	if _, err := p.connect(ctx); err != nil {
		return err
	}
	options := []umbel.RevokeOption{umbel.Signal(f.signal)}
	if f.terminate {
		options = append(options, umbel.Terminate())
	}
	err := errors.Join(p.app.Revoke(ctx, ids, options...), p.app.RevokeStamped(ctx, stamps, options...))
	if err != nil {
		return unavailable(err)
	}
	if b, err := p.app.Backend(ctx); err != nil || !keepsRecords(b) {
		fmt.Fprintln(p.Err, "the result store keeps no records: only workers that run now know of it")
	}
	if !p.global.quiet {
		for _, id := range ids {
			fmt.Fprintln(p.Out, "revoked", id)
		}
		for _, s := range f.stamps {
			fmt.Fprintln(p.Out, "revoked", s)
		}
	}
	return nil
}

func keepsRecords(b backend.Backend) bool {
	_, ok := b.(backend.Ledger)
	return ok
}
