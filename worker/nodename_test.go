package worker

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/umbel-go/umbel/internal/testenv"
)

// The host of this test has a domain; what Python makes of the same patterns is asked where it is installed.
func TestNodenamesAreExpandedAsCelerysAre(t *testing.T) {
	t.Parallel()
	for pattern, want := range map[string]string{
		"":                        "celery@web1.shop.example",
		"high_priority_worker@%h": "high_priority_worker@web1.shop.example",
		"w@%n":                    "w@web1",
		"w@%n.%d":                 "w@web1.shop.example",
		"%n@%h":                   "web1@web1.shop.example",
		"w%i@%h":                  "w0@web1.shop.example",
		"w%I@%h":                  "w@web1.shop.example",
		"100%%@%h":                "100%@web1.shop.example",
		"plain":                   "celery@plain",
	} {
		if got, err := expandNodename(pattern, "web1.shop.example"); err != nil || got != want {
			t.Errorf("%q is %q, %v; want %q", pattern, got, err, want)
		}
	}
	for pattern, want := range map[string]string{
		"w@%x": "unknown %x", "w@%": "single %", "%p": "--logfile and --pidfile", "@%h": "name@host", "w@": "name@host", "a b@%h": "without blanks",
	} {
		if got, err := expandNodename(pattern, "web1"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is %q, %v; want an error that says %q", pattern, got, err, want)
		}
	}
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := Nodename("a@%h"); err != nil || got != "a@"+host {
		t.Errorf("%q, %v", got, err)
	}
}

func TestPythonExpandsNodenamesAlike(t *testing.T) {
	t.Parallel()
	python := testenv.Python(t)
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	for _, pattern := range []string{"w@%h", "w@%n", "high_priority_worker@%h", "plain"} {
		out, err := exec.CommandContext(t.Context(), python, "-c", `import sys
from celery.utils.nodenames import default_nodename, host_format
print(host_format(default_nodename(sys.argv[1])))`, pattern).Output()
		if err != nil {
			t.Fatal(err)
		}
		if got, err := expandNodename(pattern, host); err != nil || got != strings.TrimSpace(string(out)) {
			t.Errorf("%q is %q, %v; Python says %q", pattern, got, err, out)
		}
	}
}
