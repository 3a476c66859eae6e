package hostile

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/internal/testenv"
	"github.com/umbel-go/umbel/worker"
)

const secret = "s3cr3t-w0rd"

// A fault is a broker or a store that cannot be reached, and what must be said about it.
type fault struct {
	config umbel.Config
	store  bool     // it is the result store's
	says   []string // what is wrong, and what to do
}

// connectTimeout is given to every fault; more than a few of them mean that it is not minded.
const connectTimeout = 2 * time.Second

func faults(t *testing.T) map[string]fault {
	rabbit := testenv.RabbitMQ(t)
	redis := testenv.Redis(t)
	locked := testenv.OwnRedis(t, "requirepass "+secret)
	ca := &umbel.TLSOptions{CACerts: testenv.CA(t).File}
	other := &umbel.TLSOptions{CACerts: testenv.OtherCA(t).File}
	expired := testenv.CA(t).Issue(t, testenv.Expired())
	elsewhere := testenv.CA(t).Issue(t, testenv.ForHost("elsewhere.example"))
	closed := closedPort(t)
	silent := silentPort(t)
	amqp := func(url string, tls *umbel.TLSOptions) umbel.Config {
		return umbel.Config{BrokerURL: []string{url}, BrokerUseSSL: tls, ResultBackend: "disabled"}
	}
	store := func(url string, tls *umbel.TLSOptions) umbel.Config {
		return umbel.Config{BrokerURL: []string{"memory://faults"}, ResultBackend: url, RedisBackendUseSSL: tls}
	}
	withSecret := func(url string) string { return strings.Replace(url, "guest:guest@", "guest:"+secret+"@", 1) }
	return map[string]fault{
		"broker: misspelt scheme":   {config: amqp("ampq://guest:"+secret+"@localhost/", nil), says: []string{"unknown scheme", "amqp"}},
		"broker: no scheme":         {config: amqp("guest:"+secret+"@localhost:5672/", nil), says: []string{"://"}},
		"broker: unreadable URL":    {config: amqp("amqp://guest:"+secret+"/%zz@localhost:5672/", nil), says: []string{"credentials", "%2F"}},
		"broker: bad port":          {config: amqp("amqp://guest:"+secret+"@localhost:5672x/", nil), says: []string{"port"}},
		"broker: unknown host":      {config: amqp("amqp://guest:"+secret+"@nobody.invalid/", nil), says: []string{"nobody.invalid", "host name"}},
		"broker: closed port":       {config: amqp("amqp://guest:"+secret+"@"+closed+"/", nil), says: []string{"connection refused", "check host and port"}},
		"broker: silent port":       {config: amqp("amqp://guest:"+secret+"@"+silent+"/", nil), says: []string{"no answer within 2s", "AMQP"}},
		"broker: silent TLS port":   {config: amqp("amqps://guest:"+secret+"@"+silent+"/", ca), says: []string{"no answer within 2s", "TLS"}},
		"broker: wrong password":    {config: amqp(rabbit.URLFor("guest", secret), nil), says: []string{`authenticate as "guest"`, "check user and password"}},
		"broker: wrong vhost":       {config: amqp(withSecret(strings.Replace(rabbit.URL(), rabbit.Vhost(), "nowhere", 1)), nil), says: []string{"authenticate", "check"}},
		"broker: no such vhost":     {config: amqp(strings.Replace(rabbit.URL(), rabbit.Vhost(), "nowhere", 1), nil), says: []string{`open vhost "nowhere"`, "check the path of the URL"}},
		"broker: wrong CA":          {config: amqp(withSecret(rabbit.TLSURL()), other), says: []string{"unknown authority", "ca_certs"}},
		"broker: system's CAs":      {config: amqp(withSecret(rabbit.TLSURL()), nil), says: []string{"unknown authority", "ca_certs"}},
		"broker: no CA file":        {config: amqp(withSecret(rabbit.TLSURL()), &umbel.TLSOptions{CACerts: "/nowhere/ca.pem"}), says: []string{"/nowhere/ca.pem"}},
		"broker: expired":           {config: amqp(withSecret(rabbit.URLAt("amqps", testenv.TLSProxy(t, expired, rabbit.Addr()))), ca), says: []string{"expired", "renew"}},
		"broker: wrong host name":   {config: amqp(withSecret(rabbit.URLAt("amqps", testenv.TLSProxy(t, elsewhere, rabbit.Addr()))), ca), says: []string{"not valid for", "elsewhere.example"}},
		"broker: TLS to plain port": {config: amqp(withSecret(rabbit.URLAt("amqps", rabbit.Addr())), ca), says: []string{"does not speak TLS", "scheme amqp"}},
		"broker: plain to TLS port": {config: amqp(withSecret(rabbit.URLAt("amqp", rabbit.TLSAddr())), nil), says: []string{"amqps"}},
		"broker: management port":   {config: amqp(withSecret(rabbit.URLAt("amqp", rabbit.HTTPAddr())), nil), says: []string{"does not speak AMQP"}},

		"store: misspelt scheme":   {store: true, config: store("reddis://:"+secret+"@localhost/0", nil), says: []string{"unknown scheme", "redis"}},
		"store: unreadable URL":    {store: true, config: store("redis://:"+secret+"/%zz@localhost/0", nil), says: []string{"percent-encode"}},
		"store: unknown host":      {store: true, config: store("redis://:"+secret+"@nobody.invalid/0", nil), says: []string{"nobody.invalid"}},
		"store: closed port":       {store: true, config: store("redis://:"+secret+"@"+closed+"/0", nil), says: []string{"connection refused", "is Redis running there"}},
		"store: silent port":       {store: true, config: store("redis://:"+secret+"@"+silent+"/0", nil), says: []string{"longer than 2s", "firewall"}},
		"store: wrong password":    {store: true, config: store(strings.Replace(locked.URL(), secret, secret+"x", 1), nil), says: []string{"password"}},
		"store: password missing":  {store: true, config: store(strings.Replace(locked.URL(), ":"+secret+"@", "", 1), nil), says: []string{"password"}},
		"store: no such database":  {store: true, config: store("redis://"+redis.Addr()+"/999999", nil), says: []string{"999999"}},
		"store: wrong CA":          {store: true, config: store(redis.TLSURL(), other), says: []string{"authority", "ca_certs"}},
		"store: expired":           {store: true, config: store(redis.URLAt("rediss", testenv.TLSProxy(t, expired, redis.Addr())), ca), says: []string{"expired", "renew"}},
		"store: wrong host name":   {store: true, config: store(redis.URLAt("rediss", testenv.TLSProxy(t, elsewhere, redis.Addr())), ca), says: []string{"other names", "connect by one of them"}},
		"store: TLS to plain port": {store: true, config: store(redis.URLAt("rediss", redis.Addr()), ca), says: []string{"TLS"}},
		"store: plain to TLS port": {store: true, config: store(redis.URLAt("redis", redis.TLSAddr()), nil), says: []string{"rediss"}},
		"store: pickled SQL":       {store: true, config: store("db+postgresql://u:"+secret+"@localhost/x", nil), says: []string{"postgres"}},

		"sqlite: no folder":    {config: umbel.Config{BrokerURL: []string{"sqlite:///nowhere/at/all/umbel.db"}}, says: []string{"/nowhere/at/all"}},
		"sqlite: a folder":     {config: umbel.Config{BrokerURL: []string{"sqlite://" + t.TempDir()}}, says: []string{"is a folder", "choose another path"}},
		"sqlite: another file": {config: umbel.Config{BrokerURL: []string{"sqlite://" + written(t, "this is a letter to my aunt, and no database at all. "+strings.Repeat("x", 5000))}}, says: []string{"not a database"}},
	}
}

func TestFaultsAreSaidInOneLineWithWhatToDo(t *testing.T) {
	for name, f := range faults(t) {
		f.config.BrokerConnectionTimeout, f.config.RedisSocketConnectTimeout = connectTimeout, connectTimeout
		no := false
		f.config.BrokerConnectionRetryOnStartup = &no
		t.Run(name, func(t *testing.T) {
			t.Parallel() // some wait for their timeout
			// Ten times the timeout, so that a busy machine is no fault.
			ctx, cancel := context.WithTimeout(context.Background(), 10*connectTimeout)
			defer cancel()
			t.Run("client", func(t *testing.T) {
				app := newApp(t, f.config)
				var err error
				if f.store {
					_, err = app.Result("x").State(ctx)
				} else {
					_, err = app.Send(ctx, "x", nil)
				}
				checkFault(t, err, f.says)
			})
			t.Run("worker", func(t *testing.T) {
				checkFault(t, worker.New(newApp(t, f.config), worker.Config{}).Run(ctx), f.says)
			})
		})
	}
}

func checkFault(t *testing.T, err error, says []string) {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	if errors.Is(err, context.DeadlineExceeded) && !strings.Contains(err.Error(), "no answer") {
		t.Errorf("it did not come to an end by itself: %v", err)
	}
	checkLine(t, err.Error(), says)
	t.Log(err)
}

func checkLine(t *testing.T, line string, says []string) {
	t.Helper()
	if strings.ContainsAny(line, "\n\r\x1b") {
		t.Errorf("more than one line: %q", line)
	}
	if strings.Contains(line, secret) {
		t.Errorf("it holds the password: %s", line)
	}
	for _, want := range says {
		if !strings.Contains(strings.ToLower(line), strings.ToLower(want)) {
			t.Errorf("it does not say %q: %s", want, line)
		}
	}
}

// TestTheProgramSaysFaultsInOneLine: the same through the command line: exit code, nothing on stdout, one line on stderr.
func TestTheProgramSaysFaultsInOneLine(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	rabbit := testenv.RabbitMQ(t)
	for name, c := range map[string]struct {
		variables []string
		says      []string
	}{
		"closed port":    {[]string{"UMBEL_BROKER_URL=amqp://guest:" + secret + "@" + closedPort(t) + "/"}, []string{"connection refused", "check host and port"}},
		"wrong password": {[]string{"UMBEL_BROKER_URL=" + rabbit.URLFor("guest", secret)}, []string{"check user and password"}},
		"wrong scheme":   {[]string{"UMBEL_BROKER_URL=ampq://guest:" + secret + "@localhost/"}, []string{"ampq", "amqp"}},
		"wrong setting":  {[]string{"UMBEL_BROKER_URL=" + rabbit.URL(), "UMBEL_BROKER_CONECTION_TIMEOUT=4", "UMBEL_BROKER_PASSWORD=" + secret}, []string{"broker_connection_timeout"}},
		"closed store":   {[]string{"UMBEL_BROKER_URL=" + rabbit.URL(), "UMBEL_RESULT_BACKEND=redis://:" + secret + "@" + closedPort(t) + "/0"}, []string{"connection refused"}},
	} {
		for _, command := range [][]string{{"call", "some.task"}, {"worker"}} {
			if name == "closed store" && command[0] == "call" {
				continue // which does not need the store
			}
			t.Run(name+" "+command[0], func(t *testing.T) {
				t.Parallel()
				ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
				defer cancel()
				cmd := exec.CommandContext(ctx, exe, command...)
				cmd.Dir = t.TempDir()
				cmd.Env = append(append(os.Environ(), "HOSTILE_ROLE=umbel", "UMBEL_BROKER_CONNECTION_RETRY_ON_STARTUP=false"), c.variables...)
				var stdout, stderr strings.Builder
				cmd.Stdout, cmd.Stderr = &stdout, &stderr
				err := cmd.Run()
				var exit *exec.ExitError
				if !errors.As(err, &exit) || exit.ExitCode() <= 0 {
					t.Errorf("it ended with %v", err)
				}
				var faults []string
				for line := range strings.Lines(stderr.String()) {
					if strings.Contains(line, "rror") {
						faults = append(faults, strings.TrimSpace(line))
					}
				}
				if len(faults) != 1 {
					t.Fatalf("want one line that says error:\n%s\n%s", stdout.String(), stderr.String())
				}
				if strings.Contains(stdout.String()+stderr.String(), secret) {
					t.Errorf("the password is shown:\n%s%s", stdout.String(), stderr.String())
				}
				checkLine(t, faults[0], c.says)
				t.Log(faults[0])
			})
		}
	}
}

// TestAWorkerThatTriesAgainSaysWhyEachTime: a broker that is merely away is waited for, with a line for each attempt.
func TestAWorkerThatTriesAgainSaysWhyEachTime(t *testing.T) {
	var mu sync.Mutex
	var lines []string
	log := slog.New(slog.NewTextHandler(writer(func(p []byte) {
		mu.Lock()
		defer mu.Unlock()
		lines = append(lines, strings.TrimSuffix(string(p), "\n"))
	}), nil))
	app := umbel.New("hostile", umbel.WithLogger(log), umbel.WithConfig(umbel.Config{ResultBackend: "disabled",
		BrokerURL: []string{"amqp://guest:" + secret + "@" + closedPort(t) + "/"}}))
	defer app.Close()
	w := worker.New(app, worker.Config{})
	done := make(chan error, 1)
	go func() { done <- w.Run(context.Background()) }()
	testenv.Await(t, "two attempts", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(lines) >= 2
	}, nil)
	w.Stop(worker.Warm)
	if err := <-done; err != nil {
		t.Errorf("a worker that was asked to stop before it could connect: %v", err)
	}
	for _, line := range lines {
		if !strings.Contains(line, "stopped before it could connect") {
			checkLine(t, line, []string{"connection refused", "trying again"})
		}
	}
}

type writer func([]byte)

func (w writer) Write(p []byte) (int, error) {
	w(p)
	return len(p), nil
}

// closedPort is an address where nothing listens.
func closedPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// silentPort is an address whose connections are taken and never answered.
func silentPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l.Addr().String() // the kernel accepts; nobody reads
}

func written(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "umbel.db")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
