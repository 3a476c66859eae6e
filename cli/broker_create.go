package cli

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/umbel-go/umbel/internal/amazonmq"
	"github.com/umbel-go/umbel/internal/amazonmq/account"
	"github.com/umbel-go/umbel/secret"
)

type brokerCreation struct {
	brokerFlags
	password    string // where it is
	region      string
	yes, noWait bool
	json        bool
	within      time.Duration
}

func (p *program) brokerCreateCommand() *cobra.Command {
	var f brokerCreation
	cmd := &cobra.Command{
		Use:   "create NAME",
		Short: "create a broker, and wait until it runs",
		Long: `Create a broker as "umbel broker plan" shows it, wait until it runs, and print its
addresses. Nothing is created that AWS would refuse.

The password of its user comes from where --password-from says: file:PATH,
secretsmanager://NAME#KEY, ssm://NAME, or - for the first line of standard input.
It is never taken from the command line, which other users can see.`,
		Example: `  umbel broker create orders-prod --private --subnet-ids subnet-0a1b2c3d,subnet-1a2b3c4d \
      --security-groups sg-0a1b2c3d --password-from secretsmanager://orders/broker#password --yes`,
		Args: oneArg("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			plan, need, err := f.read(p, cmd, args[0])
			if err != nil {
				return err
			}
			return p.brokerCreate(cmd, plan, need, &f)
		},
	}
	f.bind(p, cmd)
	fl := cmd.Flags()
	fl.StringVar(&f.password, "password-from", "-", "`WHERE` the password is: file:PATH, secretsmanager://NAME#KEY, ssm://NAME, or -")
	fl.StringVar(&f.region, "region", "", "AWS `REGION`; defaults to the SDK's")
	fl.BoolVarP(&f.yes, "yes", "y", false, "do not ask")
	fl.BoolVar(&f.noWait, "no-wait", false, "do not wait until it runs")
	fl.DurationVar(&f.within, "within", account.DefaultPauses.Within, "give up waiting after this `DURATION`; the broker is made all the same")
	fl.BoolVarP(&f.json, "json", "j", false, "print JSON")
	return cmd
}

func (p *program) brokerCreate(cmd *cobra.Command, plan amazonmq.Plan, need amazonmq.Need, f *brokerCreation) error {
	if refused := plan.Refused(); len(refused) > 0 {
		for _, r := range refused {
			fmt.Fprintf(p.Err, "refused  %s\n", r)
		}
		return failed("AWS would refuse broker %q: nothing was created", plan.Name)
	}
	if !f.yes {
		if f.password == "-" {
			return misuse(cmd, "--yes, or --password-from somewhere else: standard input has the password, and cannot answer")
		}
		p.showPlan(plan, need)
		p.showProblems(nil, plan.Doubts(need))
		if err := p.confirm(cmd.Context(), "Create it? It costs money from then on."); err != nil {
			return err
		}
	} else {
		for _, d := range plan.Doubts(need) {
			fmt.Fprintf(p.Err, "doubt    %s\n", d)
		}
	}
	password, err := p.brokerPassword(cmd, f.password)
	if err != nil {
		return err
	}
	a, err := account.Open(cmd.Context(), f.region)
	if err != nil {
		return &fault{code: exitConfig, err: err}
	}
	id, err := a.Create(cmd.Context(), plan, password)
	if err != nil {
		return failed("%w", err)
	}
	fmt.Fprintf(p.Err, "broker %s is being created in %s: %s\n", plan.Name, a.Region(), id)
	var b *amazonmq.Broker
	if f.noWait {
		b, err = a.Describe(cmd.Context(), id)
	} else {
		b, err = p.awaitBroker(cmd.Context(), a, id, f.within)
	}
	if err != nil {
		return failed("%w", err)
	}
	if f.json {
		return p.printJSON(b)
	}
	p.showBroker(b)
	if b.Running() && len(b.Endpoints) > 0 {
		fmt.Fprintf(p.Out, "\nnext: make a user for workers that is no administrator, keep its URL in a secret,\nand set broker_url: secretsmanager://NAME#KEY; then umbel doctor connect.\n")
	}
	return nil
}

// awaitBroker waits and tells each state.
func (p *program) awaitBroker(ctx context.Context, a *account.Account, id string, within time.Duration) (*amazonmq.Broker, error) {
	pauses := account.DefaultPauses
	pauses.Within = within
	return a.Wait(ctx, id, pauses, func(state string, since time.Duration) {
		fmt.Fprintf(p.Err, "%6s  %s\n", since.Round(time.Second), state)
	})
}

// brokerPassword reads the password from where it is, and checks it by AWS's rules.
func (p *program) brokerPassword(cmd *cobra.Command, from string) (string, error) {
	var password string
	var err error
	switch {
	case from == "-":
		password, err = firstLine(io.LimitReader(p.In, 4096))
	case !secret.Is(from):
		return "", misuse(cmd, "--password-from: want file:PATH, secretsmanager://NAME#KEY, ssm://NAME or -: a password on the command line can be seen by others")
	default:
		password, err = secret.Read(cmd.Context(), from)
	}
	if err != nil {
		return "", &fault{code: exitConfig, err: fmt.Errorf("read the password: %w", err)}
	}
	if why := amazonmq.CheckPassword(strings.TrimRight(password, "\r\n")); why != "" {
		return "", &fault{code: exitConfig, err: fmt.Errorf("the password: %s", why)}
	}
	return strings.TrimRight(password, "\r\n"), nil
}
