package cli

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/umbel-go/umbel/topology"
)

type applyFlags struct {
	topologyFlags
	passwords string
	generate  bool
	change    bool
	dry       bool
	force     bool
}

func (p *program) topologyApplyCommand() *cobra.Command {
	f := &applyFlags{}
	cmd := &cobra.Command{
		Use:   "apply",
		Short: "make what RabbitMQ lacks of what the settings need",
		Long: `Make what RabbitMQ lacks of what the settings need, and tell what was made. What
is there stays as it is: nothing is deleted, and what differs is left alone,
unless --change sets permissions and the policy. A queue that differs is moved by
umbel topology migrate. It can be repeated at any time.

Users are made when they have a password: from a file of lines "name: password"
that only its owner may read, or from standard input (-), never from the command
line. --generate-passwords makes them and prints each once.`,
		Example: `  umbel topology apply -b amqp://admin:secret@rabbit/shop --passwords users.secret
  umbel topology apply --roles none`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return p.topologyApply(cmd, f) },
	}
	f.bind(cmd, true)
	fl := cmd.Flags()
	fl.StringVar(&f.passwords, "passwords", "", "passwords of new users: a `FILE` of lines \"name: password\", or - for standard input")
	fl.BoolVar(&f.generate, "generate-passwords", false, "make a password for each new user without one, and print it")
	fl.BoolVar(&f.change, "change", false, "set permissions and the policy where they differ")
	fl.BoolVar(&f.dry, "dry-run", false, "show what would be made, and stop")
	fl.BoolVarP(&f.force, "force", "f", false, "do not ask")
	return cmd
}

// applied is what JSON shows.
type applied struct {
	Made      []topology.Difference `json:"made"`
	Left      []topology.Difference `json:"left"`
	Passwords map[string]string     `json:"passwords,omitempty"` // generated ones
	Notes     []string              `json:"notes"`
}

func (p *program) topologyApply(cmd *cobra.Command, f *applyFlags) error {
	if f.json && !f.force && !f.dry {
		return misuse(cmd, "--json asks nothing: give --force, or --dry-run")
	}
	plan, m, err := f.live(p, cmd)
	if err != nil {
		return err
	}
	o := topology.ApplyOptions{Generate: f.generate, Change: f.change}
	if o.Passwords, err = p.passwords(f.passwords); err != nil {
		return err
	}
	d, err := plan.Compare(cmd.Context(), m)
	if err != nil {
		return managementFault(err)
	}
	if !f.json && (f.dry || !f.force) {
		p.printDrift(d.Differences)
		p.printNotes(d.Notes)
	}
	if f.dry {
		if f.json {
			return p.printJSON(d)
		}
		return nil
	}
	if !d.Clean() && !f.force {
		if f.passwords == "-" {
			return misuse(cmd, "--passwords - takes standard input, so that nothing can be asked: give --force, or --dry-run first")
		}
		if err := p.confirm(cmd.Context(), fmt.Sprintf("\nMake what is missing at %s, virtual host %s?", m.Host(), m.Vhost())); err != nil {
			return err
		}
	}
	out := applied{Made: []topology.Difference{}, Notes: d.Notes}
	o.Made = func(d topology.Difference) { out.Made = append(out.Made, d) }
	done, err := d.Apply(cmd.Context(), m, o)
	out.Left, out.Passwords = done.Left, done.Generated
	if f.json {
		return errors.Join(p.printJSON(out), managementFault(err))
	}
	fmt.Fprintf(p.Out, "made %d\n", len(out.Made))
	for _, name := range slices.Sorted(maps.Keys(out.Passwords)) {
		fmt.Fprintf(p.Out, "%s: %s\n", name, out.Passwords[name])
	}
	if err != nil {
		return managementFault(err)
	}
	if len(out.Left) > 0 {
		fmt.Fprintf(p.Out, "left as it is: %d\n", len(out.Left))
		p.printDrift(out.Left)
	}
	return nil
}

// passwordsMost bounds what is read of passwords, bytes.
const passwordsMost = 64 << 10

// passwords reads lines "name: password".
func (p *program) passwords(from string) (map[string]string, error) {
	var in io.Reader
	switch from {
	case "":
		return nil, nil
	case "-":
		in = p.In
	default:
		f, err := os.Open(from)
		if err != nil {
			return nil, &fault{code: exitUsage, err: fmt.Errorf("--passwords: %w", err)}
		}
		defer f.Close()
		info, err := f.Stat()
		if err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o077 != 0 {
			return nil, &fault{code: exitUsage, err: fmt.Errorf("--passwords: others than its owner may read %s: chmod 600 it", from)}
		}
		in = f
	}
	out := make(map[string]string)
	lines := bufio.NewScanner(io.LimitReader(in, passwordsMost))
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, password, ok := strings.Cut(line, ":")
		if password = strings.TrimSpace(password); !ok || password == "" {
			return nil, &fault{code: exitUsage, err: fmt.Errorf("--passwords: line %d is not like \"name: password\"", n)}
		}
		out[strings.TrimSpace(name)] = password
	}
	return out, lines.Err()
}
