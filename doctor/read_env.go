package doctor

import (
	"strings"
)

// readEnv reads lines of NAME=value, as .env files have them.
func readEnv(s *system, file string, after int, text string) bool {
	s.excuse(file, after, text)
	found := false
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		line = strings.TrimSpace(strings.TrimPrefix(line, "export "))
		name, v, ok := strings.Cut(line, "=")
		if !ok || !isVariable(name) {
			continue
		}
		v = strings.TrimSpace(v)
		if v != "" && (v[0] == '"' || v[0] == '\'') {
			v, _, _ = strings.Cut(v[1:], v[:1])
		} else if before, _, comment := strings.Cut(v, " #"); comment {
			v = strings.TrimSpace(before)
		}
		s.variables[name] = variable{name, v, Place{file, after + i + 1, 1}}
		found = true
	}
	return found
}

func isVariable(name string) bool {
	for i, r := range name {
		if !(r == '_' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' || i > 0 && r >= '0' && r <= '9') {
			return false
		}
	}
	return name != ""
}
