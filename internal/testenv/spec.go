package testenv

import (
	"encoding/json"
	"os"
	"path/filepath"
	"time"
)

// A spec tells a watcher what to run. It is written to spec.json in the server's folder.
type spec struct {
	Dir      string        // the server's own folder: removed when the server was abandoned
	Users    string        // lock file that users hold shared
	Grace    time.Duration // how long nobody may hold Users before the server ends
	Signal   int           // ends the main command of an abandoned server
	Commands []command     // the last one is the server, those before serve it
}

// A command is one process of a server.
type command struct {
	Path string
	Args []string
	Env  []string
	Log  string // file for stdout and stderr
	User *account
}

// An account is a system user that a command runs as.
type account struct{ UID, GID uint32 }

func (s *spec) alive() string { return filepath.Join(s.Dir, "alive") }

func (s *spec) write() (path string, err error) {
	text, err := json.Marshal(s)
	if err != nil {
		return "", err
	}
	path = filepath.Join(s.Dir, "spec.json")
	return path, os.WriteFile(path, text, 0o600)
}

// cleanEnv is the environment of a server: none of the user's settings may reach it.
func cleanEnv(home string, more ...string) []string {
	return append([]string{"PATH=" + os.Getenv("PATH") + ":/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8", "HOME=" + home}, more...)
}
