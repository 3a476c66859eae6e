package umbel

import (
	"errors"
	"maps"
	"reflect"
	"slices"

	"github.com/umbel-go/umbel/internal/setting"
)

// Load reads the app's settings as LoadConfig does, and puts them in force. An app made WithConfig keeps the settings it
// has, and takes only o.Flags over them. It returns the settings as they were given, without defaults, so that Entries can
// tell where each comes from. It is an error once the app has used its settings. Programs that have a command line call
// it; others need not.
func (a *App) Load(o LoadOptions) (Config, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.plan.Load() != nil {
		return Config{}, errors.New("load settings: the app has begun to use the ones it has")
	}
	if a.config != nil {
		c, err := a.config.override(o.Flags)
		if err == nil {
			full := c.WithDefaults()
			a.config = &full
		}
		return c, err
	}
	c, err := LoadConfig(o)
	if err != nil {
		return Config{}, err
	}
	full := c.WithDefaults()
	a.config = &full
	return c, nil
}

// override lays setting=value pairs over settings that were made in code.
func (c Config) override(flags map[string]string) (Config, error) {
	if len(flags) == 0 {
		return c, nil
	}
	s, err := setting.LoadFlags(flags)
	if err != nil {
		return Config{}, configError(err)
	}
	_, store := s.Values["result_backend"]
	if _, moved := s.Values["broker_url"]; moved {
		if !store && len(c.BrokerURL) > 0 && c.ResultBackend == c.BrokerURL[0] {
			c.ResultBackend = "" // it only followed the broker
		}
		c.BrokerHost = ""
	}
	old := c.loaded
	c.loaded = loaded{set: make(map[string]setting.Value), values: make(map[string]any), file: old.file, secrets: old.secrets,
		warnings: append(slices.Clip(old.warnings), s.Warnings...)}
	maps.Copy(c.loaded.set, old.set)
	maps.Copy(c.loaded.values, old.values)
	maps.Copy(c.loaded.set, s.Values)
	fields := reflect.ValueOf(&c).Elem()
	for i := range fields.NumField() {
		name := fields.Type().Field(i).Tag.Get("setting")
		if v, ok := s.Values[name]; ok && name != "" {
			assign(fields.Field(i), v)
			c.loaded.values[name] = fields.Field(i).Interface()
		}
	}
	return c, c.Check()
}
