package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// global are the options of every command. Celery wants them before the command; here they may stand anywhere.
type global struct {
	app     string
	file    string
	broker  string
	store   string
	profile string
	workdir string
	noColor bool
	quiet   bool
	version bool
	loader  string
	skip    bool
}

func (g *global) bind(f *pflag.FlagSet) {
	f.StringVarP(&g.app, "app", "A", "", "settings file `NAME`.yaml, .toml or .json")
	f.StringVarP(&g.broker, "broker", "b", "", "broker `URL`")
	f.StringVar(&g.store, "result-backend", "", "result store `URL`")
	f.StringVar(&g.profile, "profile", "", "settings `PROFILE`: production insists on a broker")
	f.StringVar(&g.file, "config", "", "settings `FILE`")
	f.StringVar(&g.workdir, "workdir", "", "change to this `DIR` first")
	f.BoolVarP(&g.noColor, "no-color", "C", false, "no colours")
	f.BoolVarP(&g.quiet, "quiet", "q", false, "say less")
	f.BoolVar(&g.version, "version", false, "print the version")
	f.StringVar(&g.loader, "loader", "", "")
	f.BoolVar(&g.skip, "skip-checks", false, "")
	_ = f.MarkHidden("loader") // Celery's, about Python alone
	_ = f.MarkHidden("skip-checks")
}

// flags are the settings that these options set, by name.
func (g *global) flags() map[string]string {
	m := make(map[string]string)
	if g.broker != "" {
		m["broker_url"] = g.broker
	}
	if g.store != "" {
		m["result_backend"] = g.store
	}
	if g.profile != "" {
		m["profile"] = g.profile
	}
	return m
}

// pythonModule is what -A names in Celery: a module, with or without the app's name in it.
var pythonModule = regexp.MustCompile(`^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*(:[A-Za-z_]\w*)?$`)

var settingsFiles = []string{".yaml", ".yml", ".toml", ".json"}

// settingsFile is what -A and --config name. A name that could be a Python module and is no file here is taken for one:
// command lines written for Celery go on working, on the usual settings file, and note says so.
func (g *global) settingsFile() (name, note string) {
	if g.file != "" {
		return g.file, ""
	}
	if g.app == "" || !pythonModule.MatchString(g.app) || slices.Contains(settingsFiles, strings.ToLower(filepath.Ext(g.app))) {
		return g.app, ""
	}
	for _, ext := range settingsFiles {
		if _, err := os.Stat(g.app + ext); err == nil {
			return g.app, ""
		}
	}
	return "", fmt.Sprintf("there is no settings file %s.yaml: taking -A %s for a Python module, and the usual settings", g.app, g.app)
}
