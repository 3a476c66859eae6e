package cli

import (
	"strings"
	"testing"
)

func TestPathsOfANode(t *testing.T) {
	for pattern, want := range map[string]string{
		"/var/log/%n.log": "/var/log/w1.log", "%n@%h%I": "w1@web.example.org", "%p-%i": "w1@web.example.org-0",
		"%d": "example.org", "100%%": "100%", "plain": "plain",
	} {
		if got, err := nodePath(pattern, "w1@web.example.org"); err != nil || got != want {
			t.Errorf("%s gives %q, %v; want %q", pattern, got, err, want)
		}
	}
	for _, bad := range []string{"%z", "log%"} {
		if got, err := nodePath(bad, "w1@web"); err == nil || !strings.Contains(err.Error(), "known are") {
			t.Errorf("%s gives %q, %v", bad, got, err)
		}
	}
}
