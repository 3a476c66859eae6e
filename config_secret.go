package umbel

import (
	"context"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/umbel-go/umbel/internal/setting"
	"github.com/umbel-go/umbel/secret"
)

// secretsWithin bounds the reading of all secrets of the settings.
const secretsWithin = 30 * time.Second

// A referred is what stands in a setting in place of a reference to a secret.
type referred struct {
	text  string // the reference
	part  int    // of a secret that holds several URLs: which
	value string // what was read: while the setting has it, it comes from there
}

// ReadSecrets returns the settings with every reference to a secret (secretsmanager://NAME#KEY, ssm://NAME, file:PATH; see package
// secret) replaced by what it refers to. It is taken by settings that are a URL or a secret, by broker_user, redis_username and
// beat_schedule_filename, and by secret transport options. The result still knows where each comes from: Entries shows the
// references, and connections ask for them again when what they hold is refused. An App reads the secrets of its settings when it
// first needs them. The error is a *ConfigError.
func (c Config) ReadSecrets(ctx context.Context) (Config, error) {
	if !c.refers() {
		return c, nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, secretsWithin, fmt.Errorf("not all secrets were read within %v", secretsWithin))
	defer cancel()
	c.loaded.secrets = maps.Clone(c.loaded.secrets)
	if c.loaded.secrets == nil {
		c.loaded.secrets = make(map[string][]referred)
	}
	c.loaded.values = maps.Clone(c.loaded.values)
	read := func(name string, value any) {
		if _, known := c.loaded.values[name]; known {
			c.loaded.values[name] = value // it still comes from where it was set
		}
	}
	var p problems
	fail := func(name string, err error) { p.add("%s: %v", c.place(name), err) }
	for name, field := range c.secretTexts() {
		if !secret.Is(*field) {
			continue
		}
		value, err := secret.Read(ctx, *field)
		if err != nil {
			fail(name, err)
			continue
		}
		c.loaded.secrets[name] = []referred{{text: *field, value: value}}
		*field = value
		read(name, value)
	}
	for name, list := range c.secretLists() {
		if !slices.ContainsFunc(*list, secret.Is) {
			continue
		}
		urls, from, err := readURLs(ctx, *list)
		if err != nil {
			fail(name, err)
		}
		*list, c.loaded.secrets[name] = urls, from
		read(name, urls)
	}
	for name, options := range map[string]*map[string]any{
		"broker_transport_options": &c.BrokerTransportOptions, "result_backend_transport_options": &c.ResultBackendTransportOptions,
	} {
		values, err := readOptions(ctx, *options)
		if err != nil {
			fail(name, err)
			continue
		}
		*options = values
		read(name, values)
	}
	slices.Sort(p)
	return c, p.err()
}

// Secrets are the references to secrets among the settings, as they are written, before ReadSecrets.
func (c Config) Secrets() []string {
	var out []string
	for _, text := range c.secretTexts() {
		if secret.Is(*text) {
			out = append(out, *text)
		}
	}
	for _, list := range c.secretLists() {
		out = append(out, slices.DeleteFunc(slices.Clone(*list), func(u string) bool { return !secret.Is(u) })...)
	}
	if secret.Is(c.BrokerCredentialsFile) {
		out = append(out, c.BrokerCredentialsFile)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// secretTexts are the settings of one text that may refer to a secret, by name.
func (c *Config) secretTexts() map[string]*string {
	texts := map[string]*string{"broker_user": &c.BrokerUser, "redis_username": &c.RedisUsername, "beat_schedule_filename": &c.BeatScheduleFilename}
	fields := reflect.ValueOf(c).Elem()
	for i := range fields.NumField() {
		row, ok := setting.Lookup(fields.Type().Field(i).Tag.Get("setting"))
		if !ok {
			continue
		}
		if text, is := fields.Field(i).Addr().Interface().(*string); is && (row.Secret || row.Type == setting.URL) {
			texts[row.Name] = text
		}
	}
	return texts
}

// secretLists are the settings of several URLs.
func (c *Config) secretLists() map[string]*[]string {
	return map[string]*[]string{"broker_url": &c.BrokerURL, "broker_write_url": &c.BrokerWriteURL, "broker_read_url": &c.BrokerReadURL}
}

// refers reports whether any setting refers to a secret.
func (c Config) refers() bool {
	for _, text := range c.secretTexts() {
		if secret.Is(*text) {
			return true
		}
	}
	for _, list := range c.secretLists() {
		if slices.ContainsFunc(*list, secret.Is) {
			return true
		}
	}
	return optionsRefer(c.BrokerTransportOptions) || optionsRefer(c.ResultBackendTransportOptions)
}

// readURLs reads a list of URLs, of which some refer to secrets that may hold several each.
func readURLs(ctx context.Context, in []string) (urls []string, from []referred, err error) {
	for _, u := range in {
		if !secret.Is(u) {
			urls, from = append(urls, u), append(from, referred{})
			continue
		}
		text, err := secret.Read(ctx, u)
		if err != nil {
			return in, nil, err
		}
		for part, one := range setting.SplitURLs(text) {
			urls, from = append(urls, one), append(from, referred{text: u, part: part, value: one})
		}
	}
	return urls, from, nil
}

func optionsRefer(options map[string]any) bool {
	for name, v := range options {
		switch v := v.(type) {
		case string:
			if setting.SecretName(name) && secret.Is(v) {
				return true
			}
		case map[string]any:
			if optionsRefer(v) {
				return true
			}
		}
	}
	return false
}

// readOptions reads the secrets among options, by the names of the options.
func readOptions(ctx context.Context, in map[string]any) (map[string]any, error) {
	if !optionsRefer(in) {
		return in, nil
	}
	out := maps.Clone(in)
	for name, v := range in {
		var err error
		switch v := v.(type) {
		case string:
			if setting.SecretName(name) {
				out[name], err = secret.Read(ctx, v)
			}
		case map[string]any:
			out[name], err = readOptions(ctx, v)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return out, nil
}

// reference is where the n-th value of a setting comes from, if it is still what was read there.
func (c *Config) reference(name string, n int, value string) (referred, bool) {
	list := c.loaded.secrets[name]
	if n >= len(list) || list[n].text == "" || list[n].value != value {
		return referred{}, false
	}
	return list[n], true
}

// shown is a setting's value as it may be shown: a reference in place of what was read there.
func (c *Config) shown(name string, value any) any {
	switch v := value.(type) {
	case string:
		if r, ok := c.reference(name, 0, v); ok {
			return r.text
		}
	case []string:
		out := slices.Clone(v)
		for i, one := range v {
			if r, ok := c.reference(name, i, one); ok {
				out[i] = r.text
			}
		}
		return slices.Compact(out)
	}
	return value
}

// mounted notes what came from files that variables name, NAME_FILE: it is read again when it is refused.
func (c *Config) mounted() {
	for name, v := range c.loaded.set {
		if v.Place.Variable == "" || v.Place.File == "" || strings.Contains(v.Place.File, "#") {
			continue
		}
		var values []string
		switch text := v.Value.(type) {
		case string:
			values = []string{text}
		case []string:
			values = text
		}
		_, one := c.secretTexts()[name]
		if _, several := c.secretLists()[name]; !one && !several {
			continue
		}
		if c.loaded.secrets == nil {
			c.loaded.secrets = make(map[string][]referred)
		}
		for part, value := range values {
			c.loaded.secrets[name] = append(c.loaded.secrets[name], referred{"file:" + v.Place.File, part, value})
		}
	}
}
