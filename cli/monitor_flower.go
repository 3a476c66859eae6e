package cli

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/umbel-go/umbel/internal/python"
)

// What people give to Flower, as they give it: options, FLOWER_NAME in the environment, and flowerconfig.py.

// flowerFlags are options of Flower's that say something else here, or nothing.
type flowerFlags struct {
	conf  string
	empty emptyFlags
}

var emptyFlowerFlags = []emptyFlag{
	{"auto_refresh", "", false, "pages are live always"},
	{"natural_time", "", false, "pages tell both how long ago and when"},
	{"debug", "", false, "the log says what there is to say"},
	{"state_save_interval", "", true, "what was heard is on disk within a second"},
	{"max_workers", "", true, "workers that are gone are forgotten after --purge_offline_workers"},
	{"inspect_timeout", "", true, "workers are asked while one looks at their pages, and the page goes on when one is late"},
	{"cookie_secret", "", true, "sessions are kept in the monitor; a cookie says nothing by itself"},
	{"tasks_columns", "", true, "the table has the columns that fit"},
	{"task_columns", "", true, "the table has the columns that fit"},
	{"format_task", "", true, "--mask, --mask_tasks and --mask_all hide values"},
	{"task_runtime_metric_buckets", "", true, "the buckets are the same everywhere"},
	{"auth_provider", "", true, "--oidc_issuer names the provider"},
}

func (f *flowerFlags) add(fl *pflag.FlagSet) {
	fl.StringVar(&f.conf, "conf", "", "take options from this `FILE`, Flower's flowerconfig.py, where they are not given otherwise")
	f.empty.add(fl, emptyFlowerFlags)
}

// read takes options from the file that --conf names. It is read as data: what only running it would tell is an error.
func (f *flowerFlags) read(cmd *cobra.Command) error {
	if f.conf == "" {
		return nil
	}
	text, err := os.ReadFile(f.conf)
	if err != nil {
		return &fault{code: exitConfig, err: fmt.Errorf("--conf: %w", err)}
	}
	wrong := func(line int, format string, args ...any) error {
		return &fault{code: exitConfig, err: fmt.Errorf("%s:%d: "+format, append([]any{f.conf, line}, args...)...)}
	}
	module := python.Read(string(text))
	if len(module.Skipped) > 0 {
		return wrong(module.Skipped[0].Line, "cannot be read: %s", module.Skipped[0].Why)
	}
	for _, s := range module.Statements {
		if s.Target == nil || s.Target.Kind != python.Name || len(s.In) > 0 || strings.HasPrefix(s.Target.Text, "_") {
			continue // an import, a docstring, a function
		}
		name := s.Target.Text
		flag := cmd.Flags().Lookup(name)
		if flag == nil || name == "conf" {
			return wrong(s.Line, "there is no option %s.%s", name, didYouMean(name, flagNames(cmd), ""))
		}
		value, ok := flowerValue(s.Value)
		if !ok || s.Sign != "=" || len(s.Under) > 0 {
			return wrong(s.Line, "only running it would tell what %s is: give it as FLOWER_%s or --%s", name, strings.ToUpper(name), name)
		}
		if flag.Changed || s.Value.Kind == python.None {
			continue // the command line and the environment win
		}
		if err := cmd.Flags().Set(name, value); err != nil {
			return wrong(s.Line, "cannot take the value of %s", name) // it may be a secret
		}
	}
	return nil
}

// flowerValue writes a constant as the command line would.
func flowerValue(n *python.Node) (string, bool) {
	x, ok := n.Plain()
	if !ok {
		return "", false
	}
	switch v := x.(type) {
	case []any:
		words := make([]string, len(v))
		for i, w := range v {
			words[i] = fmt.Sprint(w)
		}
		return strings.Join(words, ","), true
	case map[string]any:
		return "", false
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), true
	}
	return fmt.Sprint(x), true
}

// flowerEnv takes options from FLOWER_NAME and UMBEL_MONITOR_NAME, or from the file that such a variable with _FILE behind it
// names, unless they are given on the command line.
func flowerEnv(cmd *cobra.Command) error {
	return takeEnv(cmd, slices.Concat([]string{"port", "address", "unix_socket", "url_prefix", "xheaders", "basic_auth", "users", "tokens", "anonymous", "read_only",
		"broker_api", "certfile", "keyfile", "ca_certs", "conf", "db", "persistent", "max_age", "max_size", "max_tasks", "purge_offline_workers", "mask", "mask_tasks", "mask_all", "enable_events"}, oidcNames, cloudNames)...)
}

// takeEnv does so for options by name.
func takeEnv(cmd *cobra.Command, names ...string) error {
	for _, name := range names {
		if cmd.Flags().Changed(name) {
			continue
		}
		for _, variable := range []string{"UMBEL_MONITOR_" + strings.ToUpper(name), "FLOWER_" + strings.ToUpper(name)} {
			value, ok := os.LookupEnv(variable)
			if file := os.Getenv(variable + "_FILE"); !ok && file != "" {
				text, err := os.ReadFile(file)
				if err != nil {
					return &fault{code: exitConfig, err: fmt.Errorf("%s_FILE: %w", variable, err)}
				}
				value, ok = strings.TrimRight(string(text), "\r\n"), true
			}
			if !ok {
				continue
			}
			if err := cmd.Flags().Set(name, value); err != nil {
				return &fault{code: exitUsage, err: fmt.Errorf("%s: cannot take its value for --%s", variable, name)} // it may be a secret
			}
			break
		}
	}
	return nil
}
