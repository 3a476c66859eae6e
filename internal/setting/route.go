package setting

import (
	"regexp"
	"slices"
	"strings"
)

// A Route is one rule of task_routes. Rules are tried in order; the first whose pattern matches decides.
type Route struct {
	Pattern string
	Options map[string]any
}

// regexPrefix marks a pattern that is a regular expression; a Python configuration has a compiled one in that place.
const regexPrefix = "re:"

// routeOptions are what a route may say: every option of a publish that is plain data.
var routeOptions = []string{
	"queue", "exchange", "exchange_type", "routing_key", "priority", "serializer", "compression", "delivery_mode", "expires",
	"time_limit", "soft_time_limit", "countdown", "eta", "ignore_result", "retry", "retry_policy", "headers", "reply_to",
	"shadow", "mandatory", "immediate", "add_to_parent", "argsrepr", "kwargsrepr", "timestamp", "message_id", "app_id", "type",
	"dead_letter_exchange", "dead_letter_routing_key",
}

// deadLetterInRoutes is what is said of the last two, which guides to Celery write there.
const deadLetterInRoutes = "Celery ignores it, and the messages are gone; here workers keep what fails for good there: " +
	"give the queue the option dead_letter in task_queues, which the broker heeds as well"

// routes reads task_routes: a map of pattern to options, or a list of such maps and of lists of [pattern, options]. Within
// one of them exact names come before globs, as in Celery, and then the order is as written.
func (r *reader) routes(n *Node) any {
	var out []Route
	switch n.Kind {
	case Mapping:
		out = r.router(n)
	case List:
		if isPair(n) {
			return r.pairs([]*Node{n})
		}
		for _, item := range n.Items {
			switch {
			case item.Kind == Mapping:
				out = append(out, r.router(item)...)
			case isPair(item):
				out = append(out, r.pairs([]*Node{item})...)
			case item.Kind == List:
				out = append(out, r.pairs(item.Items)...)
			case item.scalar():
				r.fail(item, "%s names a Python router, which cannot be called: write its routes as a map", item.says(false))
			default:
				r.want(item, "a map of task name to route")
			}
		}
	default:
		if n.scalar() && n.Kind != Boolean {
			r.fail(n, "%s names a Python router, which cannot be called: write its routes as a map", n.says(false))
		} else {
			r.want(n, "a map of task name to route, or a list of such maps")
		}
		return nil
	}
	return out
}

// isPair tells [pattern, options] from a list of such.
func isPair(n *Node) bool {
	return n.Kind == List && len(n.Items) == 2 && n.Items[0].scalar()
}

func (r *reader) router(n *Node) []Route {
	rules := make([]Route, 0, len(n.Members))
	for _, m := range n.Members {
		rules = r.route(rules, m.Name, m.Value)
	}
	return exactFirst(rules)
}

func (r *reader) pairs(items []*Node) []Route {
	var rules []Route
	for _, p := range items {
		if !isPair(p) {
			r.want(p, "a pair of task name and route")
			continue
		}
		rules = r.route(rules, p.Items[0].Text, p.Items[1])
	}
	return exactFirst(rules)
}

func exactFirst(rules []Route) []Route {
	glob := func(r Route) int {
		if strings.HasPrefix(r.Pattern, regexPrefix) || strings.Contains(r.Pattern, "*") {
			return 1
		}
		return 0
	}
	slices.SortStableFunc(rules, func(a, b Route) int { return glob(a) - glob(b) })
	return rules
}

func (r *reader) route(rules []Route, pattern string, v *Node) []Route {
	if text, is := strings.CutPrefix(pattern, regexPrefix); is {
		if _, err := regexp.Compile(text); err != nil {
			r.fail(v, "%s: not a regular expression: %v", pattern, err)
			return rules
		}
	}
	switch {
	case pattern == "":
		r.fail(v, "a route needs a task name")
	case v.Kind == Null: // Celery: no route
	case v.scalar() && v.Kind != Boolean:
		return append(rules, Route{pattern, map[string]any{"queue": v.Text}})
	case v.Kind == Mapping:
		for _, m := range v.Members {
			if !slices.Contains(routeOptions, m.Name) {
				text := "unknown route option " + m.Name
				if near := Nearest(m.Name, routeOptions); near != "" {
					text += ": did you mean " + near + "?"
				}
				r.fail(&Node{Place: m.Place}, "%s: %s", pattern, text)
			}
		}
		r.checkRoute(pattern, v)
		return append(rules, Route{pattern, plain(v).(map[string]any)})
	default:
		r.fail(v, "%s: %s is not a queue's name or a map of options", pattern, v.says(false))
	}
	return rules
}

// checkRoute looks at the options whose types are known, so that a mistake is found now and not at the first send.
func (r *reader) checkRoute(pattern string, v *Node) {
	for _, m := range v.Members {
		o := m.Value
		if o.Kind == Null {
			continue
		}
		ok, want := true, ""
		switch m.Name {
		case "queue", "exchange", "exchange_type", "routing_key", "serializer", "compression", "reply_to", "shadow", "dead_letter_exchange":
			ok, want = o.scalar() && o.Kind != Boolean, "text"
		case "dead_letter_routing_key":
			if ok, want = o.scalar() && o.Kind != Boolean, "text"; ok {
				r.warn(o, "%s: %s: %s", pattern, m.Name, deadLetterInRoutes)
			}
		case "priority":
			f, is := number(o)
			ok, want = is && f == float64(int(f)) && f >= 0 && f <= 255, "a whole number from 0 to 255"
		case "headers", "retry_policy":
			ok, want = o.Kind == Mapping, "a map"
		case "ignore_result", "retry", "mandatory", "immediate":
			ok, want = o.Kind == Boolean, "true or false"
		case "expires", "countdown", "time_limit", "soft_time_limit":
			_, is := number(o)
			ok, want = is || m.Name == "expires" && o.scalar(), "a number of seconds"
		}
		if !ok {
			r.fail(o, "%s: %s: %s is not %s", pattern, m.Name, o.says(false), want)
		}
	}
}
