// Package audit writes down what people have done to messages: a file of JSON lines that is only ever appended to.
package audit

import (
	"encoding/json"
	"fmt"
	"os"
	"os/user"
	"time"
)

// A Log is an audit file. Several processes may append to one: each line is one write.
type Log struct {
	path string
	file *os.File
	who  string
	host string
}

// An Entry is one line. At, Who and Host are filled in.
type Entry struct {
	At     string `json:"at"`
	Who    string `json:"who"`
	Host   string `json:"host"`
	Action string `json:"action"`           // such as "dead replay"
	Queue  string `json:"queue,omitempty"`  // where the message lay
	To     string `json:"to,omitempty"`     // where it goes
	ID     string `json:"id,omitempty"`     // of the task
	Task   string `json:"task,omitempty"`   // name
	Reason string `json:"reason,omitempty"` // for which it lay there
	Detail string `json:"detail,omitempty"` // what was changed
	Error  string `json:"error,omitempty"`  // why an action written before was not done after all
}

// Open opens the file at path, made if need be for its owner alone to read.
func Open(path string) (*Log, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open audit file: %w", err)
	}
	l := &Log{path: path, file: f, who: "?"}
	if u, err := user.Current(); err == nil {
		l.who = u.Username
	}
	if as := os.Getenv("SUDO_USER"); as != "" {
		l.who = as + " (as " + l.who + ")"
	}
	l.host, _ = os.Hostname()
	return l, nil
}

// Write appends an entry. It returns once the line is on disk: what is to be audited is done afterwards.
func (l *Log) Write(e Entry) error {
	e.At, e.Who, e.Host = time.Now().UTC().Format(time.RFC3339Nano), l.who, l.host
	line, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("write audit file %s: %w", l.path, err)
	}
	if _, err := l.file.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("write audit file: %w", err)
	}
	if err := l.file.Sync(); err != nil {
		return fmt.Errorf("write audit file: %w", err)
	}
	return nil
}

// Close closes the file.
func (l *Log) Close() error { return l.file.Close() }
