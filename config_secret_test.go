package umbel

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/secret"
)

// vault is a store of secrets in memory. Each test uses names of its own: what was read is kept.
var vault = struct {
	sync.Mutex
	m map[string]string
}{m: make(map[string]string)}

func init() {
	secret.Register(func(_ context.Context, r secret.Reference) (string, error) {
		vault.Lock()
		defer vault.Unlock()
		if text, ok := vault.m[r.Name]; ok {
			return text, nil
		}
		return "", errors.New("there is none of that name")
	}, "secretsmanager", "ssm")
}

func keep(name, text string) {
	vault.Lock()
	defer vault.Unlock()
	vault.m[name] = text
}

func TestSettingsReferToSecrets(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "redis")
	if err := os.WriteFile(file, []byte("from-a-file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	keep("refer/broker", `{"urls": "amqps://shop:hush@one//;amqps://shop:hush@two//", "user": "ann", "password": "hush"}`)
	keep("/refer/results", "rediss://:hush@results/0")
	keep("refer/sentinel", "hush")
	settings := filepath.Join(dir, "umbel.yaml")
	if err := os.WriteFile(settings, []byte(`
broker_url: [secretsmanager://refer/broker#urls, amqp://plain//]
broker_user: secretsmanager://refer/broker#user
broker_password: secretsmanager://refer/broker#password
result_backend: ssm:///refer/results
redis_password: file:`+file+`
result_backend_transport_options: {master_name: m, sentinel_kwargs: {password: "secretsmanager://refer/sentinel"}}
`), 0o600); err != nil {
		t.Fatal(err)
	}
	given, err := LoadConfig(LoadOptions{File: settings, Environ: []string{}})
	if err != nil {
		t.Fatal(err)
	}
	if given.ResultBackend != "ssm:///refer/results" {
		t.Errorf("loading reads secrets: %q", given.ResultBackend)
	}
	app := New("test", WithConfig(given))
	c, err := app.Config()
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(c.BrokerURL, " "); got != "amqps://shop:hush@one// amqps://shop:hush@two// amqp://plain//" {
		t.Errorf("broker_url is %s", got)
	}
	if c.BrokerUser != "ann" || c.BrokerPassword != "hush" || c.ResultBackend != "rediss://:hush@results/0" || c.RedisPassword != "from-a-file" {
		t.Errorf("settings are %q %q %q %q", c.BrokerUser, c.BrokerPassword, c.ResultBackend, c.RedisPassword)
	}
	if got := c.ResultBackendTransportOptions["sentinel_kwargs"].(map[string]any)["password"]; got != "hush" {
		t.Errorf("the sentinels' password is %v", got)
	}
	// What is shown is where they are, and where that is said.
	for _, e := range c.Entries() {
		if strings.Contains(e.Value, "hush") || strings.Contains(e.Value, "from-a-file") {
			t.Errorf("%s shows %s", e.Name, e.Value)
		}
		if e.Name == "broker_url" && (e.Value != `["secretsmanager://refer/broker#urls","amqp://plain//"]` || !strings.HasPrefix(e.Source, settings+":")) {
			t.Errorf("broker_url is shown as %s, from %s", e.Value, e.Source)
		}
		if e.Name == "result_backend" && e.Value != `"ssm:///refer/results"` {
			t.Errorf("result_backend is shown as %s", e.Value)
		}
	}
	// Code that changes a setting afterwards is heeded.
	c.ResultBackend = "redis://elsewhere/0"
	bc, _, err := c.BackendConfig()
	if err != nil || bc.URL != "redis://elsewhere/0" {
		t.Fatalf("%q, %v", bc.URL, err)
	}
	if got, err := bc.Credentials(t.Context(), false); err != nil || got != (broker.Credentials{Password: "from-a-file"}) {
		t.Errorf("credentials of another store: %+v, %v", got, err)
	}
}

func TestSecretsThatCannotBeReadAreOneErrorEach(t *testing.T) {
	t.Parallel()
	keep("wrong/json", `{"password": "hush"}`)
	c := Config{BrokerURL: []string{"secretsmanager://wrong/none"}, ResultBackend: "secretsmanager://wrong/json", RedisPassword: "secretsmanager://wrong/json#pasword"}
	_, err := New("test", WithConfig(c)).Config()
	var config *ConfigError
	if !errors.As(err, &config) || len(config.Problems) != 3 {
		t.Fatalf("%v", err)
	}
	for i, want := range []string{
		"broker_url: secret secretsmanager://wrong/none: there is none of that name",
		`redis_password: secret secretsmanager://wrong/json#pasword: there is no key "pasword": it has password`,
		"result_backend: secret secretsmanager://wrong/json: it is a JSON object: append # and one of its keys: it has password",
	} {
		if config.Problems[i] != want {
			t.Errorf("problem %d is %s, want %s", i, config.Problems[i], want)
		}
	}
	if strings.Contains(err.Error(), "hush") {
		t.Errorf("it tells the secret: %v", err)
	}
}

func TestCredentialsAreReadAnewOnceTheyAreRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	mounted := filepath.Join(dir, "url")
	write := func(text string) {
		if err := os.WriteFile(mounted, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("amqp://shop:one@mounted//")
	keep("anew/broker", `{"username": "shop", "password": "one", "url": "amqp://shop:one@h//"}`)
	mountedURL, err := LoadConfig(LoadOptions{Dir: dir, Environ: []string{"CELERY_BROKER_URL_FILE=" + mounted}})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		config Config
		want   func(password string) broker.Credentials
	}{
		"broker_url": {Config{BrokerURL: []string{"amqp://other//", "secretsmanager://anew/broker#url"}},
			func(p string) broker.Credentials { return broker.Credentials{URL: "amqp://shop:" + p + "@h//"} }},
		"broker_password": {Config{BrokerURL: []string{"amqp://other//", "amqp://shop@h//"}, BrokerPassword: "secretsmanager://anew/broker#password"},
			func(p string) broker.Credentials { return broker.Credentials{Password: p} }},
		"broker_credentials_file": {Config{BrokerURL: []string{"amqp://other//", "amqp://h//"}, BrokerCredentialsFile: "secretsmanager://anew/broker"},
			func(p string) broker.Credentials { return broker.Credentials{User: "shop", Password: p} }},
		"CELERY_BROKER_URL_FILE": {mountedURL,
			func(p string) broker.Credentials { return broker.Credentials{URL: "amqp://shop:" + p + "@mounted//"} }},
	} {
		keep("anew/broker", `{"username": "shop", "password": "one", "url": "amqp://shop:one@h//"}`)
		write("amqp://shop:one@mounted//")
		if _, err := secret.Whole(t.Context(), "secretsmanager://anew/broker", true); err != nil { // as if nobody had asked before
			t.Fatal(err)
		}
		full, err := c.config.ReadSecrets(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		full = full.WithDefaults()
		ask := full.brokerCredentials()
		at := full.BrokerURL[len(full.BrokerURL)-1]
		check := func(refused bool, want broker.Credentials) {
			t.Helper()
			if got, err := ask(t.Context(), at, refused); err != nil || got != want {
				t.Errorf("%s: %+v, %v; want %+v", name, got, err, want)
			}
		}
		check(false, c.want("one"))
		keep("anew/broker", `{"username": "shop", "password": "two", "url": "amqp://shop:two@h//"}`)
		write("amqp://shop:two@mounted//")
		if name != "CELERY_BROKER_URL_FILE" { // files are read each time
			check(false, c.want("one"))
		}
		check(true, c.want("two"))
		check(false, c.want("two"))
	}
	if (&Config{BrokerURL: []string{"amqp://h//"}}).brokerCredentials() != nil || (&Config{ResultBackend: "redis://h"}).backendCredentials() != nil {
		t.Error("credentials are asked for that cannot change")
	}
}
