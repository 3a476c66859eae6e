package testenv

import (
	"testing"
)

func TestRabbitMQGivesEachTestItsOwnVirtualHost(t *testing.T) {
	a, b := RabbitMQ(t), RabbitMQ(t)
	if a.Vhost() == b.Vhost() {
		t.Fatalf("both are %q", a.Vhost())
	}
	a.API("PUT", "/api/queues/"+segment(a.Vhost())+"/only%2Fhere", map[string]any{"durable": true})
	q := a.AwaitQueue("only/here", func(q RabbitQueue) bool { return q.Type != "" })
	if q.Type != "classic" || !q.Durable || q.Messages != 0 {
		t.Errorf("queue is %+v", q)
	}
	if _, ok := b.Queue("only/here"); ok {
		t.Error("a queue of one virtual host is seen in another")
	}
}

func TestRedisGivesEachTestItsOwnDatabase(t *testing.T) {
	a, b := Redis(t), Redis(t)
	a.Do("SET", "k", "v")
	if got := b.Do("GET", "k"); got != nil {
		t.Errorf("a key of one database is seen in another: %v", got)
	}
	if got := a.Do("GET", "k"); got != "v" {
		t.Errorf("GET k = %v", got)
	}
}

func TestPostgresGivesEachTestItsOwnDatabase(t *testing.T) {
	a, b := Postgres(t), Postgres(t)
	a.Query("CREATE TABLE only_here (id int)")
	if got := b.Query("SELECT to_regclass('only_here') IS NULL"); len(got) != 1 || got[0] != "t" {
		t.Errorf("a table of one database is seen in another: %q", got)
	}
}
