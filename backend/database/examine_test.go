package database

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/umbel-go/umbel/backend"
	"github.com/umbel-go/umbel/internal/resultstore"
	"github.com/umbel-go/umbel/internal/testenv"
)

func lookPostgres(t *testing.T, url string, options map[string]any) (*resultstore.Store, *resultstore.Postgres) {
	t.Helper()
	got, err := resultstore.Examine(t.Context(), backend.Config{URL: url, ConnectTimeout: time.Minute, Options: options})
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(got.URL+strings.Join(got.Unknown, " "), "sesame") {
		t.Errorf("a secret is told: %s %v", got.URL, got.Unknown)
	}
	return got, got.Postgres
}

func TestAPostgresTellsOfItself(t *testing.T) {
	pg := testenv.Postgres(t)
	got, f := lookPostgres(t, pg.URL(), nil)
	if f.Schema != 0 || !f.Create || !f.Superuser || f.User != "test" || f.Major < 13 || !f.Local || f.TLS != "" || f.Fsync || f.ReadOnly || f.Replica || len(got.Unknown) > 0 {
		t.Errorf("%#v, unknown: %v", f, got.Unknown)
	}
	if n := pg.Query("SELECT count(*) FROM pg_class WHERE relname LIKE 'umbel%'"); n[0] != "0" {
		t.Errorf("looking has made %s relations", n[0])
	}
	if f.Connections < 1 || f.MaxConnections != 197 {
		t.Errorf("%d of %d connections", f.Connections, f.MaxConnections)
	}
	if off := f.Skew.Abs(); off > f.Uncertain+time.Second { // it is the same clock
		t.Errorf("its clock is %v off, uncertain by %v", f.Skew, f.Uncertain)
	}

	if err := open(t, backend.Config{URL: pg.URL()}).Close(); err != nil {
		t.Fatal(err)
	}
	const insert = "INSERT INTO umbel_results (id, status, version, expires, content, encoding, document) SELECT '%s' || n, 'SUCCESS', n, %s, '', '', '' FROM generate_series(1, %d) n"
	pg.Query(fmt.Sprintf(insert, "old", "now() - interval '3 days'", 1200))
	pg.Query(fmt.Sprintf(insert, "yesterday", "now() - interval '1 day'", 40))
	pg.Query(fmt.Sprintf(insert, "eternal", "NULL", rowsCounted+7))
	got, f = lookPostgres(t, pg.URL(), nil)
	if f.Schema != f.Want || f.Schema == 0 || f.Expired != 1200 || f.Eternal != rowsCounted || f.Bytes == 0 || len(f.Lacks) > 0 || len(got.Unknown) > 0 {
		t.Errorf("%#v, unknown: %v", f, got.Unknown)
	}
	pg.Query("UPDATE umbel_schema_version SET version = 99")
	if _, f = lookPostgres(t, pg.URL(), nil); f.Schema != 99 {
		t.Errorf("%#v", f)
	}
	if _, f := lookPostgres(t, pg.URL(), map[string]any{"schema": "another"}); f.Schema != 0 || !f.Create {
		t.Errorf("%#v", f)
	}
}

func TestRightsThatAreMissingAreTold(t *testing.T) {
	pg := testenv.Postgres(t)
	role := "poor_" + pg.Database()[len(pg.Database())-8:]
	pg.Query("CREATE ROLE " + role + " LOGIN PASSWORD 'sesame'")
	t.Cleanup(func() { pg.Query("DROP OWNED BY " + role); pg.Query("DROP ROLE " + role) })
	u := "postgres://" + role + ":sesame@" + pg.Addr() + "/" + pg.Database() + "?sslmode=disable"
	if _, f := lookPostgres(t, u, nil); f.Create || f.Schema != 0 || f.Superuser {
		t.Errorf("%#v", f)
	}
	if err := open(t, backend.Config{URL: pg.URL()}).Close(); err != nil {
		t.Fatal(err)
	}
	if _, f := lookPostgres(t, u, nil); len(f.Lacks) != 1 || !strings.Contains(f.Lacks[0], "permission denied") {
		t.Errorf("%#v", f)
	}
	pg.Query("GRANT SELECT ON ALL TABLES IN SCHEMA public TO " + role)
	pg.Query("GRANT INSERT, UPDATE, DELETE ON umbel_results TO " + role)
	if _, f := lookPostgres(t, u, nil); len(f.Lacks) != 3*(len(parts)-1)+1 || !strings.Contains(strings.Join(f.Lacks, ","), "INSERT on umbel_results_chords") {
		t.Errorf("%#v", f)
	}
	pg.Query("GRANT ALL ON ALL TABLES IN SCHEMA public TO " + role)
	pg.Query("GRANT USAGE ON umbel_results_version TO " + role)
	if got, f := lookPostgres(t, u, nil); len(f.Lacks) > 0 || f.Schema != f.Want || len(got.Unknown) > 0 {
		t.Errorf("%#v, unknown: %v", f, got.Unknown)
	}
	if _, f := lookPostgres(t, u+"&options="+strings.ReplaceAll(url.QueryEscape("-c default_transaction_read_only=on -c synchronous_commit=off"), "+", "%20"), nil); !f.ReadOnly || f.Synchronous {
		t.Errorf("%#v", f)
	}
}

func TestTLSOfAPostgresIsLookedAt(t *testing.T) {
	ca := testenv.CA(t)
	cert := ca.Issue(t)
	pg := testenv.OwnPostgres(t)
	data := pg.Query("SHOW data_directory")[0]
	for name, from := range map[string]string{"server.crt": cert.CertFile, "server.key": cert.KeyFile} {
		text, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		// The server writes them itself: they must belong to whom it runs as.
		id := pg.Query(fmt.Sprintf(`SELECT lo_from_bytea(0, '\x%x')`, text))[0]
		pg.Query("SELECT lo_export(" + id + ", '" + filepath.Join(data, name) + "')")
		pg.Query("COPY (SELECT 1) TO PROGRAM 'chmod 600 " + filepath.Join(data, name) + "'")
	}
	pg.Query("ALTER SYSTEM SET ssl = on")
	pg.Query("SELECT pg_reload_conf()")
	testenv.Await(t, "TLS is on", func() bool { return pg.Query("SHOW ssl")[0] == "on" }, nil)
	base := strings.TrimSuffix(pg.URL(), "sslmode=disable")
	for mode, want := range map[string]string{
		"verify-full&sslrootcert=" + ca.File: "",
		"verify-ca&sslrootcert=" + ca.File:   "host name",
		"require":                            "certificate",
		"prefer":                             "certificate",
	} {
		if _, f := lookPostgres(t, base+"sslmode="+mode, nil); !strings.HasPrefix(f.TLS, "TLS 1.3, ") || f.Unverified != want {
			t.Errorf("%s: %#v", mode, f)
		}
	}
}

func TestAPostgresThatCannotBeReachedSaysWhy(t *testing.T) {
	pg := testenv.Postgres(t)
	for url, want := range map[string]string{
		"postgres://test:sesame@127.0.0.1:1/x":                          "is PostgreSQL running",
		"postgres://test:sesame@" + pg.Addr() + "/none?sslmode=disable": "createdb none",
		"postgres://test:sesame@" + pg.Addr() + "/none?sslmode=odd":     "read the URL",
	} {
		_, err := resultstore.Examine(t.Context(), backend.Config{URL: url, ConnectTimeout: time.Minute})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "sesame") {
			t.Errorf("%s: %v", url, err)
		}
	}
}

func TestASQLiteFileTellsOfItself(t *testing.T) {
	path := filepath.Join(t.TempDir(), "results.db")
	look := func() *resultstore.SQLite {
		t.Helper()
		got, err := resultstore.Examine(t.Context(), backend.Config{URL: "sqlite://" + path})
		if err != nil || len(got.Unknown) > 0 {
			t.Fatal(err, got)
		}
		return got.SQLite
	}
	if f := look(); f.There || f.Unwritable != "" || f.Free == 0 {
		t.Errorf("%#v", f)
	}
	if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) > 0 {
		t.Errorf("looking has left %v, %v", left, err)
	}
	b := opened(t, backend.Config{URL: "sqlite://" + path})
	put(t, b, doc("a", "SUCCESS"))
	if f := look(); !f.There || f.Journal != "wal" || f.Unwritable != "" || f.Damage != "" || f.Schema != f.Want || f.Schema == 0 || f.Bytes == 0 || f.Expired != 0 || f.Eternal != 0 {
		t.Errorf("%#v", f) // while another has it open
	}
	forever := opened(t, backend.Config{URL: "sqlite://" + path, Expires: -1})
	put(t, forever, doc("b", "SUCCESS"))
	if f := look(); f.Eternal != 1 {
		t.Errorf("%#v", f)
	}
}

func TestASQLiteFileThatIsNoneSaysWhy(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "text.db")
	if err := os.WriteFile(path, []byte(strings.Repeat("this is no database. ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	for url, want := range map[string]string{
		"sqlite://" + path: "not a database",
		"sqlite://" + filepath.Join(dir, "no", "x.db"): "create its folder",
		"sqlite://:memory:":                            "memory",
	} {
		if _, err := resultstore.Examine(t.Context(), backend.Config{URL: url}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", url, err)
		}
	}
}
