package worker

import (
	"fmt"
	"os"
	"strings"
)

// Nodename expands a worker's name as Celery's -n does: %h the host's full name, %n its first part (or the name part of
// the pattern itself), %d its domain, %i and %I nothing (the index of a pool process, which goroutines do not have), %% a
// per cent sign. A pattern without @ is the host part: "foo" is celery@foo. "" is celery@%h. As in Celery %p, the whole
// name, belongs into the paths of --logfile and --pidfile only.
func Nodename(pattern string) (string, error) {
	host, err := os.Hostname()
	if err != nil {
		return "", fmt.Errorf("node name: %w", err)
	}
	return expandNodename(pattern, host)
}

func expandNodename(pattern, host string) (string, error) {
	if pattern == "" {
		pattern = "celery@%h"
	}
	short, domain, _ := strings.Cut(host, ".")
	var b strings.Builder
	for i := 0; i < len(pattern); i++ {
		if pattern[i] != '%' {
			b.WriteByte(pattern[i])
			continue
		}
		i++
		if i == len(pattern) {
			return "", fmt.Errorf("node name %q ends in a single %%: known are %%h %%n %%d %%i %%I %%%%", pattern)
		}
		switch pattern[i] {
		case 'h':
			b.WriteString(host)
		case 'n':
			b.WriteString(short)
		case 'd':
			b.WriteString(domain)
		case 'i', 'I':
			// The main process has index 0 and is written as nothing, as by Celery's own main process with %I.
			if pattern[i] == 'i' {
				b.WriteByte('0')
			}
		case '%':
			b.WriteByte('%')
		case 'p':
			return "", fmt.Errorf("node name %q: %%p is the node name itself, for --logfile and --pidfile: known here are %%h %%n %%d %%i %%I %%%%", pattern)
		default:
			return "", fmt.Errorf("node name %q: unknown %%%c: known are %%h %%n %%d %%i %%I %%%%", pattern, pattern[i])
		}
	}
	name := b.String()
	if !strings.Contains(name, "@") {
		name = "celery@" + name
	}
	if strings.HasPrefix(name, "@") || strings.HasSuffix(name, "@") || strings.ContainsAny(name, " \t\n\x00") {
		return "", fmt.Errorf("node name %q: want name@host without blanks", name)
	}
	return name, nil
}
