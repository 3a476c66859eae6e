//go:build unix

package cli_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/umbel-go/umbel/doctor"
	"github.com/umbel-go/umbel/internal/testenv"
)

// diagnose looks into a store and returns what was found, as "rule severity".
func diagnose(t *testing.T, url string, args ...string) (found []string, r doctor.Report) {
	t.Helper()
	t.Setenv("UMBEL_REDIS_SOCKET_CONNECT_TIMEOUT", "60") // a busy machine
	_, out, errs := umbelRun(t, append([]string{"--result-backend", url, "doctor", "--results", "--json"}, args...)...)
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatalf("%v\n%s%s", err, out, errs)
	}
	if strings.Contains(out+errs, "sesame") {
		t.Errorf("a password is told:\n%s%s", out, errs)
	}
	for _, f := range r.Findings {
		found = append(found, f.Rule+" "+f.Severity.String())
	}
	return found, r
}

func TestTheDoctorLooksIntoRedis(t *testing.T) {
	good := testenv.OwnRedis(t, "requirepass sesame", "appendonly yes", "maxmemory 1gb")
	code, out, errs := umbelRun(t, "--result-backend", good.URL(), "doctor", "--results")
	if code != 0 || !strings.HasSuffix(out, "\n1 result store read: nothing is the matter\n") || !strings.Contains(out, "store:redis://:**@"+good.Addr()+"/0  Redis ") || errs != "" {
		t.Errorf("a good store: exit code %d\n%s%s", code, out, errs)
	}
	overTLS := strings.Replace(good.TLSURL(), "127.0.0.1", "localhost", 1) + "?ssl_ca_certs=" + testenv.CA(t).File
	if found, r := diagnose(t, overTLS); len(found) > 0 || !strings.Contains(r.Live[0].Found, "over TLS 1.3") {
		t.Errorf("a good store over TLS: %q, %+v", found, r.Live)
	}

	cache := testenv.OwnRedis(t, "maxmemory 64mb", "maxmemory-policy allkeys-lru")
	cache.Do("SET", "celery-task-meta-1", "{}")
	found, _ := diagnose(t, cache.URL())
	if want := "store-evicts high, store-durable medium, store-expiry medium"; strings.Join(found, ", ") != want {
		t.Errorf("a cache: %q, want %s", found, want)
	}
	if found, _ := diagnose(t, cache.URL(), "--ignore", "store-durable,store-expiry"); len(found) != 1 {
		t.Errorf("rules can be left out: %q", found)
	}
	cache.Do("CONFIG", "SET", "maxmemory-policy", "noeviction")
	cache.Do("CONFIG", "SET", "maxmemory", "100kb")
	if found, _ := diagnose(t, cache.URL()); len(found) == 0 || found[0] != "store-refused critical" {
		t.Errorf("a full store: %q", found)
	}

	if found, r := diagnose(t, strings.Replace(good.URL(), "sesame", "open-sesame", 1)); len(found) != 1 || !strings.Contains(r.Findings[0].What, "password is wrong") {
		t.Errorf("a wrong password: %q, %+v", found, r.Findings)
	}
	code, _, errs = umbelRun(t, "--result-backend", "rpc://", "doctor", "--results")
	if code != 2 || !strings.Contains(errs, "only Redis, PostgreSQL and SQLite") {
		t.Errorf("no store: exit code %d, %s", code, errs)
	}
}
