package testenv

import (
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// A SentinelTrio is three sentinels that watch one master, "mymaster", with one replica.
type SentinelTrio struct {
	Master, Replica *OwnRedisServer
	Name            string   // of the master, as sentinels call it
	Addrs           []string // host:port of the sentinels
	sentinels       []*own
}

const sentinelConf = `port %d
bind 127.0.0.1
dir %s
`

var sentinelKind = &kind{
	name: "sentinel", debian: "redis-server", version: version(sentinelConf), ports: 1,
	find: findRedis, ready: redisReady, signal: syscall.SIGKILL,
	prepare: func(s *server, conf []string) ([]command, error) {
		if _, err := exec.LookPath("redis-server"); err != nil {
			return nil, err
		}
		return redisCommand(s, fmt.Sprintf(sentinelConf, s.Ports[0], s.Dir), conf, "--sentinel")
	},
}

// Sentinel starts a master, its replica and three sentinels for this test alone, and returns when all know each other.
// The master's crash is noticed after a second; about two seconds later the replica takes over.
func Sentinel(t testing.TB) *SentinelTrio {
	t.Helper()
	s := &SentinelTrio{Name: "mymaster", Master: OwnRedis(t)}
	port := strconv.Itoa(s.Master.server.Ports[redisPlain])
	s.Replica = OwnRedis(t, "replicaof 127.0.0.1 "+port, "repl-diskless-sync-delay 0")
	for range 3 {
		o := newOwn(t, sentinelKind, []string{
			"sentinel monitor " + s.Name + " 127.0.0.1 " + port + " 2",
			"sentinel down-after-milliseconds " + s.Name + " 1000",
			"sentinel failover-timeout " + s.Name + " 5000",
		})
		s.sentinels = append(s.sentinels, o)
		s.Addrs = append(s.Addrs, address(o.node.Ports[0]))
	}
	// A failover before everybody knows everybody would lose data.
	Await(t, "sentinels and the replica", func() bool {
		return strings.Contains(s.Replica.Do("INFO", "replication").(string), "master_link_status:up") && s.agreed(t)
	}, nil)
	return s
}

func (s *SentinelTrio) agreed(t testing.TB) bool {
	for _, addr := range s.Addrs {
		answer, err := redisDo(addr, nil, []string{"SENTINEL", "MASTER", s.Name})
		if err != nil {
			t.Fatalf("ask sentinel: %v", err)
		}
		fields, _ := answer.([]any)
		facts := make(map[string]string)
		for i := 0; i+1 < len(fields); i += 2 {
			facts[fmt.Sprint(fields[i])] = fmt.Sprint(fields[i+1])
		}
		if facts["num-other-sentinels"] != "2" || facts["num-slaves"] != "1" || facts["flags"] != "master" {
			return false
		}
	}
	return true
}

// URL is the sentinel:// list as Celery writes it: "sentinel://h:p;sentinel://h:p;sentinel://h:p".
func (s *SentinelTrio) URL() string { return "sentinel://" + strings.Join(s.Addrs, ";sentinel://") }
