// Package mask hides secrets in what events tell of tasks, before anything of it is kept or shown.
package mask

import (
	"fmt"
	"path"
	"regexp"
	"strings"

	"github.com/umbel-go/umbel/protocol"
)

// Hidden stands where a secret stood.
const Hidden = "***"

// words in a name that make its value a secret.
var words = []string{"password", "passwd", "passphrase", "secret", "token", "api_key", "apikey", "api-key", "authorization", "credential",
	"private_key", "access_key", "session_key", "cookie"}

// named finds name = value as Python's repr, JSON, and keyword arguments show them. The closing quote may be missing: workers cut
// long texts.
var named = regexp.MustCompile(`(?is)([\w-]*(?:` + strings.Join(words, "|") + `)[\w-]*['"]?\s*[:=]\s*)` +
	`(?:b?'(?:[^'\\]|\\.)*(?:'|\\?$)|b?"(?:[^"\\]|\\.)*(?:"|\\?$)|(?:bearer|basic|digest|token)\s+[^\s,;'")}\]]+|[^\s,;'")}\]]+)`)

// inURL finds the password of a URL, up to the last @ of its authority.
var inURL = regexp.MustCompile(`(?i)([a-z][a-z0-9+.-]*://[^\s/:@'"]*:)[^\s'"]*(@)`)

// card finds what is long enough to be a bearer token by itself: a JSON Web Token.
var card = regexp.MustCompile(`eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*`)

// A Config adds rules to those that always hold: values whose name says password, secret, token and the like, passwords in
// URLs, and JSON Web Tokens.
type Config struct {
	// Patterns are regular expressions of what else to hide; with a group, only what the first group holds.
	Patterns []string

	// Tasks are names, with * for any text, of tasks whose arguments, results and errors are hidden whole.
	Tasks []string

	// All hides the arguments and results of every task.
	All bool
}

// A Mask hides by rules. It may be used from many goroutines.
type Mask struct {
	config   Config
	patterns []*regexp.Regexp
}

// New checks the rules.
func New(c Config) (*Mask, error) {
	m := &Mask{config: c}
	for _, p := range c.Patterns {
		re, err := regexp.Compile(p)
		if err != nil {
			return nil, fmt.Errorf("mask %q: %w", p, err)
		}
		m.patterns = append(m.patterns, re)
	}
	for _, t := range c.Tasks {
		if _, err := path.Match(t, ""); err != nil {
			return nil, fmt.Errorf("mask task %q: %w", t, err)
		}
	}
	return m, nil
}

// Text is a text with its secrets hidden.
func (m *Mask) Text(s string) string {
	if s == "" {
		return s
	}
	if mentions(s) {
		s = named.ReplaceAllString(s, "${1}"+Hidden)
	}
	if strings.Contains(s, "://") && strings.Contains(s, "@") {
		s = inURL.ReplaceAllString(s, "${1}"+Hidden+"${2}")
	}
	if strings.Contains(s, "eyJ") {
		s = card.ReplaceAllString(s, Hidden)
	}
	for _, re := range m.patterns {
		s = replace(re, s)
	}
	return s
}

// replace hides what a pattern matches, or its first group.
func replace(re *regexp.Regexp, s string) string {
	if re.NumSubexp() == 0 {
		return re.ReplaceAllLiteralString(s, Hidden)
	}
	var b strings.Builder
	end := 0
	for _, at := range re.FindAllStringSubmatchIndex(s, -1) {
		if at[2] >= end {
			b.WriteString(s[end:at[2]] + Hidden)
			end = at[3]
		}
	}
	return b.String() + s[end:]
}

// mentions is a quick look for one of the words: most texts have none, and need no regular expression.
func mentions(s string) bool {
	for i := range len(s) {
		switch s[i] | 0x20 {
		case 'p', 's', 't', 'a', 'c':
			for _, w := range words {
				if len(s)-i >= len(w) && strings.EqualFold(s[i:i+len(w)], w) {
					return true
				}
			}
		}
	}
	return false
}

// Event hides the secrets of an event. name is the task's, where it is known from an earlier event.
func (m *Mask) Event(e *protocol.Event, name string) {
	var texts []*string
	switch b := e.Body.(type) {
	case *protocol.TaskSent:
		texts, name = []*string{&b.Args, &b.Kwargs}, b.Name
	case *protocol.TaskReceived:
		texts, name = []*string{&b.Args, &b.Kwargs}, b.Name
	case *protocol.TaskSucceeded:
		texts = []*string{&b.Result}
	case *protocol.TaskFailed:
		texts = []*string{&b.Exception, &b.Traceback}
	case *protocol.TaskRetried:
		texts = []*string{&b.Exception, &b.Traceback}
	default:
		return
	}
	whole := m.config.All || m.hides(name) || name == "" && len(m.config.Tasks) > 0
	for _, t := range texts {
		switch {
		case *t == "":
		case whole:
			*t = Hidden
		default:
			*t = m.Text(*t)
		}
	}
}

// Hides reports whether everything that a task of this name says is hidden.
func (m *Mask) Hides(name string) bool { return m.config.All || m.hides(name) }

// Value is a value of JSON with its secrets hidden: those in texts, and those whose member's name makes them one.
func (m *Mask) Value(v any) any {
	switch v := v.(type) {
	case string:
		return m.Text(v)
	case []any:
		out := make([]any, len(v))
		for i, x := range v {
			out[i] = m.Value(x)
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, x := range v {
			if out[k] = m.Value(x); mentions(k) {
				out[k] = Hidden
			}
		}
		return out
	}
	return v
}

func (m *Mask) hides(name string) bool {
	for _, p := range m.config.Tasks {
		if ok, _ := path.Match(p, name); ok {
			return true
		}
	}
	return false
}
