package doctor

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/umbel-go/umbel/internal/python"
	"github.com/umbel-go/umbel/internal/setting"
)

// Settings writes the Celery settings that were read as a settings file of Umbel, with the faults mended that have one remedy.
// What is no plain value stands there as a comment that says where it came from. What Umbel would refuse is an error.
func (r *Report) Settings() ([]byte, error) {
	celery := *r.system
	celery.assigned = slices.DeleteFunc(slices.Clone(celery.assigned), func(a assigned) bool { return !a.celery })
	celery.set = make(map[string]value)
	celery.settle()
	if len(celery.assigned) == 0 {
		return nil, fmt.Errorf("no Celery settings among what was read: there is nothing to write")
	}
	f := fixer{system: &celery, out: make(map[string]any)}
	for _, known := range setting.Table() {
		if v, ok := celery.set[known.Name]; ok && !known.Own && v.Node != nil && !f.aside(known, v) {
			f.setting(known, v)
		}
	}
	f.unserved()
	f.yielded()
	text := f.file()
	if _, err := setting.Parse("umbel.yaml", text); err != nil {
		return nil, fmt.Errorf("the settings make no settings file of Umbel's: %w", err)
	}
	return text, nil
}

// A fixer turns Celery settings into Umbel's.
type fixer struct {
	*system
	names []string       // in the order of the manual
	out   map[string]any // by name
	notes []string       // what could not be written
}

// aside tells, and says, that a setting is given by settings for tests or development alone, beside others that are not.
func (f *fixer) aside(known setting.Setting, v value) bool {
	at, ok := f.counts[known.Name]
	if !ok || f.assigned[at].rank != rankAside || !slices.ContainsFunc(f.assigned, func(a assigned) bool { return a.rank != rankAside }) {
		return false
	}
	f.note("%s is left out: only what is for tests or development sets it (%s)", known.Name, v.Place)
	return true
}

func (f *fixer) put(name string, v any) {
	if _, ok := f.out[name]; !ok {
		f.names = append(f.names, name)
	}
	f.out[name] = v
}

func (f *fixer) note(format string, args ...any) {
	f.notes = append(f.notes, fmt.Sprintf(format, args...))
}

func (f *fixer) setting(known setting.Setting, v value) {
	if name, _, ok := environment(f.source(known.Name)); ok {
		if _, read := setting.Lookup(name); read && strings.HasPrefix(name, "CELERY_") {
			f.note("%s comes from the variable %s, which Umbel reads by itself", known.Name, name)
		} else {
			f.note("%s came from the variable %s: name it UMBEL_%s (%s)", known.Name, name, strings.ToUpper(known.Name), v.Place)
		}
		return
	}
	switch known.Class {
	case setting.Refused, setting.Accepted:
		f.note("%s is left out: %s (%s)", known.Name, known.Why, v.Place)
		return
	}
	switch known.Name {
	case "task_queues":
		f.queueTable()
	case "task_routes":
		f.routeTable()
	case "beat_schedule":
		f.schedule(v)
	case "accept_content", "result_accept_content", "task_serializer", "result_serializer":
		f.safe(known, v)
	case "broker_use_ssl", "redis_backend_use_ssl":
		f.tls(known.Name, v)
	case "broker_connection_max_retries":
		if v.Kind == python.Int && v.Int > 0 && giveUp(v.Int) < restart {
			f.note("%s: %s gave up while a broker restarts; the default is never to", known.Name, v.Node)
			return
		}
		f.plain(known, v)
	case "broker_transport_options", "result_backend_transport_options":
		f.transport(known.Name, v)
	default:
		f.plain(known, v)
	}
}

// safe leaves out pickle, which is refused always.
func (f *fixer) safe(known setting.Setting, v value) {
	left := *v.Node
	left.Items = slices.DeleteFunc(slices.Clone(v.Items), isPickle)
	if isPickle(v.Node) || len(left.Items) < len(v.Items) {
		f.note("%s: pickle is refused always (%s): who sends it must send json before the first queue moves", known.Name, v.Place)
		if len(left.Items) == 0 {
			return
		}
	}
	f.plain(known, value{&left, v.Place})
}

// source is what a setting was last given, before variables were looked up; nil if only a variable gives it.
func (f *fixer) source(name string) *python.Node {
	n, _ := f.last(name)
	return n
}

// plain writes a value that is one.
func (f *fixer) plain(known setting.Setting, v value) {
	if v.Kind == python.None {
		return
	}
	plain, ok := simple(v.Node)
	if !ok {
		f.note("%s: %s (%s) is known only when Python runs: write its value here", known.Name, v.Node, v.Place)
		return
	}
	if known.Secret || known.Type == setting.URL || known.Type == setting.URLs {
		if text, ok := plain.(string); ok && secretURL(text) != nil {
			f.note("%s holds a password (%s): give it by the variable CELERY_%s", known.Name, v.Place, strings.ToUpper(known.Name))
			return
		}
	}
	f.put(known.Name, plain)
}

// simple is a plain value; constructors that mean one (timedelta, crontab, ssl's constants) are unfolded.
func simple(n *python.Node) (any, bool) {
	switch {
	case n.Kind == python.Name && strings.HasPrefix(n.Text, "ssl.CERT_"):
		return strings.TrimPrefix(n.Text, "ssl."), true
	case n.Kind == python.Call && n.Of.Kind == python.Name:
		_, name, _ := cutLast(n.Of.Text, ".")
		switch name {
		case "timedelta":
			seconds, ok := n.Timedelta()
			return seconds, ok
		case "crontab":
			return crontab(n)
		}
		return nil, false
	case n.Kind == python.List || n.Kind == python.Tuple || n.Kind == python.Set:
		out := make([]any, len(n.Items))
		for i, item := range n.Items {
			v, ok := simple(item)
			if !ok {
				return nil, false
			}
			out[i] = v
		}
		return out, true
	case n.Kind == python.Dict:
		out := make(map[string]any, len(n.Pairs))
		for _, p := range n.Pairs {
			if p.Key == nil || p.Key.Kind != python.String {
				return nil, false
			}
			v, ok := simple(p.Value)
			if !ok {
				return nil, false
			}
			out[p.Key.Text] = v
		}
		return out, true
	}
	return n.Plain()
}

// crontab is its fields by their names.
func crontab(n *python.Node) (any, bool) {
	fields := []string{"minute", "hour", "day_of_week", "day_of_month", "month_of_year"}
	out := make(map[string]any)
	for i, name := range fields {
		v := n.Get(name)
		if v == nil && i < len(n.Items) {
			v = n.Items[i]
		}
		if v == nil {
			continue
		}
		plain, ok := v.Plain()
		if !ok {
			return nil, false
		}
		out[name] = plain
	}
	if len(out) == 0 {
		return "* * * * *", true
	}
	return out, true
}

// yielded says which other values settings are given, and do not count here.
func (f *fixer) yielded() {
	others := make(map[string][]string)
	for i, a := range f.assigned {
		known, ok := setting.Lookup(a.name)
		switch at := f.counts[a.name]; {
		case !ok || known.Class == setting.Refused || known.Class == setting.Accepted:
		case a.name == "task_routes" || a.name == "task_queues": // all of them are put together
		case i == at || a.source.String() == f.assigned[at].source.String():
		case a.Place.File == f.assigned[at].Place.File && a.under == "" && i < at: // it is set anew further down
		case a.under != "":
			others[a.name] = append(others[a.name], a.Place.String()+" (under "+a.under+")")
		default:
			others[a.name] = append(others[a.name], a.Place.String())
		}
	}
	for _, name := range keysOf(others) {
		f.note("%s: what %s says was taken, not %s", name, f.assigned[f.counts[name]].Place, strings.Join(others[name], ", "))
	}
}

// unserved gives tasks without a route a queue that a worker takes from, if one is called default.
func (f *fixer) unserved() {
	names, all := f.consumed()
	if _, set := f.out["task_default_queue"]; !all && !set && !names[f.defaultQueue()] && names["default"] {
		f.put("task_default_queue", "default")
		f.note("task_default_queue: tasks without a route went to %s, which no worker takes from", f.defaultQueue())
	}
}

// queueTable writes task_queues; the arguments for dead letters become the option that declares both ends.
func (f *fixer) queueTable() {
	table, _ := f.out["task_queues"].(map[string]any)
	if table == nil {
		table = make(map[string]any)
	}
	for _, q := range f.queues() {
		if q.name == "" {
			f.note("task_queues: %s is known only when Python runs (%s): write the queue here", q.Node, q.Place)
			continue
		}
		if f.deadEnd(q) {
			continue
		}
		if q.unsure {
			f.note("task_queues: exchange or key of %s is known only when Python runs (%s): write it here", q.name, q.Place)
		}
		options := make(map[string]any)
		for key, text := range map[string]string{"exchange": q.exchange, "exchange_type": q.kind, "routing_key": q.key} {
			if text != "" {
				options[key] = text
			}
		}
		if q.arguments != nil {
			plain, ok := simple(q.arguments)
			arguments, isMap := plain.(map[string]any)
			if !ok || !isMap {
				f.note("task_queues: the arguments of %s are known only when Python runs (%s)", q.name, q.Place)
				arguments = map[string]any{}
			}
			if _, ok := arguments["x-dead-letter-exchange"]; ok {
				key, _ := arguments["x-dead-letter-routing-key"].(string)
				options["dead_letter"] = cmp.Or(key, q.name+".dlq")
				delete(arguments, "x-dead-letter-exchange")
				delete(arguments, "x-dead-letter-routing-key")
			}
			if len(arguments) > 0 {
				options["queue_arguments"] = arguments
			}
		}
		table[q.name] = options
	}
	if len(table) > 0 {
		f.put("task_queues", table)
	}
}

// routeTable writes task_routes. Keys that bind to nothing are left out; dead letters go to their queue.
func (f *fixer) routeTable() {
	routes := make(map[string]any)
	queues, _ := f.out["task_queues"].(map[string]any)
	if queues == nil {
		queues = make(map[string]any)
	}
	for _, r := range f.routes() {
		options, ok := simple(r.options.Node)
		table, isMap := options.(map[string]any)
		if !ok || !isMap {
			f.note("task_routes: the route of %s is known only when Python runs (%s)", r.pattern, r.options.Place)
			continue
		}
		name := r.queue()
		declared, isDeclared := f.declared(name)
		if name != "" && (!isDeclared || declared.exchange == "") {
			for _, key := range []string{"exchange", "exchange_type", "routing_key"} {
				delete(table, key)
			}
		}
		dead, _ := table["dead_letter_routing_key"].(string)
		_, exchange := table["dead_letter_exchange"]
		if dead != "" || exchange {
			options, _ := queues[name].(map[string]any)
			if options == nil {
				options = make(map[string]any)
			}
			options["dead_letter"] = cmp.Or(dead, name+".dlq")
			queues[name] = options
		}
		for key := range table {
			if !slices.Contains(routeOptions, key) {
				delete(table, key)
			}
		}
		before, _ := routes[r.pattern].(map[string]any)
		for key, v := range before {
			if _, ok := table[key]; !ok {
				table[key] = v
			}
		}
		routes[r.pattern] = table
	}
	f.each("task_routes", func(a assigned) {
		for _, n := range unrouted(a.Node) {
			f.note("task_routes: %s decides when Python runs (%s): write its rules here, or as App.RouteFunc", n, a.at(n))
		}
	})
	if len(routes) > 0 {
		f.put("task_routes", routes)
	}
	if len(queues) > 0 {
		f.put("task_queues", queues)
	}
}

func (f *fixer) schedule(v value) {
	entries := make(map[string]any)
	if v.Kind != python.Dict {
		f.note("beat_schedule: %s is known only when Python runs (%s): write its entries here", v.Node, v.Place)
	}
	for _, p := range v.Pairs {
		if p.Key == nil || p.Key.Kind != python.String {
			f.note("beat_schedule: **%s is known only when Python runs (%s): write its entries here", p.Value, v.at(p.Value))
			continue
		}
		plain, ok := simple(p.Value)
		if !ok {
			f.note("beat_schedule: entry %s is known only when Python runs (%s): write it here", p.Key.Text, v.at(p.Key))
			continue
		}
		entries[p.Key.Text] = plain
	}
	if len(entries) > 0 {
		f.put("beat_schedule", entries)
	}
}

// tls writes TLS options in the spelling of the library whose setting it is.
func (f *fixer) tls(name string, v value) {
	plain, ok := simple(v.Node)
	options, isMap := plain.(map[string]any)
	if !ok || !isMap {
		if on, isBool := plain.(bool); ok && isBool {
			f.put(name, on)
			return
		}
		f.note("%s: %s is known only when Python runs (%s)", name, v.Node, v.Place)
		return
	}
	out := make(map[string]any, len(options))
	for key, v := range options {
		bare := strings.TrimPrefix(key, "ssl_")
		if strings.HasPrefix(name, "redis") {
			bare = "ssl_" + bare
		}
		out[bare] = v
	}
	f.put(name, out)
}

// transport leaves out what the transport does not know.
func (f *fixer) transport(name string, v value) {
	plain, ok := simple(v.Node)
	options, isMap := plain.(map[string]any)
	if !ok || !isMap {
		f.note("%s: %s is known only when Python runs (%s)", name, v.Node, v.Place)
		return
	}
	for _, key := range keysOf(options) {
		if foreign[key] != "" && (name == "broker_transport_options" || !strings.Contains(scheme(f.text("result_backend")), "sentinel")) {
			f.note("%s: %s belongs to %s", name, key, foreign[key])
			delete(options, key)
		}
	}
	if _, ok := options["confirm_publish"]; ok {
		f.note("%s: every message is confirmed, always", name)
		delete(options, "confirm_publish")
	}
	if len(options) > 0 {
		f.put(name, options)
	}
}

// file is the whole: settings in the order of the manual, what could not be written at the end.
func (f *fixer) file() []byte {
	var b strings.Builder
	b.WriteString("# Written by umbel doctor --fix from Celery settings.\n")
	for _, name := range f.names {
		line, err := yaml.Dump(map[string]any{name: f.out[name]})
		if err != nil {
			f.note("%s: %v", name, err)
			continue
		}
		b.Write(line)
	}
	if len(f.notes) > 0 {
		b.WriteString("\n")
	}
	for _, n := range f.notes {
		b.WriteString("# " + n + "\n")
	}
	return []byte(b.String())
}
