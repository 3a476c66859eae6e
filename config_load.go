package umbel

import (
	"fmt"
	"os"
	"reflect"
	"strings"
	"time"

	"github.com/umbel-go/umbel/internal/schedule"
	"github.com/umbel-go/umbel/internal/setting"
)

// LoadOptions say where LoadConfig looks. The zero value is what programs want.
type LoadOptions struct {
	// File is a settings file (.yaml, .yml, .toml or .json), or its name without extension; it must exist. Defaults to
	// what the variable UMBEL_APP names, else to "umbel", which need not exist. Celery: the option -A.
	File string

	// Dir is where a relative File is looked for. Defaults to the working directory.
	Dir string

	// Environ are the variables that are read, as NAME=value. Defaults to os.Environ().
	Environ []string

	// Flags are setting=value pairs of the command line.
	Flags map[string]string

	// Elsewhere says that the settings are looked at here and used elsewhere, where variables and secrets complete them: under
	// profile production a broker_url that is missing is no error then.
	Elsewhere bool
}

// A ConfigError holds everything that is wrong with the settings, each problem with its place: file and line, variable
// or flag.
type ConfigError struct {
	Problems []string

	err error
}

func (e *ConfigError) Error() string { return e.err.Error() }

// LoadConfig reads the settings. Later wins: defaults, the settings file, CELERY_ variables, UMBEL_ variables, flags. A
// variable named like a setting with _FILE appended names a file that holds the value, for secrets. The error is a
// *ConfigError with all problems at once.
func LoadConfig(o LoadOptions) (Config, error) {
	if o.Environ == nil {
		o.Environ = os.Environ()
	}
	s, err := setting.Load(setting.Sources{Dir: o.Dir, File: o.File, Environ: o.Environ, Flags: o.Flags})
	if err != nil {
		return Config{}, configError(err)
	}
	var c Config
	c.loaded = loaded{set: s.Values, values: make(map[string]any), warnings: s.Warnings, file: s.File}
	fields := reflect.ValueOf(&c).Elem()
	for i := range fields.NumField() {
		name := fields.Type().Field(i).Tag.Get("setting")
		if v, ok := s.Values[name]; ok && name != "" {
			assign(fields.Field(i), v)
			c.loaded.values[name] = fields.Field(i).Interface()
		}
	}
	checked := c
	if o.Elsewhere && !c.brokerNamed() {
		checked.Profile = ""
	}
	if err := checked.Check(); err != nil {
		return Config{}, err
	}
	c.mounted()
	if !c.brokerNamed() {
		c.loaded.warnings = append(c.loaded.warnings, "broker_url is not set: using the embedded broker "+embeddedURL)
	}
	return c, nil
}

// loaded is what LoadConfig keeps beside the values.
type loaded struct {
	set      map[string]setting.Value // settings that a source names, also those without a field
	values   map[string]any           // their fields as they were loaded, to notice what code has changed since
	warnings []string
	file     string
	secrets  map[string][]referred // by setting: what was read elsewhere
}

// Warnings are what a user should be told once about the settings: those without effect, those that were translated.
func (c Config) Warnings() []string { return c.loaded.warnings }

// File is the settings file that was read; "" when there was none.
func (c Config) File() string { return c.loaded.file }

// unlimited are the settings of which 0 says "no limit" or "never" and null says the same, while the field's zero is the
// default.
var unlimited = map[string]bool{
	"broker_heartbeat": true, "result_expires": true, "worker_prefetch_multiplier": true,
	"task_delivery_limit": true, "worker_proc_silence_timeout": true, "worker_terminate_grace": true, "broker_consumer_timeout": true, "broker_consumer_check": true,
}

// assign puts a setting's value into its field. Types agree: a test walks the table.
func assign(field reflect.Value, v setting.Value) {
	if unlimited[v.Setting.Name] {
		zero := v.Value == time.Duration(0) || v.Value == int64(0)
		if zero || v.Value == nil && field.Type() == reflect.TypeFor[time.Duration]() {
			field.SetInt(-1)
			return
		}
	}
	switch x := v.Value.(type) {
	case nil:
		field.SetZero()
	case setting.TLSOptions:
		field.Set(reflect.ValueOf(new(TLSOptions(x))))
	case setting.RetryPolicy:
		field.Set(reflect.ValueOf(new(PublishRetryPolicy(x))))
	case []setting.Route:
		rules := make([]RouteRule, len(x))
		for i := range x {
			rules[i] = RouteRule(x[i])
		}
		field.Set(reflect.ValueOf(rules))
	case []setting.Queue:
		queues := make([]QueueConfig, len(x))
		for i := range x {
			queues[i] = QueueConfig(x[i])
		}
		field.Set(reflect.ValueOf(queues))
	case []schedule.Entry:
		entries := make([]ScheduleEntry, len(x))
		for i := range x {
			entries[i] = ScheduleEntry(x[i])
		}
		field.Set(reflect.ValueOf(entries))
	default:
		value := reflect.ValueOf(x)
		if field.Kind() == reflect.Pointer {
			pointer := reflect.New(field.Type().Elem())
			pointer.Elem().Set(value.Convert(field.Type().Elem()))
			field.Set(pointer)
			return
		}
		field.Set(value.Convert(field.Type()))
	}
}

func configError(err error) error {
	var problems []string
	if e, ok := err.(*setting.Error); ok {
		for _, p := range e.Problems {
			problems = append(problems, p.String())
		}
	}
	return &ConfigError{Problems: problems, err: err}
}

// place says where a setting comes from, for an error.
func (c Config) place(name string) string {
	if v, ok := c.loaded.set[name]; ok {
		return fmt.Sprintf("%s: %s", v.Place, name)
	}
	return name
}

// problems gathers what Check finds.
type problems []string

func (p *problems) add(format string, a ...any) { *p = append(*p, fmt.Sprintf(format, a...)) }

func (p problems) err() error {
	switch len(p) {
	case 0:
		return nil
	case 1:
		return &ConfigError{Problems: p, err: fmt.Errorf("settings: %s", p[0])}
	}
	return &ConfigError{Problems: p, err: fmt.Errorf("settings: %d problems\n  %s", len(p), strings.Join(p, "\n  "))}
}
