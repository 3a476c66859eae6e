package testenv

import (
	"net/http"
	"runtime"
	"testing"
)

func TestAnOwnRedisComesBackAfterAKillWithItsKeys(t *testing.T) {
	r := OwnRedis(t, "requirepass sesame", "appendonly yes", "appendfsync always")
	addr, pid := r.Addr(), r.PID()
	r.Do("SET", "k", "v")
	r.Kill()
	if _, err := r.Try("PING"); err == nil {
		t.Fatal("a killed Redis answers")
	}
	r.Start()
	if got := r.Do("GET", "k"); got != "v" {
		t.Errorf("GET k = %v", got)
	}
	if r.Addr() != addr || r.PID() == pid {
		t.Errorf("address %s, pid %d; before the kill %s, %d", r.Addr(), r.PID(), addr, pid)
	}
	if _, err := redisDo(r.Addr(), nil, []string{"GET", "k"}); err == nil {
		t.Error("no password was asked for")
	}
}

func TestAnOwnRabbitMQKeepsDurableQueuesOverStopAndKill(t *testing.T) {
	if testing.Short() {
		t.Skip("RabbitMQ starts three times")
	}
	t.Parallel()
	r := OwnRabbitMQ(t, "heartbeat = 7")
	r.API(http.MethodPut, "/api/queues/%2F/lasting", map[string]any{"durable": true})
	r.Stop()
	r.Start()
	if _, ok := r.Queue("lasting"); !ok {
		t.Error("the queue is gone after Stop")
	}
	r.Kill()
	r.Start()
	if _, ok := r.Queue("lasting"); !ok {
		t.Error("the queue is gone after Kill")
	}
}

func TestAnOwnPostgresKeepsItsRowsOverStopAndKill(t *testing.T) {
	t.Parallel()
	p := OwnPostgres(t)
	p.Query("CREATE TABLE kept (id int)")
	p.Query("INSERT INTO kept VALUES (7)")
	for name, end := range map[string]func(){"Stop": p.Stop, "Kill": p.Kill} {
		end()
		p.Start()
		if got := p.Query("SELECT id FROM kept"); len(got) != 1 || got[0] != "7" {
			t.Errorf("after %s: %q", name, got)
		}
	}
}

func TestSentinelsMakeTheReplicaMaster(t *testing.T) {
	t.Parallel()
	s := Sentinel(t)
	s.Master.Do("SET", "k", "v")
	Await(t, "replica", func() bool { return s.Replica.Do("GET", "k") == "v" }, nil)
	s.Master.Kill()
	Await(t, "failover", func() bool { _, err := s.Replica.Try("SET", "k", "w"); return err == nil }, nil)
}

func TestAServerEndsWithItsWatcher(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux ties a process to its parent")
	}
	t.Parallel()
	r := OwnRedis(t)
	if err := r.node.watch.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	Await(t, "end of the server", func() bool { return !serves(r.Addr()) }, nil)
}
