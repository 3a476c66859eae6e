package cli

import (
	"log/slog"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// settingFlags are options that set a setting, so that they are read, checked and shown as any other source.
type settingFlags struct {
	flags   *pflag.FlagSet
	setting map[string]string // option → setting
}

func (s *settingFlags) add(fl *pflag.FlagSet, name, short, setting, text string) {
	fl.StringP(name, short, "", text)
	s.note(fl, name, setting)
}

func (s *settingFlags) addSwitch(fl *pflag.FlagSet, name, short, setting, text string) {
	fl.BoolP(name, short, false, text)
	s.note(fl, name, setting)
}

func (s *settingFlags) note(fl *pflag.FlagSet, name, setting string) {
	if s.setting == nil {
		s.setting = make(map[string]string)
	}
	s.flags, s.setting[name] = fl, setting
}

// values are the settings that were given as options, and as setting=value arguments, which win.
func (s *settingFlags) values(cmd *cobra.Command, args []string, autoscale string) (map[string]string, error) {
	out := make(map[string]string)
	if autoscale != "" {
		most, _, _ := strings.Cut(autoscale, ",")
		if n, err := strconv.Atoi(strings.TrimSpace(most)); err != nil || n < 1 {
			return nil, misuse(cmd, "--autoscale %s: want MAX,MIN, such as 10,3", autoscale)
		}
		out["worker_concurrency"] = strings.TrimSpace(most)
	}
	s.flags.Visit(func(f *pflag.Flag) {
		if name := s.setting[f.Name]; name != "" {
			out[name] = f.Value.String()
			if name == "worker_loglevel" {
				out[name] = strings.ToLower(out[name])
			}
		}
	})
	for _, a := range args {
		name, value, ok := strings.Cut(a, "=")
		if !ok {
			return nil, misuse(cmd, "unexpected argument %q: settings are written as name=value, queues with -Q", a)
		}
		delete(out, strings.ReplaceAll(name, ".", "_"))
		out[name] = value
	}
	return out, nil
}

// emptyFlags are options of Celery's worker that have nothing to act on here. Command lines written for Celery go on
// working, and the log says why an option has no effect.
type emptyFlags struct{ flags *pflag.FlagSet }

type emptyFlag struct {
	name, short string
	text        bool // it takes a value
	why         string
}

var emptyWorkerFlags = []emptyFlag{
	{"without-gossip", "", false, "there is no gossip between workers"},
	{"without-mingle", "", false, "workers do not wait for each other at the start"},
	{"without-heartbeat", "", false, "no event heartbeats are sent"},
	{"heartbeat-interval", "", true, "no event heartbeats are sent yet"},
	{"optimization", "O", true, "a task is given to a slot when one is free: that is -O fair"},
	{"beat", "B", false, "the scheduler is not built yet: periodic tasks are not sent"},
	{"schedule", "s", true, "the scheduler is not built yet"},
	{"schedule-filename", "", true, "the scheduler is not built yet"},
	{"scheduler", "", true, "the scheduler is not built yet"},
	{"include", "I", true, "tasks are compiled into the program"},
	{"uid", "", true, "start the program as the user it is to be"},
	{"gid", "", true, "start the program as the group it is to be"},
	{"umask", "", true, "set the mask before the program starts"},
	{"executable", "", true, "the program is its own executable"},
}

func (e *emptyFlags) add(fl *pflag.FlagSet) {
	e.flags = fl
	for _, f := range emptyWorkerFlags {
		if f.text {
			fl.StringP(f.name, f.short, "", "")
		} else {
			fl.BoolP(f.name, f.short, false, "")
		}
		_ = fl.MarkHidden(f.name)
	}
}

// warn says of each that was given that it has no effect, and why.
func (e *emptyFlags) warn(log *slog.Logger) {
	for _, f := range emptyWorkerFlags {
		if e.flags.Changed(f.name) {
			log.Warn("option --"+f.name+" has no effect", "why", f.why)
		}
	}
}
