package umbel

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/umbel-go/umbel/internal/schedule"
	"github.com/umbel-go/umbel/internal/setting"
)

// A ConfigEntry is one setting as it stands, fit to be shown: secrets are masked.
type ConfigEntry struct {
	Name   string // Celery's name
	Value  string // as a settings file would say it, in JSON
	Source string // file:line, variable, flag, "code", or "default"
	Effect string // "works", "no effect yet" or "accepted"
}

// Entries lists every setting that works, and of the others those that are set, in the order of the manual. Passwords are
// replaced by **.
func (c Config) Entries() []ConfigEntry {
	full := reflect.ValueOf(c.WithDefaults())
	given := reflect.ValueOf(c)
	field := make(map[string]int, full.NumField())
	for i := range full.NumField() {
		if name := full.Type().Field(i).Tag.Get("setting"); name != "" {
			field[name] = i
		}
	}
	var out []ConfigEntry
	table := setting.Table()
	for i := range table {
		row := &table[i]
		e := ConfigEntry{Name: row.Name, Effect: row.Class.String()}
		if at, ok := field[row.Name]; ok {
			e.Value = show(row, c.shown(row.Name, full.Field(at).Interface()))
			e.Source = c.source(row.Name, given.Field(at))
		} else if v, ok := c.loaded.set[row.Name]; ok {
			e.Value, e.Source = show(row, v.Value), v.Place.String()
		} else {
			continue
		}
		out = append(out, e)
	}
	return out
}

// source says where a field's value comes from. What differs from what was loaded has been set by code.
func (c Config) source(name string, now reflect.Value) string {
	v, loaded := c.loaded.set[name]
	switch {
	case loaded && reflect.DeepEqual(now.Interface(), c.loaded.values[name]):
		return v.Place.String()
	case now.IsZero():
		return "default"
	}
	return "code"
}

// show is a value in JSON with secrets masked.
func show(row *setting.Setting, v any) string {
	text, err := json.Marshal(row.Mask(wire(row, v)))
	if err != nil {
		return strconv.Quote(fmt.Sprint(err))
	}
	return strings.NewReplacer(`\u003c`, "<", `\u003e`, ">", `\u0026`, "&").Replace(string(text))
}

// wire turns a field's value into what a settings file would hold.
func wire(row *setting.Setting, v any) any {
	switch v := v.(type) {
	case *TLSOptions:
		if v == nil {
			return nil
		}
		return wire(row, setting.TLSOptions(*v))
	case setting.TLSOptions:
		return v.Plain(strings.HasPrefix(row.Name, "redis_"))
	case *PublishRetryPolicy:
		if v == nil {
			return nil
		}
		return wire(row, setting.RetryPolicy(*v))
	case setting.RetryPolicy:
		var retries any = v.MaxRetries
		if v.MaxRetries < 0 {
			retries = nil
		}
		return map[string]any{"max_retries": retries, "interval_start": v.IntervalStart.Seconds(),
			"interval_step": v.IntervalStep.Seconds(), "interval_max": v.IntervalMax.Seconds()}
	case []RouteRule:
		rules := make([]any, len(v))
		for i := range v {
			rules[i] = map[string]any{v[i].Pattern: any(v[i].Options)}
		}
		return rules
	case []QueueConfig:
		queues := make([]any, len(v))
		for i := range v {
			queues[i] = setting.Queue(v[i]).Plain()
		}
		return queues
	case []ScheduleEntry:
		entries := make([]schedule.Entry, len(v))
		for i := range v {
			entries[i] = schedule.Entry(v[i])
		}
		return setting.EntriesPlain(entries)
	case []schedule.Entry:
		return setting.EntriesPlain(v)
	case time.Duration:
		return max(v, 0).Seconds()
	case *bool:
		if v == nil {
			return nil
		}
		return *v
	case *int:
		if v == nil {
			return nil
		}
		return *v
	case int:
		if v == AutoPrefetch && row.Name == "worker_prefetch_multiplier" {
			return "auto"
		}
		return max(v, 0) // NoLimit is written as 0
	case map[string]any:
		if v == nil {
			return map[string]any{}
		}
	case []string:
		if v == nil {
			return []any{}
		}
	case string:
		if v == "" {
			return nil
		}
	}
	return v
}
