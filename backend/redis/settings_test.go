package redis

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/umbel-go/umbel/backend"
	"github.com/umbel-go/umbel/internal/testenv"
)

func TestURLsSayWhereRedisIs(t *testing.T) {
	type want struct {
		Addrs          []string
		DB             int
		User, Password string
	}
	for url, w := range map[string]want{
		"redis://":                                     {[]string{"localhost:6379"}, 0, "", ""},
		"redis://cache/2":                              {[]string{"cache:6379"}, 2, "", ""},
		"redis://:p%40ss%2F@cache:7000/":               {[]string{"cache:7000"}, 0, "", "p@ss/"},
		"redis://bob:secret@[::1]:7000/15":             {[]string{"[::1]:7000"}, 15, "bob", "secret"},
		"redis://cache?db=3":                           {[]string{"cache:6379"}, 3, "", ""},
		"REDIS://cache/4":                              {[]string{"cache:6379"}, 4, "", ""},
		"rediss://cache:6380/1?ssl_cert_reqs=none":     {[]string{"cache:6380"}, 1, "", ""},
		"socket:///run/redis.sock?virtual_host=5":      {[]string{"/run/redis.sock"}, 5, "", ""},
		"redis+socket:///run/redis.sock":               {[]string{"/run/redis.sock"}, 0, "", ""},
		"unix://:pw@/run/redis.sock?db=6":              {[]string{"/run/redis.sock"}, 6, "", "pw"},
		"socket://run/redis.sock":                      {[]string{"/run/redis.sock"}, 0, "", ""},
		"sentinel://a:1;sentinel://b;sentinel://c:3/7": {[]string{"a:1", "b:26379", "c:3"}, 7, "", ""},
		"sentinel://:pw@a:1/2;b:2":                     {[]string{"a:1", "b:2"}, 2, "", "pw"},
	} {
		s, err := newSettings(backend.Config{URL: url, Options: map[string]any{"master_name": "m"}})
		if err != nil {
			t.Errorf("%s: %v", url, err)
			continue
		}
		if got := (want{s.addresses(), s.db, s.username, s.password}); !cmp.Equal(got, w) {
			t.Errorf("%s: %s", url, cmp.Diff(w, got))
		}
	}
}

func TestSettingsFillWhatTheURLLeavesOpen(t *testing.T) {
	settings := map[string]any{
		"host": "other", "port": int64(7001), "db": "3", "username": "bob", "password": 12345, "socket_timeout": 2.5,
		"socket_connect_timeout": "1.5", "max_connections": 20, "retry_on_timeout": true, "socket_keepalive": nil, "client_name": "shop",
	}
	s, err := newSettings(backend.Config{URL: "redis://", Settings: settings})
	if err != nil {
		t.Fatal(err)
	}
	if s.addresses()[0] != "other:7001" || s.db != 3 || s.username != "bob" || s.password != "12345" || s.clientName != "shop" ||
		s.socketTimeout != 2500*time.Millisecond || s.connectTimeout != 1500*time.Millisecond {
		t.Errorf("settings were read as %+v", s)
	}
	s, err = newSettings(backend.Config{URL: "redis://alice:pw@cache:1/2?socket_timeout=9", Settings: settings})
	if err != nil {
		t.Fatal(err)
	}
	if s.addresses()[0] != "cache:1" || s.db != 2 || s.username != "alice" || s.password != "pw" || s.socketTimeout != 9*time.Second {
		t.Errorf("the URL did not prevail: %+v", s)
	}
}

func TestTLSIsVerifiedUnlessASettingSaysOtherwise(t *testing.T) {
	ca := testenv.CA(t)
	cert := ca.Issue(t)
	both := map[string]any{"ssl_ca_certs": ca.File, "ssl_certfile": cert.CertFile, "ssl_keyfile": cert.KeyFile, "ssl_cert_reqs": "CERT_REQUIRED"}
	brokerStyle := map[string]any{"ca_certs": ca.File, "certfile": cert.CertFile, "keyfile": cert.KeyFile, "cert_reqs": 2}
	for name, tt := range map[string]struct {
		url           string
		ssl           any
		on, skip, own bool
	}{
		"plain":                         {url: "redis://h"},
		"false":                         {url: "redis://h", ssl: false},
		"rediss alone":                  {url: "rediss://h", on: true},
		"required":                      {url: "rediss://h?ssl_cert_reqs=CERT_REQUIRED", on: true},
		"optional":                      {url: "rediss://h?ssl_cert_reqs=optional", on: true},
		"none":                          {url: "rediss://h?ssl_cert_reqs=CERT_NONE", on: true, skip: true},
		"none, Python's number":         {url: "redis://h", ssl: map[string]any{"ssl_cert_reqs": 0}, on: true, skip: true},
		"true over redis://":            {url: "redis://h", ssl: true, on: true},
		"result backend's spelling":     {url: "redis://h", ssl: both, on: true, own: true},
		"broker's spelling":             {url: "redis://h", ssl: brokerStyle, on: true, own: true},
		"query over settings":           {url: "rediss://h?ssl_cert_reqs=required", ssl: map[string]any{"ssl_cert_reqs": "none"}, on: true},
		"own certificate from the URL":  {url: "rediss://h?ssl_certfile=" + cert.CertFile + "&ssl_keyfile=" + cert.KeyFile, on: true, own: true},
		"an empty table is not a table": {url: "redis://h", ssl: map[string]any{}},
	} {
		s, err := newSettings(backend.Config{URL: tt.url, Settings: map[string]any{"use_ssl": tt.ssl}})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if (s.tls != nil) != tt.on {
			t.Errorf("%s: TLS is %v", name, s.tls != nil)
			continue
		}
		if tt.on && (s.tls.InsecureSkipVerify != tt.skip || (len(s.tls.Certificates) == 1) != tt.own) {
			t.Errorf("%s: unverified %v, own certificates %d", name, s.tls.InsecureSkipVerify, len(s.tls.Certificates))
		}
	}
}

// All that is wrong is told at once, by name, and never with a secret.
func TestWrongSettingsAreNamedTogether(t *testing.T) {
	notPEM := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(notPEM, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		config backend.Config
		want   []string
	}{
		"database":          {backend.Config{URL: "redis://:s3cret@h/shop"}, []string{`"shop"`, "redis://:**@h/shop"}},
		"port":              {backend.Config{URL: "redis://:s3cret@h:99999/0"}, []string{"port 99999"}},
		"unreadable":        {backend.Config{URL: "redis://:s3cret#x@h/0"}, []string{"percent-encoded"}},
		"unreadable port":   {backend.Config{URL: "redis://bob:s3cret/x@h/0"}, []string{"percent-encoded"}},
		"query":             {backend.Config{URL: "rediss://h?ssl_cert_req=none&password=s3cret"}, []string{"query parameter ssl_cert_req: is not known"}},
		"cert_reqs":         {backend.Config{URL: "rediss://h?ssl_cert_reqs=maybe"}, []string{"ssl_cert_reqs", "CERT_NONE", `"maybe"`}},
		"no socket":         {backend.Config{URL: "socket://"}, []string{"path of the socket"}},
		"no master":         {backend.Config{URL: "sentinel://h"}, []string{"master_name"}},
		"mixed sentinels":   {backend.Config{URL: "sentinel://h;redis://i", Options: map[string]any{"master_name": "m"}}, []string{"redis://"}},
		"no such authority": {backend.Config{URL: "rediss://h?ssl_ca_certs=/no/such.pem"}, []string{"/no/such.pem"}},
		"empty authority":   {backend.Config{URL: "rediss://h?ssl_ca_certs=" + notPEM}, []string{"holds no PEM certificate"}},
		"key alone":         {backend.Config{URL: "rediss://h?ssl_keyfile=x"}, []string{"ssl_keyfile without ssl_certfile"}},
		"many at once": {
			backend.Config{
				URL:      "redis://h/x",
				Settings: map[string]any{"db": "one", "socket_timeout": "soon", "hots": "h", "password": []any{"s3cret"}, "max_connections": 1},
				Options: map[string]any{
					"global_key_prefix": "x", "retry_policy": map[string]any{"max_retries": nil, "tries": 3},
					"sentinel_kwargs": map[string]any{"pass": "s3cret"},
				},
			},
			[]string{
				"redis_db: ", "redis_socket_timeout: ", "redis_hots: ", "redis_password: ", "redis_max_connections: ",
				"result_backend_transport_options.global_key_prefix: ", "retry_policy.max_retries: ", "retry_policy.tries: ", "sentinel_kwargs.pass: ", `"x"`,
			},
		},
	} {
		_, err := newSettings(tt.config)
		if err == nil {
			t.Errorf("%s: no error", name)
			continue
		}
		for _, w := range tt.want {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%s: %q does not say %s", name, err, w)
			}
		}
		if strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: the secret is told: %v", name, err)
		}
	}
}

func TestOptionsThatMeanNothingHereAreNoError(t *testing.T) {
	_, err := newSettings(backend.Config{URL: "redis://h", Options: map[string]any{
		"visibility_timeout": 3600, "result_chord_ordered": true, "socket_keepalive": true, "retry_policy": map[string]any{"timeout": 5.0},
		"health_check_interval": 25,
	}})
	if err != nil {
		t.Error(err)
	}
}
