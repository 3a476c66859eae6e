package setting

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A reader turns one setting's node into its Go value, gathering what is wrong and what must be told.
type reader struct {
	setting  *Setting
	spelt    string // the name as it was written
	problems []Problem
	warnings []string
}

func (r *reader) fail(n *Node, format string, a ...any) {
	r.problems = append(r.problems, Problem{Place: n.Place, Setting: r.spelt, Text: fmt.Sprintf(format, a...)})
}

func (r *reader) warn(n *Node, format string, a ...any) {
	r.warnings = append(r.warnings, fmt.Sprintf("%s: %s: %s", n.Place, r.spelt, fmt.Sprintf(format, a...)))
}

// want reports that a node is not what the setting must be.
func (r *reader) want(n *Node, what string) {
	r.fail(n, "%s is not %s", n.says(r.setting.Secret), what)
}

// read returns the value by the setting's type; nil for null, and when there was a problem.
func (r *reader) read(n *Node) any {
	if n.null() && !slices.Contains(r.setting.OneOf, "none") {
		return nil
	}
	switch r.setting.Type {
	case Text:
		return r.text(n)
	case Bool:
		if b, ok := r.boolean(n); ok {
			return b
		}
	case Int:
		if i, ok := r.integer(n); ok && r.inRange(n, float64(i), "") {
			return i
		}
	case Float:
		if f, ok := number(n); ok {
			if r.inRange(n, f, "") {
				return f
			}
		} else {
			r.want(n, "a number")
		}
	case Seconds:
		if d, ok := r.seconds(n); ok && r.inRange(n, d.Seconds(), " seconds") {
			return d
		}
	case Rate:
		if n.scalar() && rate.MatchString(n.Text) {
			return n.Text
		}
		r.want(n, "a rate: write a number of tasks per second, or with /s, /m or /h, such as 100/m")
	case Zone:
		if _, err := time.LoadLocation(n.Text); n.scalar() && n.Kind != Boolean && n.Text != "" && err == nil {
			return n.Text
		}
		r.want(n, "a time zone: write an IANA name such as Europe/Berlin")
	case Texts:
		if list, ok := r.texts(n); ok {
			return list
		}
	case URL:
		return r.text(n)
	case URLs:
		if list, ok := r.urls(n); ok {
			return list
		}
	case Map:
		if m := r.structure(n); m.Kind == Mapping {
			return plain(m)
		}
		r.want(n, `a map: write {"name": value}`)
	case TLS:
		return r.tls(r.structure(n))
	case Routes:
		return r.routes(r.structure(n))
	case Queues:
		return r.queues(r.structure(n))
	case Retry:
		return r.retry(r.structure(n))
	case Entries:
		return r.entries(r.structure(n))
	case Delivery:
		if mode, ok := r.delivery(n); ok {
			return mode
		}
	case Any:
		return plain(r.structure(n))
	}
	return nil
}

var rate = regexp.MustCompile(`^\d+(\.\d+)?(/[smh])?$`)

func (r *reader) inRange(n *Node, v float64, unit string) bool {
	s := r.setting
	switch {
	case s.Min != Unbounded && v < s.Min:
		r.fail(n, "%s is too small: the least is %v%s", n.says(s.Secret), s.Min, unit)
	case s.Max != 0 && v > s.Max:
		r.fail(n, "%s is too large: the most is %v%s", n.says(s.Secret), s.Max, unit)
	default:
		return true
	}
	return false
}

func (r *reader) text(n *Node) any {
	if !n.scalar() || n.Kind == Boolean {
		r.want(n, "text")
		return nil
	}
	if r.setting.OneOf == nil {
		return n.Text
	}
	for _, one := range r.setting.OneOf {
		if strings.EqualFold(n.Text, one) {
			return one
		}
	}
	text := "one of " + strings.Join(slices.DeleteFunc(slices.Clone(r.setting.OneOf), func(s string) bool { return s == "" }), ", ")
	if near := Nearest(strings.ToLower(n.Text), r.setting.OneOf); near != "" {
		text += ": did you mean " + near + "?"
	}
	r.want(n, text)
	return nil
}

func (r *reader) boolean(n *Node) (v, ok bool) {
	if n.scalar() && n.Kind != Decimal {
		switch strings.ToLower(n.Text) {
		case "true", "yes", "on", "1":
			return true, true
		case "false", "no", "off", "0":
			return false, true
		}
	}
	r.want(n, "true or false")
	return false, false
}

func (r *reader) integer(n *Node) (int64, bool) {
	if n.scalar() && n.Kind != Boolean {
		text := strings.ReplaceAll(n.Text, "_", "")
		if i, err := strconv.ParseInt(text, 0, 64); err == nil {
			return i, true
		}
		if i, err := strconv.ParseInt(text, 10, 64); err == nil { // 08 is no octal number
			return i, true
		}
		if f, err := strconv.ParseFloat(text, 64); err == nil && f == math.Trunc(f) && math.Abs(f) < 1<<53 {
			return int64(f), true
		}
	}
	r.want(n, "a whole number")
	return 0, false
}

// number reads any number, written as Python, YAML or TOML write it.
func number(n *Node) (float64, bool) {
	if !n.scalar() || n.Kind == Boolean {
		return 0, false
	}
	text := strings.TrimPrefix(strings.ReplaceAll(strings.ToLower(n.Text), "_", ""), ".") // YAML's .inf
	if strings.HasPrefix(n.Text, ".") && text != "inf" && text != "nan" {
		text = "." + text
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		i, err := strconv.ParseInt(text, 0, 64) // 0x10
		return float64(i), err == nil
	}
	return f, !math.IsNaN(f)
}

func (r *reader) seconds(n *Node) (time.Duration, bool) {
	if f, ok := number(n); ok {
		if math.Abs(f) > float64(math.MaxInt64)/1e9 {
			r.fail(n, "%s seconds is longer than 292 years", n.says(r.setting.Secret))
			return 0, false
		}
		return time.Duration(math.Round(f * 1e9)), true
	}
	if n.scalar() && n.Kind != Boolean {
		if d, err := time.ParseDuration(n.Text); err == nil {
			return d, true
		}
	}
	r.want(n, "a time: write seconds, or a duration such as 90s, 15m or 24h")
	return 0, false
}

func (r *reader) texts(n *Node) ([]string, bool) {
	if n.Kind == Loose && !strings.HasPrefix(strings.TrimSpace(n.Text), "[") {
		var list []string
		for part := range strings.SplitSeq(n.Text, ",") {
			if part = strings.TrimSpace(part); part != "" {
				list = append(list, part)
			}
		}
		return list, true
	}
	n = r.structure(n)
	if n.scalar() && n.Kind != Boolean {
		return []string{n.Text}, true
	}
	if n.Kind != List {
		r.want(n, "a list of text")
		return nil, false
	}
	list := make([]string, 0, len(n.Items))
	for _, item := range n.Items {
		if !item.scalar() || item.Kind == Boolean {
			r.want(item, "text")
			return nil, false
		}
		list = append(list, item.Text)
	}
	return list, true
}

func (r *reader) urls(n *Node) ([]string, bool) {
	if n.scalar() && n.Kind != Boolean && !strings.HasPrefix(strings.TrimSpace(n.Text), "[") {
		return SplitURLs(n.Text), true
	}
	list, ok := r.texts(n)
	var urls []string
	for _, u := range list {
		urls = append(urls, SplitURLs(u)...)
	}
	return urls, ok
}

func (r *reader) delivery(n *Node) (int64, bool) {
	if n.scalar() {
		switch strings.ToLower(n.Text) {
		case "1", "transient":
			return 1, true
		case "2", "persistent":
			return 2, true
		}
	}
	r.want(n, "1, 2, transient or persistent")
	return 0, false
}

// structure parses the text of a variable or flag that holds a list or a map, in JSON or YAML. Other nodes, and other
// text, it leaves as they are.
func (r *reader) structure(n *Node) *Node {
	if n.Kind != Loose && n.Kind != String {
		return n
	}
	text := strings.TrimSpace(n.Text)
	if n.Kind == String && !strings.HasPrefix(text, "{") && !strings.HasPrefix(text, "[") {
		return n
	}
	parsed, problems := readYAML("", []byte(text))
	if len(problems) > 0 || parsed == nil {
		return n
	}
	settle(parsed, n.Place)
	return parsed
}

// settle gives a tree parsed out of a variable the place of that variable.
func settle(n *Node, place Place) {
	n.Place = place
	for _, item := range n.Items {
		settle(item, place)
	}
	for i := range n.Members {
		n.Members[i].Place = place
		settle(n.Members[i].Value, place)
	}
}

// plain is the node as Go's own values: nil, bool, int64, float64, string, []any, map[string]any.
func plain(n *Node) any {
	switch n.Kind {
	case Boolean:
		return strings.EqualFold(n.Text, "true")
	case Integer:
		if i, err := strconv.ParseInt(strings.ReplaceAll(n.Text, "_", ""), 0, 64); err == nil {
			return i
		}
		return n.Text
	case Decimal:
		if f, ok := number(n); ok {
			return f
		}
		return n.Text
	case String, Loose:
		return n.Text
	case List:
		list := make([]any, len(n.Items))
		for i, item := range n.Items {
			list[i] = plain(item)
		}
		return list
	case Mapping:
		m := make(map[string]any, len(n.Members))
		for _, member := range n.Members {
			m[member.Name] = plain(member.Value)
		}
		return m
	}
	return nil
}
