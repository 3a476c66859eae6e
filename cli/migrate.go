package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/umbel-go/umbel/doctor"
	"github.com/umbel-go/umbel/migration"
)

// migrateFlags are those of umbel migrate celery.
type migrateFlags struct {
	live bool
	out  string
	pkg  string
	dry  bool
	json bool
}

func (p *program) migrateCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "migrate",
		Short: "write a Go program from a Celery one",
		Args:  cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(cmd, args[0])
			}
			return cmd.Help()
		},
	}
	cmd.AddCommand(p.migrateCeleryCommand())
	return cmd
}

func (p *program) migrateCeleryCommand() *cobra.Command {
	f := &migrateFlags{}
	cmd := &cobra.Command{
		Use:   "celery [PATH]...",
		Short: "write settings, Go stubs and a plan from a Celery program",
		Long: `Read a Celery program as data, never executing it, and write into a folder:

  umbel.yaml    its settings, as umbel doctor --fix writes them
  tasks/*.go    a function for each task, its inputs typed from the signature
  main.go       the program that runs them
  MIGRATION.md  the order in which to move the queues, what to check, how to go
                back, and everything that needs a hand

PATH is the project: settings modules, celery.py, tasks. --live also asks the
workers on the broker which tasks they have registered: their names are the true
ones, and tasks without a source get a stub that takes any arguments.`,
		Example: "  umbel migrate celery . -o ../shop-go\n  umbel migrate celery --live -b amqp://rabbit/shop -o shop-go",
		RunE:    func(cmd *cobra.Command, paths []string) error { return p.migrateCelery(cmd, paths, f) },
	}
	fl := cmd.Flags()
	fl.BoolVar(&f.live, "live", false, "ask the workers for the names of their tasks")
	fl.StringVarP(&f.out, "output", "o", "umbel-migration", "write into this `FOLDER`, which must not hold such files yet")
	fl.StringVar(&f.pkg, "package", "app/tasks", "import `PATH` of the package of tasks: its last word is the folder")
	fl.BoolVar(&f.dry, "dry-run", false, "print the plan, and write nothing")
	fl.BoolVarP(&f.json, "json", "j", false, "print what was found as JSON, and write nothing")
	return cmd
}

func (p *program) migrateCelery(cmd *cobra.Command, paths []string, f *migrateFlags) error {
	c := migration.Config{Root: ".", Package: f.pkg}
	if len(paths) == 0 && !f.live {
		paths = []string{"."}
	}
	if len(paths) > 0 {
		c.Root = paths[0]
		if info, err := os.Stat(paths[0]); err == nil && !info.IsDir() {
			c.Root = filepath.Dir(paths[0])
		}
	}
	if f.live {
		names, err := p.registered(cmd.Context())
		if err != nil {
			return err
		}
		c.Live = names
	}
	r := doctor.Nothing()
	if len(paths) > 0 {
		var err error
		r, err = doctor.Examine(paths...)
		switch {
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, doctor.ErrNothing):
			return &fault{code: exitUsage, err: err}
		case err != nil:
			return failed("%w", err)
		}
	}
	m, err := migration.New(r, c)
	if err != nil {
		return failed("%w", err)
	}
	switch {
	case f.json:
		return p.printJSON(summaryOf(m))
	case f.dry:
		for _, file := range m.Files {
			if file.Name == "MIGRATION.md" {
				_, err = p.Out.Write(file.Text)
			}
		}
		return err
	}
	if err := writeAll(f.out, m.Files); err != nil {
		return &fault{code: exitCantCreate, err: err}
	}
	for _, file := range m.Files {
		fmt.Fprintf(p.Out, "wrote %s\n", filepath.Join(f.out, file.Name))
	}
	hand := len(m.Items())
	fmt.Fprintf(p.Out, "%d %s, %d %s a hand: read %s\n", len(m.Tasks), plural(len(m.Tasks), "task"), hand, needs(hand), filepath.Join(f.out, "MIGRATION.md"))
	return nil
}

func needs(n int) string {
	if n == 1 {
		return "thing needs"
	}
	return "things need"
}

// registered asks the workers for the names of their tasks.
func (p *program) registered(ctx context.Context) ([]string, error) {
	if _, err := p.connect(ctx); err != nil {
		return nil, err
	}
	replies, err := p.app.Control().Call(ctx, "registered", nil)
	if err != nil {
		return nil, unavailable(err)
	}
	if len(replies) == 0 {
		return nil, &fault{code: exitUnavailable, err: errors.New("--live: no worker has answered: is one running on this broker?")}
	}
	names := []string{}
	for _, r := range replies {
		var list []string
		if err := r.Value.Decode(&list); err != nil {
			return nil, failed("--live: %s answers what is no list of tasks", r.Node)
		}
		for _, name := range list {
			name, _, _ = strings.Cut(name, " ") // what follows are its attributes
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// writeAll writes files that are not there yet: all of them, or none.
func writeAll(dir string, files []migration.File) error {
	for _, f := range files {
		if _, err := os.Lstat(filepath.Join(dir, f.Name)); err == nil {
			return fmt.Errorf("%s is there already: name another folder by --output", filepath.Join(dir, f.Name))
		}
	}
	for _, f := range files {
		path := filepath.Join(dir, f.Name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, f.Text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// found is what JSON shows of a migration.
type found struct {
	Tasks []foundTask      `json:"tasks"`
	Hand  []migration.Item `json:"hand"`
	Notes []string         `json:"notes"`
}

type foundTask struct {
	Name  string `json:"name"`
	Queue string `json:"queue"`
	Place string `json:"place,omitempty"`
	Live  bool   `json:"live"`
	Beat  bool   `json:"beat"`
}

func summaryOf(m *migration.Migration) found {
	out := found{Tasks: []foundTask{}, Hand: m.Items(), Notes: m.Notes}
	for _, t := range m.Tasks {
		place := ""
		if t.Source {
			place = t.Place.String()
		}
		out.Tasks = append(out.Tasks, foundTask{t.Name, t.Queue, place, t.Live, t.Beat})
	}
	return out
}
