package cli

import (
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// settingFlags are options that set a setting, so that they are read, checked and shown as any other source.
type settingFlags struct {
	setting map[string]string // option → setting
}

func (s *settingFlags) add(fl *pflag.FlagSet, name, short, setting, text string) {
	fl.StringP(name, short, "", text)
	s.note(name, setting)
}

func (s *settingFlags) addSwitch(fl *pflag.FlagSet, name, short, setting, text string) {
	fl.BoolP(name, short, false, text)
	s.note(name, setting)
}

func (s *settingFlags) note(name, setting string) {
	if s.setting == nil {
		s.setting = make(map[string]string)
	}
	s.setting[name] = setting
}

// addMetrics adds the option that says where metrics and health are shown.
func (s *settingFlags) addMetrics(fl *pflag.FlagSet) {
	s.add(fl, "metrics", "", "metrics_address", "show /metrics, /livez and /readyz at this `ADDRESS`, such as 127.0.0.1:9808")
}

// values are the settings that were given as options, and as setting=value arguments, which win.
func (s *settingFlags) values(cmd *cobra.Command, args []string) (map[string]string, error) {
	out := make(map[string]string)
	cmd.Flags().Visit(func(f *pflag.Flag) {
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
type emptyFlags struct {
	flags *pflag.FlagSet
	known []emptyFlag
}

type emptyFlag struct {
	name, short string
	text        bool // it takes a value
	why         string
}

var emptyWorkerFlags = []emptyFlag{
	{"without-gossip", "", false, "there is no gossip between workers"},
	{"without-mingle", "", false, "workers do not wait for each other at the start"},
	{"optimization", "O", true, "a task is given to a slot when one is free: that is -O fair"},
	{"scheduler", "", true, "there is one scheduler; -s says where it keeps its schedule"},
	{"include", "I", true, "tasks are compiled into the program"},
	{"uid", "", true, "start the program as the user it is to be"},
	{"gid", "", true, "start the program as the group it is to be"},
	{"umask", "", true, "set the mask before the program starts"},
	{"executable", "", true, "the program is its own executable"},
}

var emptyBeatFlags = []emptyFlag{
	{"scheduler", "S", true, "there is one scheduler; -s says where it keeps its schedule"},
	{"uid", "", true, "start the program as the user it is to be"},
	{"gid", "", true, "start the program as the group it is to be"},
	{"umask", "", true, "set the mask before the program starts"},
	{"executable", "", true, "the program is its own executable"},
}

func (e *emptyFlags) add(fl *pflag.FlagSet, known []emptyFlag) {
	e.flags, e.known = fl, known
	for _, f := range known {
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
	for _, f := range e.known {
		if e.flags.Changed(f.name) {
			log.Warn("option --"+f.name+" has no effect", "why", f.why)
		}
	}
}

// secondsFlag reads an option that is a number of seconds, as Celery has it, or a duration such as 500ms. 0 is not given.
func secondsFlag(cmd *cobra.Command, name, text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(text)
	if n, numeric := strconv.ParseFloat(text, 64); numeric == nil {
		d, err = time.Duration(n*float64(time.Second)), nil
	}
	if err != nil || d <= 0 || d > 365*24*time.Hour {
		return 0, misuse(cmd, "--%s %s: want a number of seconds, such as 2", name, text)
	}
	return d, nil
}
