package testenv

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// longestFolder bounds the base folder's path: a Unix socket below it must stay under 107 bytes.
const longestFolder = 40

// baseFolder returns the folder of this user, made if need be. It lies in the system's folder for temporary files, or
// in /tmp when that one cannot hold servers.
func baseFolder() (string, error) {
	temp := os.TempDir()
	if !holdsServers(temp) {
		temp = "/tmp"
	}
	dir := filepath.Join(temp, fmt.Sprintf("umbel-testenv-%d", os.Getuid()))
	if err := os.Mkdir(dir, 0o755); err != nil && !os.IsExist(err) {
		return "", err
	}
	// Whoever else owns or may write this folder could put programs' settings into it.
	info, err := os.Lstat(dir)
	if err != nil {
		return "", err
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !info.IsDir() || info.Mode().Perm()&0o022 != 0 || !ok || int(stat.Uid) != os.Getuid() {
		return "", fmt.Errorf("%s is not a folder that only user %d may write: remove it", dir, os.Getuid())
	}
	return dir, nil
}

// holdsServers reports whether servers can live in dir: RabbitMQ's scripts split paths at spaces, Unix sockets need
// short ones, and root's PostgreSQL runs as a user who must be able to walk there.
func holdsServers(dir string) bool {
	if !filepath.IsAbs(dir) || len(dir) > longestFolder || strings.ContainsAny(dir, " \t\n'\"\\$*?[]{},") {
		return false
	}
	if os.Getuid() != 0 {
		return true
	}
	for ; ; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err != nil || info.Mode().Perm()&0o001 == 0 {
			return false
		}
		if dir == filepath.Dir(dir) {
			return true
		}
	}
}
