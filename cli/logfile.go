package cli

import (
	"fmt"
	"os"
	"strings"
	"sync"
)

// A logFile is a file of log lines that can be moved away and begun anew (logrotate) without losing a line.
type logFile struct {
	path   string
	follow bool // begin it anew by itself when it was moved away

	mu   sync.Mutex // guards file; held while a line is written
	file *os.File
}

func openLogFile(path string) (*logFile, error) {
	f, err := appendTo(path)
	if err != nil {
		return nil, err
	}
	return &logFile{path: path, file: f}, nil
}

func appendTo(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
}

// Write writes one line.
func (l *logFile) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.follow && l.moved() {
		if f, err := appendTo(l.path); err == nil {
			_ = l.file.Close() // the old one has all of its lines
			l.file = f
		}
	}
	return l.file.Write(line)
}

// moved reports whether the file is no longer the one of its name. mu is held.
func (l *logFile) moved() bool {
	here, err := l.file.Stat()
	there, gone := os.Stat(l.path)
	return err == nil && (gone != nil || !os.SameFile(here, there))
}

// reopen begins the file anew under its name. When that fails the old file goes on.
func (l *logFile) reopen() error {
	f, err := appendTo(l.path)
	if err != nil {
		return err
	}
	l.mu.Lock()
	old := l.file
	l.file = f
	l.mu.Unlock()
	return old.Close()
}

func (l *logFile) close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.file.Close()
}

// nodePath expands a path as Celery does for --logfile and --pidfile: %p the node name, %n its part before the @, %h the
// part behind it, %d that part's domain, %i the number of the pool's process (0: there is one process), %I nothing.
func nodePath(pattern, node string) (string, error) {
	name, host, _ := strings.Cut(node, "@")
	_, domain, _ := strings.Cut(host, ".")
	known := map[byte]string{'p': node, 'n': name, 'h': host, 'd': domain, 'i': "0", 'I': "", '%': "%"}
	var b strings.Builder
	for i := 0; i < len(pattern); i++ {
		if pattern[i] != '%' {
			b.WriteByte(pattern[i])
			continue
		}
		i++
		if i == len(pattern) {
			return "", fmt.Errorf("%q ends in a single %%: known are %%p %%n %%h %%d %%i %%I %%%%", pattern)
		}
		text, ok := known[pattern[i]]
		if !ok {
			return "", fmt.Errorf("%q: unknown %%%c: known are %%p %%n %%h %%d %%i %%I %%%%", pattern, pattern[i])
		}
		b.WriteString(text)
	}
	return b.String(), nil
}
