package control

import (
	"fmt"
	"regexp"

	"github.com/umbel-go/umbel/internal/routing"
)

// Matchers of a command's pattern.
const (
	Glob   = "glob" // *, ? and [set]
	Regexp = "pcre" // a regular expression, anchored at the beginning of the name
)

// matches reports whether a node's name fits a pattern. "" fits all.
func matches(pattern, matcher, node string) (bool, error) {
	if pattern == "" {
		return true, nil
	}
	switch matcher {
	case "", Glob:
		return routing.Glob(pattern).MatchString(node), nil
	case Regexp:
		re, err := regexp.Compile(`\A(?:` + pattern + `)`)
		if err != nil {
			return false, fmt.Errorf("pattern %q: %w", pattern, err)
		}
		return re.MatchString(node), nil
	}
	return false, fmt.Errorf("matcher %q: known are %s and %s", matcher, Glob, Regexp)
}
