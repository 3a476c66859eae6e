package testenv

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const postgresConf = `listen_addresses = '127.0.0.1'
port = %d
unix_socket_directories = ''
fsync = off
full_page_writes = off
max_connections = 200
`

var postgresKind = &kind{
	name: "postgres", debian: "postgresql", version: version(postgresConf), ports: 1,
	find: findPostgres, prepare: preparePostgres, ready: postgresReady,
	signal: syscall.SIGQUIT, // a killed PostgreSQL would leave its shared memory segment behind
}

// postgresBin returns the path of a PostgreSQL program, of the newest version that is installed.
func postgresBin(name string) (string, error) {
	if path, err := exec.LookPath(name); err == nil && name == "postgres" {
		return path, nil
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/" + name)
	best, newest := "", -1
	for _, path := range found {
		n, err := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(path))))
		if err == nil && n > newest {
			best, newest = path, n
		}
	}
	if best != "" {
		return best, nil
	}
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	return "", errors.New("PostgreSQL is not installed")
}

func findPostgres() error {
	_, err := postgresBin("initdb")
	return err
}

// postgresAccount is whom PostgreSQL runs as when we are root, which it refuses to be.
func postgresAccount() (*account, error) {
	if os.Getuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
		gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
		if err1 == nil && err2 == nil {
			return &account{UID: uint32(uid), GID: uint32(gid)}, nil
		}
	}
	return nil, errors.New("PostgreSQL refuses to run as root, and there is neither a user postgres nor nobody")
}

func preparePostgres(s *server, conf []string) ([]command, error) {
	as, err := postgresAccount()
	if err != nil {
		return nil, err
	}
	data := filepath.Join(s.Dir, "data")
	if err := os.Mkdir(data, 0o700); err != nil {
		return nil, err
	}
	if as != nil {
		if err := os.Chown(data, int(as.UID), int(as.GID)); err != nil {
			return nil, err
		}
	}
	initdb, err := postgresBin("initdb")
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, initdb, "-D", data, "-U", "test", "--auth=trust", "--no-sync", "-E", "UTF8", "--locale=C.UTF-8")
	cmd.Env, cmd.Dir = cleanEnv(data), s.Dir
	if as != nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: as.UID, Gid: as.GID}}
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initdb: %w\n%s", err, out)
	}
	text := fmt.Sprintf(postgresConf, s.Ports[0]) + strings.Join(conf, "\n") + "\n"
	file := filepath.Join(data, "postgresql.conf")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		return nil, err
	}
	if as != nil {
		if err := os.Chown(file, int(as.UID), int(as.GID)); err != nil {
			return nil, err
		}
	}
	bin := filepath.Join(filepath.Dir(initdb), "postgres")
	return []command{{Path: bin, Args: []string{"-D", data}, Env: cleanEnv(data), Log: filepath.Join(s.Dir, "out"), User: as}}, nil
}

func postgresReady(s *server) error {
	_, err := psql(s, "postgres", "SELECT 1")
	return err
}

// psql runs one statement and returns what it printed, unaligned.
func psql(s *server, database, statement string) (string, error) {
	bin, err := postgresBin("psql")
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, bin, "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p", strconv.Itoa(s.Ports[0]),
		"-U", "test", "-d", database, "-c", statement)
	cmd.Env = cleanEnv(s.Dir)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("psql: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return strings.TrimSuffix(string(out), "\n"), nil
}
