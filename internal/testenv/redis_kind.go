package testenv

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// Which of a Redis's ports is which.
const (
	redisPlain = iota
	redisTLS
	redisPorts
)

// redisDatabases bounds how many tests may use the shared Redis at the same time.
const redisDatabases = 512

const redisConf = `port %d
bind 127.0.0.1
tls-port %d
tls-ca-cert-file %s
tls-cert-file %s
tls-key-file %s
tls-auth-clients optional
unixsocket %s
dir %s
databases %d
save ""
`

var redisKind = &kind{
	name: "redis", debian: "redis-server", version: version(redisConf), ports: redisPorts,
	find: findRedis, prepare: prepareRedis, ready: redisReady, signal: syscall.SIGKILL,
}

func findRedis() error {
	if _, err := exec.LookPath("redis-server"); err != nil {
		return errors.New("Redis is not installed")
	}
	return nil
}

func prepareRedis(s *server, conf []string) ([]command, error) {
	ca, err := userCA()
	if err != nil {
		return nil, err
	}
	cert, err := ca.issueTo(s.Dir, "server")
	if err != nil {
		return nil, err
	}
	text := fmt.Sprintf(redisConf, s.Ports[redisPlain], s.Ports[redisTLS], ca.File, cert.CertFile, cert.KeyFile, redisSocket(s), s.Dir, redisDatabases)
	return redisCommand(s, text, conf)
}

func redisSocket(s *server) string { return filepath.Join(s.Dir, "redis.sock") }

func redisCommand(s *server, text string, conf []string, args ...string) ([]command, error) {
	file := filepath.Join(s.Dir, "redis.conf")
	if err := os.WriteFile(file, []byte(text+strings.Join(conf, "\n")+"\n"), 0o600); err != nil {
		return nil, err
	}
	bin, err := exec.LookPath("redis-server")
	if err != nil {
		return nil, err
	}
	return []command{{Path: bin, Args: append([]string{file}, args...), Env: cleanEnv(s.Dir), Log: filepath.Join(s.Dir, "out")}}, nil
}

func redisReady(s *server) error {
	_, err := redisDo(address(s.Ports[redisPlain]), nil, []string{"PING"})
	var refused respError
	if errors.As(err, &refused) && !strings.HasPrefix(string(refused), "LOADING") {
		return nil // it wants a password, which is an answer
	}
	return err
}
