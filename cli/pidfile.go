package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
)

// claimPidFile makes a file that holds this process's id. A file that a dead process has left is replaced; that of a live
// one is an error. release removes the file if it is still ours.
func claimPidFile(path string) (release func(), err error) {
	mine := strconv.Itoa(os.Getpid())
	for range 3 { // another may make it between our look and our turn
		f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
		if err == nil {
			_, err = f.WriteString(mine + "\n")
			if err = errors.Join(err, f.Close()); err != nil {
				return nil, errors.Join(fmt.Errorf("write pid file: %w", err), os.Remove(path))
			}
			return func() {
				if text, err := os.ReadFile(path); err == nil && strings.TrimSpace(string(text)) == mine {
					_ = os.Remove(path) // nobody is left to tell
				}
			}, nil
		}
		if !errors.Is(err, fs.ErrExist) {
			return nil, fmt.Errorf("make pid file: %w", err)
		}
		text, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read pid file: %w", err)
		}
		pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
		if err != nil || pid <= 0 {
			return nil, fmt.Errorf("pid file %s does not hold a process id: remove it if no worker is running", path)
		}
		// A container's first process is always number 1: our own number in the file is that of our predecessor.
		if pid != os.Getpid() && alive(pid) {
			return nil, fmt.Errorf("pid file %s already exists: a worker seems to be running (pid %d)", path, pid)
		}
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("remove the pid file of dead process %d: %w", pid, err)
		}
	}
	return nil, fmt.Errorf("pid file %s comes and goes: another worker is starting", path)
}
