package cli

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/umbel-go/umbel/monitor/access"
)

func (p *program) monitorPasswdCommand() *cobra.Command {
	role := "viewer"
	cmd := &cobra.Command{
		Use:   "passwd FILE NAME",
		Short: "add a user to a file for --users, or change the password",
		Long: `Add a user to a file for "monitor --users", or give one a new password or role.
The password is the first line of standard input; the file keeps its hash only.

Roles: viewer looks; operator also acts on tasks and workers; admin may also stop
workers, purge queues and read the audit log.`,
		Example: "  read -s P && echo \"$P\" | umbel monitor passwd users.txt ann --role admin",
		Args:    wantArgs("FILE", "NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := access.ParseRole(role)
			if err != nil {
				return misuse(cmd, "--role: %w", err)
			}
			if strings.ContainsAny(args[1], ":\n#") || args[1] == "" {
				return misuse(cmd, "a name has no colon, no # and is not empty")
			}
			password, err := firstLine(p.In)
			if err != nil {
				return err
			}
			hash, err := access.Hash(password)
			if err != nil {
				return err
			}
			return keepLine(args[0], args[1], args[1]+":"+string(r)+":"+hash)
		},
	}
	cmd.Flags().StringVar(&role, "role", role, "viewer, operator or admin: `ROLE`")
	p.completeWords(cmd, "role", "viewer", "operator", "admin")
	return cmd
}

func (p *program) monitorTokenCommand() *cobra.Command {
	scope := "read"
	cmd := &cobra.Command{
		Use:   "token FILE NAME",
		Short: "make an API token, and add it to a file for --tokens",
		Long: `Make a token for a program, print it, and add it to a file for "monitor --tokens".
The file keeps its hash only, so that it is seen this once. The program sends it
as "Authorization: Bearer TOKEN".

Scopes: read; tasks (send, revoke, retry); workers (pools, consumers, limits);
admin (stop workers, purge queues, read the audit log).`,
		Example: "  umbel monitor token tokens.txt deploy --scope read,workers",
		Args:    wantArgs("FILE", "NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			scopes, err := access.ParseScopes(scope)
			if err != nil {
				return misuse(cmd, "--scope: %w", err)
			}
			if strings.ContainsAny(args[1], ":\n#") || args[1] == "" {
				return misuse(cmd, "a name has no colon, no # and is not empty")
			}
			t, text := access.NewToken(args[1], scopes)
			if err := keepLine(args[0], args[1], t.Line()); err != nil {
				return err
			}
			_, err = fmt.Fprintln(p.Out, text)
			return err
		},
	}
	cmd.Flags().StringVar(&scope, "scope", scope, "read, tasks, workers, admin: `SCOPES` with commas between them")
	return cmd
}

func firstLine(in io.Reader) (string, error) {
	line, err := bufio.NewReader(io.LimitReader(in, 4096)).ReadString('\n')
	line = strings.TrimRight(line, "\r\n")
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("read the password: %w", err)
	}
	if line == "" {
		return "", &fault{code: exitUsage, err: errors.New("no password on standard input")}
	}
	return line, nil
}

// keepLine writes a line that begins with a name into a file that only its owner may read, in place of the line that did.
func keepLine(path, name, line string) error {
	old, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return &fault{code: exitCantCreate, err: err}
	}
	var out bytes.Buffer
	for l := range strings.Lines(string(old)) {
		if !strings.HasPrefix(l, name+":") {
			out.WriteString(strings.TrimRight(l, "\n") + "\n")
		}
	}
	out.WriteString(line + "\n")
	fresh := path + ".new"
	if err := os.WriteFile(fresh, out.Bytes(), 0o600); err != nil {
		return &fault{code: exitCantCreate, err: err}
	}
	if err := os.Rename(fresh, path); err != nil {
		return &fault{code: exitCantCreate, err: err}
	}
	return nil
}
