package redis

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/umbel-go/umbel/backend"
	"github.com/umbel-go/umbel/internal/testenv"
	"github.com/umbel-go/umbel/protocol"
)

func TestContractOverTLS(t *testing.T) {
	runSuite(t, func(t *testing.T) backend.Config {
		r := testenv.Redis(t)
		c := configOf(r)
		c.URL = r.TLSURL() + "?ssl_cert_reqs=CERT_REQUIRED&ssl_ca_certs=" + testenv.CA(t).File
		return c
	})
}

func TestContractOverAUnixSocket(t *testing.T) {
	runSuite(t, func(t *testing.T) backend.Config {
		r := testenv.Redis(t)
		c := configOf(r)
		c.URL = "socket://" + r.Socket() + "?virtual_host=" + testDB(r)
		return c
	})
}

func TestContractWithAPassword(t *testing.T) {
	r := testenv.OwnRedis(t, "requirepass sesame")
	runSuite(t, func(t *testing.T) backend.Config {
		return backend.Config{URL: r.URL(), Options: map[string]any{"global_keyprefix": t.Name()}}
	})
}

func testDB(r *testenv.RedisServer) string {
	return strings.TrimPrefix(r.URL(), "redis://"+r.Addr()+"/")
}

func TestEachWayToConnectServes(t *testing.T) {
	r := testenv.Redis(t)
	ca := testenv.CA(t)
	own := ca.Issue(t)
	wrongHost := testenv.TLSProxy(t, ca.Issue(t, testenv.ForHost("example.com")), r.Addr())
	stranger := testenv.TLSProxy(t, testenv.OtherCA(t).Issue(t), r.Addr())
	for name, c := range map[string]backend.Config{
		"redis+socket":       {URL: "redis+socket://" + r.Socket() + "?db=" + testDB(r)},
		"unix":               {URL: "unix://" + r.Socket() + "?virtual_host=" + testDB(r)},
		"use_ssl":            {URL: r.URLAt("redis", r.TLSAddr()), Settings: map[string]any{"use_ssl": map[string]any{"ssl_ca_certs": ca.File}}},
		"client certificate": {URL: r.TLSURL() + "?ssl_ca_certs=" + ca.File + "&ssl_certfile=" + own.CertFile + "&ssl_keyfile=" + own.KeyFile},
		"by name":            {URL: strings.Replace(r.TLSURL(), "127.0.0.1", "localhost", 1) + "?ssl_ca_certs=" + ca.File},
		"another host, unchecked": {
			URL: r.URLAt("rediss", wrongHost) + "?ssl_check_hostname=false&ssl_ca_certs=" + ca.File},
		"a stranger, unverified": {URL: r.URLAt("rediss", stranger) + "?ssl_cert_reqs=CERT_NONE"},
	} {
		c.Options = map[string]any{"global_keyprefix": r.Prefix() + name}
		b := dial(t, c)
		store(t, b, success("x"))
		if d, err := b.Get(t.Context(), "x"); err != nil || d.Status != protocol.Success {
			t.Errorf("%s: %+v, %v", name, d, err)
		}
	}
}

// silent accepts connections and never says a word.
func silent(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l.Addr().String() // the backlog accepts
}

func closedPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func TestOpeningFailsInTimeWithWhatToDo(t *testing.T) {
	t.Parallel()
	r := testenv.Redis(t)
	locked := testenv.OwnRedis(t, "requirepass sesame")
	ca := testenv.CA(t)
	trust := "?ssl_ca_certs=" + ca.File
	for name, tt := range map[string]struct {
		url     string
		options map[string]any
		want    []string
	}{
		"wrong host":        {"redis://no-such-host.invalid/0", nil, []string{"no-such-host.invalid", "is the host name right?"}},
		"closed port":       {"redis://" + closedPort(t), nil, []string{"connection refused", "is Redis running there?"}},
		"no socket":         {"socket:///no/such.sock", nil, []string{"/no/such.sock", "is Redis running there?"}},
		"silence":           {"redis://" + silent(t), nil, []string{"logging in at", "are host, port and firewall right?"}},
		"silence to TLS":    {"rediss://" + silent(t), nil, []string{"the TLS handshake with", "does the server speak TLS there"}},
		"no password":       {"redis://" + locked.Addr(), nil, []string{"NOAUTH", "redis_password"}},
		"wrong password":    {"redis://:s3cret@" + locked.Addr(), nil, []string{"WRONGPASS", "redis://:**@", "password is wrong"}},
		"wrong user":        {"redis://bob:s3cret@" + r.Addr(), nil, []string{"WRONGPASS", "redis://bob:**@"}},
		"database":          {"redis://" + r.Addr() + "/100000", nil, []string{"out of range", "no database 100000"}},
		"plain to TLS":      {"redis://" + r.TLSAddr(), nil, []string{"does it expect TLS (rediss://)?"}},
		"TLS to plain":      {"rediss://" + r.Addr() + trust, nil, []string{"the TLS handshake with", "does the server speak TLS there"}},
		"unknown authority": {"rediss://" + r.TLSAddr(), nil, []string{"unknown authority", "ssl_ca_certs"}},
		"other authority":   {"rediss://" + testenv.TLSProxy(t, testenv.OtherCA(t).Issue(t), r.Addr()) + trust, nil, []string{"unknown authority"}},
		"expired":           {"rediss://" + testenv.TLSProxy(t, ca.Issue(t, testenv.Expired()), r.Addr()) + trust, nil, []string{"expired"}},
		"other host": {"rediss://" + testenv.TLSProxy(t, ca.Issue(t, testenv.ForHost("example.com")), r.Addr()) + trust, nil,
			[]string{"ssl_check_hostname=false"}},
		"expired, host unchecked": {"rediss://" + testenv.TLSProxy(t, ca.Issue(t, testenv.Expired()), r.Addr()) + trust + "&ssl_check_hostname=false", nil,
			[]string{"expired"}},
		"no sentinel":     {"sentinel://" + closedPort(t), map[string]any{"master_name": "m"}, []string{"connection refused"}},
		"not a sentinel":  {"sentinel://" + r.Addr(), map[string]any{"master_name": "m"}, []string{"unknown command", "not a sentinel"}},
		"locked sentinel": {"sentinel://:s3cret@" + locked.Addr(), map[string]any{"master_name": "m"}, []string{"NOAUTH"}},
		"a sentinel's password": {"sentinel://" + locked.Addr(), map[string]any{"master_name": "m", "sentinel_kwargs": map[string]any{"password": "sesame"}},
			[]string{"unknown command"}},
		"a sentinel over TLS": {"sentinel://" + r.TLSAddr(), map[string]any{"master_name": "m",
			"sentinel_kwargs": map[string]any{"ssl": true, "ssl_ca_certs": ca.File}}, []string{"unknown command"}},
		"silent sentinel": {"sentinel://" + silent(t), map[string]any{"master_name": "m"}, []string{"logging in at"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			limit := 10 * time.Second
			if strings.Contains(name, "silen") || name == "TLS to plain" {
				limit = 500 * time.Millisecond
			}
			_, err := backend.Open(context.Background(), backend.Config{URL: tt.url, Options: tt.options, ConnectTimeout: limit})
			if err == nil {
				t.Fatal("no error")
			}
			for _, w := range tt.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("%q does not say %q", err, w)
				}
			}
			if strings.Contains(err.Error(), "s3cret") || strings.Contains(err.Error(), "sesame") {
				t.Errorf("the secret is told: %v", err)
			}
		})
	}
}

// once is a retry policy without patience.
var once = map[string]any{"max_retries": 0}

func TestStoringFailsWithWhatToDo(t *testing.T) {
	t.Parallel()
	t.Run("maxmemory", func(t *testing.T) {
		t.Parallel()
		r := testenv.OwnRedis(t, "maxmemory 2mb", "maxmemory-policy noeviction")
		b := dial(t, backend.Config{URL: r.URL()})
		large := success("large")
		large.Traceback, large.HasTraceback = strings.Repeat("x", 4<<20), true
		b.Store(t.Context(), []*protocol.Result{large})
		wantErrors(t, b.Store(t.Context(), []*protocol.Result{success("a"), success("b")}), "OOM", "maxmemory", `task "a"`)
	})
	t.Run("replica", func(t *testing.T) {
		t.Parallel()
		master := testenv.OwnRedis(t)
		_, port, _ := net.SplitHostPort(master.Addr())
		replica := testenv.OwnRedis(t, "replicaof 127.0.0.1 "+port)
		b := dial(t, backend.Config{URL: replica.URL(), Options: map[string]any{"retry_policy": map[string]any{"max_retries": 2, "interval_max": 0.01}}})
		wantErrors(t, b.Store(t.Context(), []*protocol.Result{success("a"), success("b")}), "READONLY", "master")
	})
	t.Run("no permission", func(t *testing.T) {
		t.Parallel()
		r := testenv.OwnRedis(t, "user bob on >pw ~celery-* &celery-* -@all +get +mget")
		b := dial(t, backend.Config{URL: "redis://bob:pw@" + r.Addr()})
		wantErrors(t, b.Store(t.Context(), []*protocol.Result{success("a")}), "NOPERM", "evalsha")
		if _, err := b.Watch(t.Context(), []string{"a"}, func(*protocol.Result) {}); err == nil || !strings.Contains(err.Error(), "NOPERM") {
			t.Errorf("Watch without permission: %v", err)
		}
	})
	t.Run("server gone", func(t *testing.T) {
		t.Parallel()
		r := testenv.OwnRedis(t)
		b := dial(t, backend.Config{URL: r.URL(), Options: map[string]any{"retry_policy": once}})
		r.Kill()
		wantErrors(t, b.Store(t.Context(), []*protocol.Result{success("a")}), "store result of task")
		wantErrors(t, b.Store(t.Context(), []*protocol.Result{success("a")}), "connection refused", "is Redis running there?")
	})
	t.Run("too large", func(t *testing.T) {
		t.Parallel()
		if testing.Short() {
			t.Skip("needs a gigabyte of memory")
		}
		b := dial(t, configOf(testenv.Redis(t)))
		huge := success("huge")
		huge.Traceback, huge.HasTraceback = strings.Repeat("x", longestDocument), true
		errs := b.Store(t.Context(), []*protocol.Result{success("small"), huge})
		if len(errs) != 2 || errs[0] != nil {
			t.Fatalf("errors %v, want one of the second", errs)
		}
		wantErrors(t, errs[1:], "536870912", `task "huge"`)
		if !errors.Is(errs[1], backend.ErrUnstorable) {
			t.Errorf("%v is not ErrUnstorable", errs[1])
		}
	})
	t.Run("too large for this server", func(t *testing.T) {
		t.Parallel()
		r := testenv.OwnRedis(t, "proto-max-bulk-len 1mb")
		b := dial(t, backend.Config{URL: r.URL(), Options: map[string]any{"retry_policy": map[string]any{"max_retries": 3, "interval_max": 0.01}}})
		large := success("large")
		large.Traceback, large.HasTraceback = strings.Repeat("x", 2<<20), true
		errs := b.Store(t.Context(), []*protocol.Result{success("a"), large, success("b")})
		if len(errs) != 3 || errs[0] != nil || errs[1] == nil || errs[2] != nil { // Redis hangs up, with or without a word
			t.Fatalf("%v, want an error for the second of three", errs)
		}
	})
	t.Run("a key of somebody else", func(t *testing.T) {
		t.Parallel()
		r := testenv.Redis(t)
		b := dial(t, configOf(r))
		if err := b.client.Do(t.Context(), b.client.B().Lpush().Key(b.key("list")).Element("x").Build()).Error(); err != nil {
			t.Fatal(err)
		}
		errs := b.Store(t.Context(), []*protocol.Result{success("a"), success("list"), success("b")})
		if len(errs) != 3 || errs[0] != nil || !errors.Is(errs[1], backend.ErrUnstorable) || errs[2] != nil {
			t.Fatalf("%v, want ErrUnstorable for the second of three", errs)
		}
		wantErrors(t, errs[1:2], "WRONGTYPE", "global_keyprefix")
	})
	t.Run("the caller's deadline", func(t *testing.T) {
		t.Parallel()
		r := testenv.OwnRedis(t)
		b := dial(t, backend.Config{URL: r.URL()})
		store(t, b, success("before"))
		r.Freeze()
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		wantErrors(t, b.Store(ctx, []*protocol.Result{success("a")}), context.DeadlineExceeded.Error())
		r.Thaw()
		store(t, b, success("after"))
	})
}

func wantErrors(t *testing.T, errs []error, words ...string) {
	t.Helper()
	if len(errs) == 0 {
		t.Fatal("no errors")
	}
	for i, err := range errs {
		if err == nil {
			t.Fatalf("document %d: no error", i)
		}
	}
	for _, w := range words {
		if !strings.Contains(errs[0].Error(), w) {
			t.Errorf("%q does not say %q", errs[0], w)
		}
	}
}

// A frozen server, or a network that swallows everything, is left by the socket timeout; the next call finds a new
// connection.
func TestASocketTimeoutEndsACallAndItsConnection(t *testing.T) {
	r := testenv.OwnRedis(t)
	b := dial(t, backend.Config{URL: r.URL(), Settings: map[string]any{"socket_timeout": 0.2}, Options: map[string]any{"retry_policy": once}})
	store(t, b, success("before"))
	r.Freeze()
	wantErrors(t, b.Store(t.Context(), []*protocol.Result{success("a")}), "in time")
	r.Thaw()
	store(t, b, success("after"))
}

func TestOneConnectionServesAllAndASecondOneWatches(t *testing.T) {
	r := testenv.OwnRedis(t)
	b := dial(t, backend.Config{URL: r.URL(), Settings: map[string]any{"client_name": "umbel-test"}})
	count := func() int {
		return strings.Count(r.Do("CLIENT", "LIST").(string), "name=umbel-test ")
	}
	done := make(chan struct{})
	for range 16 {
		go func() {
			for range 50 {
				b.Store(context.Background(), []*protocol.Result{success("x")})
				b.Get(context.Background(), "x")
			}
			done <- struct{}{}
		}()
	}
	for range 16 {
		<-done
	}
	if n := count(); n != 1 {
		t.Errorf("%d connections, want 1", n)
	}
	for range 50 {
		stop, err := b.Watch(t.Context(), []string{"x"}, func(*protocol.Result) {})
		if err != nil {
			t.Fatal(err)
		}
		defer stop()
	}
	if n := count(); n != 2 {
		t.Errorf("%d connections while 50 watch, want 2", n)
	}
}
