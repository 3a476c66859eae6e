package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/umbel-go/umbel/doctor"
)

// checkup is what umbel doctor is asked to do.
type checkup struct {
	json    bool
	fix     string
	failOn  string
	ignore  []string
	aws     awsCheckup
	results bool
}

func (p *program) doctorCommand() *cobra.Command {
	var c checkup
	cmd := &cobra.Command{
		Use:   "doctor [FILE|FOLDER]...",
		Short: "say what is wrong with a Celery or Umbel setup, and what to write",
		Long: `Read settings, command lines, variables, ECS task definitions and Terraform, and
say what in them is ignored, wrong or dangerous, how bad it is, why, and what to
write instead. Celery's settings are read as data: nothing is ever executed.

A folder is read whole: .py, .sh, .env, .json, .tf, .yaml, .toml and the code in
.md. Without a name it is the working directory. The exit code is 1 if something
as bad as --fail-on was found, or a file that was named could not be read. A
comment "doctor: ignore RULE" excuses its line and the next one.

With --aws it also asks AWS about the broker of the settings, and whether their
secrets can be read; it changes nothing there. With --results it also looks into
the result store of the settings: Redis, PostgreSQL or SQLite.`,
		Example: `  umbel doctor config/ deploy/worker.json
  umbel doctor --aws=orders-prod --workers 200 --senders 80
  umbel doctor --results
  umbel doctor --fix umbel.yaml config/celery.py`,
		RunE: func(cmd *cobra.Command, paths []string) error { return p.doctor(cmd, paths, c) },
	}
	f := cmd.Flags()
	f.BoolVarP(&c.json, "json", "j", false, "print JSON")
	f.StringVar(&c.fix, "fix", "", "write the Celery settings that were read to `FILE`, as Umbel's")
	f.StringVar(&c.failOn, "fail-on", "medium", "fail if something as bad as `SEVERITY` is found: low, medium, high, critical or none")
	f.StringSliceVar(&c.ignore, "ignore", nil, "leave out these `RULES`, divided by commas")
	f.BoolVar(&c.results, "results", false, "also look into the live result store: result_backend, or --result-backend")
	c.aws.bind(f)
	p.completeWords(cmd, "fail-on", "low", "medium", "high", "critical", "none")
	cmd.AddCommand(p.doctorConnectCommand(), &cobra.Command{
		Use:   "rules",
		Short: "list what doctor looks for",
		Args:  noArgs,
		RunE: func(*cobra.Command, []string) error {
			t := table{heads: []string{"rule", "finds"}}
			for _, r := range doctor.Rules() {
				t.add(r.Name, r.About)
			}
			t.write(p.Out, p.paint)
			return nil
		},
	})
	return cmd
}

func (p *program) doctor(cmd *cobra.Command, paths []string, c checkup) error {
	var limit doctor.Severity
	if c.failOn != "none" {
		if err := limit.UnmarshalText([]byte(c.failOn)); err != nil {
			return misuse(cmd, "--fail-on: %w, or none", err)
		}
	}
	for _, name := range c.ignore {
		if !slices.ContainsFunc(doctor.Rules(), func(r doctor.Rule) bool { return r.Name == name }) {
			return misuse(cmd, "--ignore: there is no rule %q: umbel doctor rules lists them", name)
		}
	}
	r, err := &doctor.Report{Findings: []doctor.Finding{}, Read: []string{}, Unread: []doctor.Unread{}}, error(nil)
	if len(paths) == 0 && c.aws.broker == "" && !c.results {
		paths = []string{"."}
	}
	if len(paths) > 0 {
		r, err = doctor.Examine(paths...)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, doctor.ErrNothing):
		return &fault{code: exitUsage, err: err}
	case err != nil:
		return failed("%w", err)
	}
	if c.aws.broker != "" {
		if err := p.doctorAWS(cmd, r, c.aws); err != nil {
			return err
		}
	}
	if c.results {
		if err := p.doctorResults(cmd, r); err != nil {
			return err
		}
	}
	r.Findings = slices.DeleteFunc(r.Findings, func(f doctor.Finding) bool { return slices.Contains(c.ignore, f.Rule) })
	if c.json {
		out := json.NewEncoder(p.Out)
		out.SetIndent("", "  ")
		out.SetEscapeHTML(false)
		if err := out.Encode(r); err != nil {
			return err
		}
	} else {
		p.diagnosis(r)
	}
	if c.fix != "" {
		if err := p.fix(r, c.fix); err != nil {
			return err
		}
	}
	if limit > 0 && (r.Worst() >= limit || slices.ContainsFunc(paths, func(path string) bool { return unread(r, path) })) {
		return &fault{code: exitFailure}
	}
	return nil
}

// unread tells whether nothing could be made of a file that was named.
func unread(r *doctor.Report, path string) bool {
	return !slices.Contains(r.Read, path) && slices.ContainsFunc(r.Unread, func(u doctor.Unread) bool { return u.Place.File == path })
}

// fix writes settings to a file that is not there yet.
func (p *program) fix(r *doctor.Report, path string) error {
	text, err := r.Settings()
	if err != nil {
		return failed("--fix: %w", err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return &fault{code: exitCantCreate, err: fmt.Errorf("--fix: %s is there already: name another file, or move it away", path)}
	}
	if err == nil {
		_, err = f.Write(text)
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		return &fault{code: exitCantCreate, err: fmt.Errorf("--fix: %w", err)}
	}
	fmt.Fprintf(p.Err, "wrote %s\n", path)
	return nil
}

// diagnosis prints a report for people.
func (p *program) diagnosis(r *doctor.Report) {
	for _, f := range r.Findings {
		weight := f.Severity.String()
		if f.Severity >= doctor.High {
			weight = p.paint.red(weight)
		} else {
			weight = p.paint.bold(weight)
		}
		fmt.Fprintf(p.Out, "%s  %s  %s\n", p.paint.bold(f.Place.String()), weight, p.paint.faint(string(f.Verdict)+" · "+f.Rule))
		p.paragraph("  ", f.What)
		p.paragraph("  why: ", f.Why)
		p.paragraph("  instead: ", f.Instead)
		fmt.Fprintln(p.Out)
	}
	for _, l := range r.Live {
		p.paragraph(p.paint.bold(l.Place.String())+"  ", l.Found)
		fmt.Fprintln(p.Out)
	}
	for _, u := range r.Unread {
		fmt.Fprintf(p.Out, "%s  %s\n", p.paint.bold(u.Place.String()), "not read: "+u.Why)
	}
	if len(r.Unread) > 0 {
		fmt.Fprintln(p.Out)
	}
	fmt.Fprintln(p.Out, verdict(r))
}

// verdict is the last line: how many findings of each weight, in how many files.
func verdict(r *doctor.Report) string {
	counts := make(map[string]int)
	for _, name := range r.Read {
		switch kind, _, _ := strings.Cut(name, ":"); kind {
		case "aws":
			counts["broker"]++
		case "store":
			counts["result store"]++
		default:
			counts["file"]++
		}
	}
	var read []string
	for _, what := range []string{"file", "broker", "result store"} {
		if n := counts[what]; n > 0 || len(r.Read) == 0 && what == "file" {
			read = append(read, fmt.Sprintf("%d %s", n, plural(n, what)))
		}
	}
	files := strings.Join(read, " and ") + " read"
	nothing := "nothing is the matter"
	if len(r.Unread) > 0 {
		nothing += " in what could be read"
	}
	if len(r.Findings) == 0 {
		return files + ": " + nothing
	}
	var parts []string
	for s := doctor.Critical; s >= doctor.Low; s-- {
		n := 0
		for _, f := range r.Findings {
			if f.Severity == s {
				n++
			}
		}
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, s))
		}
	}
	return files + ": " + strings.Join(parts, ", ")
}

// columns of what is printed for people, in columns.
const columns = 80

// paragraph prints text behind a head, its later lines indented.
func (p *program) paragraph(head, text string) {
	line := head
	for i, word := range strings.Fields(text) {
		if i > 0 && len([]rune(line))+1+len([]rune(word)) > columns {
			fmt.Fprintln(p.Out, line)
			line = "    "
		} else if i > 0 {
			line += " "
		}
		line += word
	}
	fmt.Fprintln(p.Out, line)
}
