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

func TestTheDoctorLooksIntoPostgresAndSQLite(t *testing.T) {
	pg := testenv.OwnPostgres(t, "fsync = on", "full_page_writes = on")
	pg.Query("CREATE ROLE shop LOGIN PASSWORD 'sesame'")
	pg.Query(`ALTER DATABASE "` + pg.Database() + `" OWNER TO shop`)
	url := "postgres://shop:sesame@" + pg.Addr() + "/" + pg.Database() + "?sslmode=disable&connect_timeout=60"
	code, out, errs := umbelRun(t, "--result-backend", url, "doctor", "--results")
	if code != 0 || !strings.Contains(out, "no tables yet") || !strings.HasSuffix(out, "\n1 result store read: nothing is the matter\n") || strings.Contains(out+errs, "sesame") {
		t.Errorf("a good store: exit code %d\n%s%s", code, out, errs)
	}
	if code, out, errs := umbelRun(t, "--result-backend", url, "result", "none", "--timeout", "0"); code == 69 { // it makes the tables
		t.Fatalf("%s%s", out, errs)
	}
	if found, r := diagnose(t, url); len(found) > 0 || !strings.Contains(r.Live[0].Found, "umbel_results of version") {
		t.Errorf("with tables: %q, %+v", found, r.Live)
	}
	found, _ := diagnose(t, testenv.Postgres(t).URL()) // a superuser, and no fsync
	if want := "store-durable high, store-exposed medium"; strings.Join(found, ", ") != want {
		t.Errorf("a careless store: %q, want %s", found, want)
	}
	path := t.TempDir() + "/umbel.db"
	if found, r := diagnose(t, "sqlite://"+path); len(found) > 0 || !strings.Contains(r.Live[0].Found, "not there yet") {
		t.Errorf("a file to come: %q, %+v", found, r.Live)
	}
}
