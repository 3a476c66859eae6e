package amqp

import (
	"encoding/json"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/umbel-go/umbel/broker"
)

func TestURLsAreReadByKombusRules(t *testing.T) {
	for raw, want := range map[string]endpoint{
		"amqp://":                            {},
		"amqp://localhost":                   {},
		"pyamqp://localhost//":               {},
		"amqp://localhost/":                  {},
		"amqp://localhost/%2F":               {},
		"amqp://localhost/%2f":               {},
		"amqp://localhost/shop":              {vhost: "shop"},
		"amqp://localhost//shop":             {vhost: "/shop"},
		"amqp://localhost/%2Fshop":           {vhost: "/shop"},
		"amqp://localhost/a/b":               {vhost: "a/b"},
		"amqp://localhost/gr%C3%BC%C3%9Fe+x": {vhost: "grüße+x"},
		"amqp://me:secret@rabbit:5700/v":     {host: "rabbit", port: 5700, user: "me", password: "secret", vhost: "v"},
		"amqp://me@rabbit":                   {host: "rabbit", user: "me"},
		"amqp://:secret@rabbit":              {host: "rabbit", password: "secret"},
		"amqp://m%40e:p%3Aa%2Fs%40s@h":       {host: "h", user: "m@e", password: "p:a/s@s"},
		"amqp://me:p@ss@h":                   {host: "h", user: "me", password: "p@ss"},
		"amqp://me:a:b@h":                    {host: "h", user: "me", password: "a:b"},
		"amqp://me:p%25@h":                   {host: "h", user: "me", password: "p%"},
		"amqp://me:p+q@h":                    {host: "h", user: "me", password: "p+q"},
		"amqp://[::1]":                       {host: "::1"},
		"amqp://[::1]:5700/v":                {host: "::1", port: 5700, vhost: "v"},
		"amqp://u:p@[fe80::1]:1/":            {host: "fe80::1", port: 1, user: "u", password: "p"},
		"amqp://Rabbit.Example.COM":          {host: "rabbit.example.com"},
		"AMQPS://rabbit":                     {host: "rabbit", port: 5671},
		"amqps://rabbit:5700":                {host: "rabbit", port: 5700},
	} {
		e, err := parseURL(raw, broker.Config{}.WithDefaults())
		if err != nil {
			t.Errorf("%s: %v", raw, err)
			continue
		}
		want.fill()
		if e.host != want.host || e.port != want.port || e.user != want.user || e.password != want.password || e.vhost != want.vhost {
			t.Errorf("%s: %q %d %q %q %q, want %q %d %q %q %q", raw, e.host, e.port, e.user, e.password, e.vhost,
				want.host, want.port, want.user, want.password, want.vhost)
		}
		if secure := strings.HasPrefix(strings.ToLower(raw), "amqps"); e.secure.on != secure {
			t.Errorf("%s: TLS is %v", raw, e.secure.on)
		}
	}
}

// fill completes an expectation with kombu's defaults.
func (e *endpoint) fill() {
	if e.host == "" {
		e.host = "localhost"
	}
	if e.port == 0 {
		e.port = 5672
	}
	if e.user == "" {
		e.user = "guest"
	}
	if e.password == "" {
		e.password = "guest"
	}
	if e.vhost == "" {
		e.vhost = "/"
	}
}

// kombu is asked itself where it is installed: the table above cannot drift from it unnoticed.
func TestURLsAgreeWithKombu(t *testing.T) {
	urls := []string{
		"amqp://localhost", "amqp://localhost//", "amqp://localhost/", "amqp://localhost/%2F", "amqp://localhost/shop",
		"amqp://localhost//shop", "amqp://localhost/a/b", "amqp://me:secret@rabbit:5700/v", "amqp://me@rabbit",
		"amqp://m%40e:p%3Aa%2Fs%40s@h", "amqp://me:p@ss@h", "amqp://me:a:b@h", "amqp://me:p+q@h", "amqp://[::1]:5700/v",
		"amqp://Rabbit.Example.COM/V", "amqp://me:p%25@h/gr%C3%BC+x", "pyamqp://u:p@h:1//",
	}
	script := `
import json, sys
from kombu import Connection
out = []
for u in json.load(sys.stdin):
    i = Connection(u).info()
    out.append([i['hostname'], i['port'], i['userid'], i['password'], i['virtual_host']])
print(json.dumps(out))`
	in, _ := json.Marshal(urls)
	c := exec.Command("/usr/bin/python3", "-c", script)
	c.Stdin = strings.NewReader(string(in))
	text, err := c.Output()
	if err != nil {
		t.Skipf("kombu is not installed for /usr/bin/python3 (Debian package python3-celery): %v", err)
	}
	var theirs [][]any
	if err := json.Unmarshal(text, &theirs); err != nil {
		t.Fatal(err)
	}
	for i, raw := range urls {
		e, err := parseURL(raw, broker.Config{}.WithDefaults())
		if err != nil {
			t.Errorf("%s: %v", raw, err)
			continue
		}
		ours := []any{e.host, float64(e.port), e.user, e.password, e.vhost}
		for k := range ours {
			if ours[k] != theirs[i][k] {
				t.Errorf("%s: field %d is %v, kombu says %v", raw, k, ours[k], theirs[i][k])
			}
		}
	}
}

func TestBrokenURLsAreRefusedAndTheirSecretsKept(t *testing.T) {
	for raw, want := range map[string]string{
		"amqp://me:sekrit@h:port":                   `port "port"`,
		"amqp://me:sekrit@h:0":                      `port "0"`,
		"amqp://me:sekrit@h:70000":                  `port "70000"`,
		"amqp://me:sekrit%zz@h":                     "password: broken percent-encoding",
		"amqp://me:sek/rit@h/v":                     `credentials hold a "/"`,
		"amqp://me:sek#rit@h/v":                     `"#"`,
		"amqp://me:sekrit@h/v%zz":                   "virtual host",
		"amqp://me:sekrit@::1:5672":                 "brackets",
		"amqp://me:sekrit@[::1":                     `missing "]"`,
		"redis://me:sekrit@h":                       "scheme",
		"amqp://me:sekrit@h?heartbeet=3":            `unknown option "heartbeet"`,
		"amqp://me:sekrit@h?heartbeat=soon":         `option "heartbeat"`,
		"amqp://me:sekrit@h?connection_timeout=-1":  `option "connection_timeout"`,
		"amqp://me:sekrit@h?cacertfile=/x":          "needs the scheme amqps",
		"amqps://me:sekrit@h?verify=perhaps":        `option "verify"`,
		"amqps://me:sekrit@h?ssl_check_hostname=ja": `option "ssl_check_hostname"`,
		"amqp://me:sekrit@h?login_method=MAGIC":     `login method "MAGIC"`,
	} {
		_, err := endpoints([]string{raw}, broker.Config{}.WithDefaults())
		if err == nil {
			t.Errorf("%s was accepted", raw)
			continue
		}
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want it to say %s", raw, err, want)
		}
		for _, secret := range []string{"sekrit", "sek/", "/rit", "rit@", "sek#", "#rit"} {
			if strings.Contains(err.Error(), secret) {
				t.Errorf("%s: the error shows the password: %v", raw, err)
			}
		}
	}
}

func TestURLOptionsAndSettingsMeet(t *testing.T) {
	c := broker.Config{
		URLs: []string{"amqp://a;amqp://b?heartbeat=7&connection_timeout=1500", "amqps://c?heartbeat=0&connect_timeout=2.5&login_method=external&verify=verify_none"},
		User: "over", Password: "ride", Login: "AMQPLAIN", Heartbeat: 33 * time.Second,
		Options: map[string]any{"confirm_publish": true},
	}.WithDefaults()
	all, err := endpoints(c.URLs, c)
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != 3 {
		t.Fatalf("%d endpoints, want 3", len(all))
	}
	a, b, s := all[0], all[1], all[2]
	if a.user != "over" || a.password != "ride" || a.login != "AMQPLAIN" || a.heartbeat != 33*time.Second || a.timeout != 4*time.Second {
		t.Errorf("settings did not reach %+v", *a)
	}
	if b.heartbeat != 7*time.Second || b.timeout != 1500*time.Millisecond {
		t.Errorf("heartbeat %v and timeout %v, want those of the URL", b.heartbeat, b.timeout)
	}
	if s.heartbeat >= 0 || s.timeout != 2500*time.Millisecond || s.login != "EXTERNAL" || !s.secure.noVerify {
		t.Errorf("options did not reach %+v", *s)
	}
	for _, options := range []map[string]any{{"confirm_publish": false}, {"visibility_timeout": 3600}} {
		c.Options = options
		if _, err := endpoints(c.URLs, c); err == nil {
			t.Errorf("options %v were accepted", options)
		}
	}
}
