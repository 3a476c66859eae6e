package worker_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/umbel-go/umbel"
	_ "github.com/umbel-go/umbel/backend/redis"
	"github.com/umbel-go/umbel/internal/faultnet"
	"github.com/umbel-go/umbel/internal/testenv"
	_ "github.com/umbel-go/umbel/secret/aws"
	"github.com/umbel-go/umbel/worker"
)

// lines keeps what is logged.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// One secret of AWS Secrets Manager holds the URLs of broker and result store. It is rotated: RabbitMQ's user and Redis get new
// passwords, all connections are closed. The worker and the sender, both started before, go on.
func TestARotatedSecretNeedsNoRestart(t *testing.T) {
	store := testenv.Secrets(t) // of this process: not parallel
	rabbit := testenv.RabbitMQ(t)
	redis := testenv.OwnRedis(t)
	broken := faultnet.To(t, redis.Addr())
	user := "rotated-" + rabbit.Vhost()
	rabbit.User(user, "first", ".*", ".*", ".*")
	redis.Do("ACL", "SETUSER", "shop", "on", ">first", "~*", "&*", "+@all")
	secret := func(password string) string {
		return fmt.Sprintf(`{"broker": %q, "results": %q}`, rabbit.URLFor(user, password),
			(&url.URL{Scheme: "redis", Host: broken.Addr(), Path: "/0", User: url.UserPassword("shop", password)}).String())
	}
	name := "shop/" + rabbit.Vhost() // nobody has asked for it yet
	store.Put(name, secret("first"))

	log := &lines{}
	app := umbel.New("test", umbel.WithConfig(umbel.Config{
		BrokerURL: []string{"secretsmanager://" + name + "#broker"}, ResultBackend: store.ARN("eu-west-1", name) + ":results::",
		BrokerConnectionTimeout: 30 * time.Second, RedisSocketConnectTimeout: 30 * time.Second,
	}), umbel.WithLogger(slog.New(slog.NewTextHandler(log, nil))))
	double := umbel.Register(app, "double", func(_ context.Context, n int) (int, error) { return 2 * n, nil })
	ready, ended := make(chan struct{}), make(chan error, 1)
	ctx, stop := context.WithCancel(t.Context())
	go func() { ended <- worker.New(app, worker.Config{OnReady: func() { close(ready) }}).Run(ctx) }()
	t.Cleanup(func() {
		stop()
		<-ended
		_ = app.Close()
	})
	within(t, "ready", ready)
	run := func(n int) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		defer cancel()
		sent, err := double.Send(ctx, n)
		if err != nil {
			t.Fatalf("send %d: %v\n%s", n, err, log)
		}
		if got, err := sent.Get(ctx); got != 2*n || err != nil {
			t.Fatalf("result of %d: %d, %v\n%s", n, got, err, log)
		}
	}
	run(1)
	if asked := store.Asked(name); asked != 2 { // by name, and by ARN
		t.Errorf("the secret was asked for %d times before it was rotated", asked)
	}
	for round, password := range []string{"second", "third"} {
		rabbit.API(http.MethodPut, "/api/users/"+url.PathEscape(user), map[string]any{"password": password, "tags": ""})
		redis.Do("ACL", "SETUSER", "shop", "resetpass", ">"+password)
		store.Put(name, secret(password))
		testenv.Await(t, "connections that RabbitMQ knows", func() bool { return rabbit.CloseConnections() >= 2 }, nil)
		broken.Cut()
		run(10 + round)
	}
	if text := log.String(); strings.Contains(text, "first") || strings.Contains(text, "second@") || strings.Contains(text, ":third") {
		t.Errorf("the log tells a password:\n%s", text)
	}
}
