package testenv

import (
	"fmt"
	"net/url"
	"os"
	"strconv"
	"testing"
)

// A RedisServer is Redis as one test sees it: a database number that nobody else uses. Publish and subscribe know no
// databases: channels are shared by all tests, so let theirs begin with Prefix.
type RedisServer struct {
	t        testing.TB
	server   *server
	db       int
	password string
}

// Redis returns an empty database on the Redis that all tests share. It is flushed when the test ends. Tests that
// close other clients' connections or change settings use OwnRedis.
func Redis(t testing.TB) *RedisServer {
	t.Helper()
	r := &RedisServer{t: t, server: shared(t, redisKind)}
	// Database 0 notes who uses which. A note expires, should its test be killed.
	for range redisDatabases {
		n, err := redisDo(r.Addr(), nil, []string{"INCR", "testenv:next"})
		if err != nil {
			t.Fatal(err)
		}
		r.db = int(n.(int64)%(redisDatabases-1)) + 1
		note := "testenv:db:" + strconv.Itoa(r.db)
		taken, err := redisDo(r.Addr(), nil, []string{"SET", note, fmt.Sprint(os.Getpid()), "NX", "EX", "3600"})
		if err != nil {
			t.Fatal(err)
		}
		if taken != nil {
			r.Do("FLUSHDB")
			t.Cleanup(func() {
				r.Do("FLUSHDB")
				redisDo(r.Addr(), nil, []string{"DEL", note})
			})
			return r
		}
	}
	t.Fatalf("all %d databases of the shared Redis are in use", redisDatabases)
	return nil
}

// An OwnRedisServer is a Redis that belongs to one test.
type OwnRedisServer struct {
	RedisServer
	*own
}

// OwnRedis starts a Redis for this test alone, with further lines for redis.conf, such as "maxmemory 4mb". A line
// "requirepass …" is minded by URL and Do. Keys do not survive Kill unless a line says "appendonly yes".
func OwnRedis(t testing.TB, conf ...string) *OwnRedisServer {
	t.Helper()
	o := newOwn(t, redisKind, conf)
	r := &OwnRedisServer{RedisServer: RedisServer{t: t, server: o.node}, own: o}
	for _, line := range conf {
		fmt.Sscanf(line, "requirepass %s", &r.password)
	}
	return r
}

// Addr is host:port of the plain listener, TLSAddr that of the TLS listener.
func (r *RedisServer) Addr() string    { return address(r.server.Ports[redisPlain]) }
func (r *RedisServer) TLSAddr() string { return address(r.server.Ports[redisTLS]) }

// Socket is the path of the Unix socket.
func (r *RedisServer) Socket() string { return redisSocket(r.server) }

// Prefix is a word that no other test uses, for channels: it holds this test's database number.
func (r *RedisServer) Prefix() string {
	return fmt.Sprintf("db%d_port%d:", r.db, r.server.Ports[redisPlain])
}

// DB is this test's database number.
func (r *RedisServer) DB() int { return r.db }

// URL is the redis:// URL of this test's database.
func (r *RedisServer) URL() string { return r.URLAt("redis", r.Addr()) }

// TLSURL is the rediss:// URL, without query; the certificate is for localhost and 127.0.0.1, signed by CA.
func (r *RedisServer) TLSURL() string { return r.URLAt("rediss", r.TLSAddr()) }

// URLAt is URL with another scheme and address.
func (r *RedisServer) URLAt(scheme, addr string) string {
	u := url.URL{Scheme: scheme, Host: addr, Path: "/" + strconv.Itoa(r.db)}
	if r.password != "" {
		u.User = url.UserPassword("", r.password)
	}
	return u.String()
}

// Do runs a command in this test's database, over a connection of its own, and returns string, int64, nil or []any.
// An error fails the test.
func (r *RedisServer) Do(command ...string) any {
	r.t.Helper()
	answer, err := r.Try(command...)
	if err != nil {
		r.t.Fatalf("redis %s: %v", command[0], err)
	}
	return answer
}

// Try is Do for commands that may fail.
func (r *RedisServer) Try(command ...string) (any, error) {
	commands := [][]string{{"SELECT", strconv.Itoa(r.db)}, command}
	if r.password != "" {
		commands = append([][]string{{"AUTH", r.password}}, commands...)
	}
	return redisDo(r.Addr(), nil, commands...)
}
