package database

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/umbel-go/umbel/backend"
	"github.com/umbel-go/umbel/backend/backendtest"
	"github.com/umbel-go/umbel/internal/testenv"
	"github.com/umbel-go/umbel/protocol"
)

func TestContractOnPostgreSQL(t *testing.T) {
	url := testenv.Postgres(t).URL()
	prefix := func(t testing.TB) map[string]any {
		return map[string]any{"table_prefix": fmt.Sprintf("t%x_", hash(t.Name()))}
	}
	backendtest.Run(t,
		func(t *testing.T) backend.Backend {
			b := open(t, backend.Config{URL: url, Options: prefix(t)})
			if _, err := b.(*store).cleanupAll(); err != nil {
				t.Fatal(err)
			}
			return b
		},
		backendtest.Options{Peer: func(t *testing.T, c backend.Config) backend.Backend {
			c.URL, c.Options = url, prefix(t)
			return open(t, c)
		}})
}

// cleanupAll empties the table: tests of one name use it more than once.
func (s *store) cleanupAll() (int, error) {
	d := s.dialect.(*postgres)
	if err := s.transact(context.Background(), func(b batch) error {
		for _, table := range []string{"_schedules", "_timetables", "_ticks"} {
			if _, err := b.exec(statement{"DELETE FROM {}" + table, nil}); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		return 0, err
	}
	all := strings.Replace(d.expired, "expires <= now()", "$1::int > 0", 1)
	expired := d.expired
	d.expired = all
	defer func() { d.expired = expired }()
	return d.cleanup(context.Background())
}

func hash(s string) (h uint32) {
	for i := range len(s) {
		h = (h ^ uint32(s[i])) * 16777619
	}
	return h
}

func TestManyProcessesMayCreateTheTablesAtOnce(t *testing.T) {
	url := testenv.Postgres(t).URL()
	for _, options := range []map[string]any{nil, {"schema": "umbel"}, {"schema": "umbel", "table_prefix": "b_"}} {
		var all sync.WaitGroup
		for range 10 {
			all.Go(func() {
				b, err := backend.Open(context.Background(), backend.Config{URL: url, Options: options, ConnectTimeout: patience})
				if err != nil {
					t.Error(err)
					return
				}
				for _, err := range b.Store(context.Background(), []*protocol.Result{doc("a", protocol.Started)}) {
					t.Error(err)
				}
				if err := b.Close(); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
	}
}

func TestATableOfANewerProgramIsLeftAlone(t *testing.T) {
	pg := testenv.Postgres(t)
	if err := open(t, backend.Config{URL: pg.URL()}).Close(); err != nil {
		t.Fatal(err)
	}
	pg.Query("UPDATE umbel_schema_version SET version = 99")
	_, err := backend.Open(t.Context(), backend.Config{URL: pg.URL()})
	if err == nil || !strings.Contains(err.Error(), "newer program") {
		t.Fatalf("%v", err)
	}
}

func TestSomebodyElsesTableIsLeftAlone(t *testing.T) {
	pg := testenv.Postgres(t)
	pg.Query("CREATE TABLE umbel_results (x int)")
	_, err := backend.Open(t.Context(), backend.Config{URL: pg.URL()})
	if err == nil || !strings.Contains(err.Error(), "choose another table_prefix") {
		t.Fatalf("%v", err)
	}
	if got := pg.Query("SELECT count(*) FROM pg_class WHERE relname LIKE 'umbel%'"); got[0] != "1" {
		t.Fatalf("a failed migration left %s relations, want the one that was there", got[0])
	}
}

func TestAWatchSurvivesTheLossOfItsConnection(t *testing.T) {
	pg := testenv.Postgres(t)
	b := opened(t, backend.Config{URL: pg.URL()})
	for round := range 10 {
		ids := []string{fmt.Sprint("a", round), fmt.Sprint("b", round)}
		w := watchIDs(t, b, ids...)
		if pg.CloseConnections() == 0 {
			t.Fatal("no connection was there to be closed")
		}
		// The writer's connection was cut too: Store is repeated on a new one, and its NOTIFY may come before the ear is back.
		put(t, b, doc(ids[0], protocol.Success))
		w.await(ids[0], protocol.Success)
		put(t, b, doc(ids[1], protocol.Failure))
		w.await(ids[1], protocol.Failure)
		w.stop()
	}
}

func TestAWatchSurvivesTheRestartOfTheServer(t *testing.T) {
	pg := testenv.OwnPostgres(t)
	b := opened(t, backend.Config{URL: pg.URL()})
	w := watchIDs(t, b, "a", "b")
	put(t, b, doc("a", protocol.Success))
	w.await("a", protocol.Success)
	pg.Kill()
	errs := b.Store(t.Context(), []*protocol.Result{doc("b", protocol.Success)})
	if len(errs) != 1 || errs[0] == nil {
		t.Fatalf("Store without a server: %v", errs)
	}
	pg.Start()
	other := opened(t, backend.Config{URL: pg.URL(), ConnectTimeout: patience})
	put(t, other, doc("b", protocol.Success))
	w.await("b", protocol.Success)
	put(t, b, doc("c", protocol.Success))
}

func TestIdleMeansSilent(t *testing.T) {
	pg := testenv.Postgres(t)
	b := opened(t, backend.Config{URL: pg.URL()})
	if n := connections(pg); n != 1 {
		t.Errorf("%d connections before anybody watches, want 1", n)
	}
	w := watchIDs(t, b, "a")
	put(t, b, doc("a", protocol.Success))
	w.await("a", protocol.Success)
	last := `SELECT coalesce(max(query_start)::text, '') FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`
	before := pg.Query(last)
	quiet := time.NewTimer(time.Second) // there is no event that says that nothing happens
	<-quiet.C
	if after := pg.Query(last); !slices.Equal(before, after) {
		t.Errorf("an idle store ran a query: last at %s, then at %s", before, after)
	}
	if n := connections(pg); n > 3 {
		t.Errorf("%d connections for one writer and one watcher", n)
	}
}

func connections(pg *testenv.PostgresServer) int {
	return len(pg.Query("SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"))
}

func TestTextThatPostgreSQLCannotHoldHarmsNobodyElse(t *testing.T) {
	b := opened(t, backend.Config{URL: testenv.Postgres(t).URL()})
	var all sync.WaitGroup
	for i := range 32 {
		all.Go(func() {
			good := doc(fmt.Sprint("good", i), protocol.Success)
			if errs := b.Store(context.Background(), []*protocol.Result{good}); errs != nil {
				t.Error(errs)
			}
			bad := doc(fmt.Sprint("bad\x00", i), protocol.Success)
			if errs := b.Store(context.Background(), []*protocol.Result{bad}); errs == nil || errs[0] == nil {
				t.Error("an id with NUL was stored")
			}
		})
	}
	all.Wait()
	found, err := b.GetMany(t.Context(), []string{"good0", "bad\x000", "good31", "\xff"})
	if err != nil || len(found) != 2 {
		t.Fatalf("%v, %v", found, err)
	}
	// Within one call, too, and where only the server knows.
	noise := make([]byte, 8000)
	rand.NewChaCha8([32]byte{}).Read(noise)
	for _, id := range []string{"bad\x00", hex.EncodeToString(noise)} {
		errs := b.Store(t.Context(), []*protocol.Result{doc("before", protocol.Success), doc(id, protocol.Success), doc("after", protocol.Success)})
		if len(errs) != 3 || errs[0] != nil || !errors.Is(errs[1], backend.ErrUnstorable) || errs[2] != nil {
			t.Fatalf("a batch with the id %.10q…: %v, want ErrUnstorable for the second of three", id, errs)
		}
		if found, err := b.GetMany(t.Context(), []string{"before", "after"}); err != nil || len(found) != 2 {
			t.Fatalf("%v, %v", found, err)
		}
		if err := b.Forget(t.Context(), []string{"before", "after"}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestIDsThatDoNotFitIntoANoticeAreToldAllTheSame(t *testing.T) {
	b := opened(t, backend.Config{URL: testenv.Postgres(t).URL()})
	long := strings.Repeat("x", 2500) // random text would not fit into the index; this is compressed
	var ids []string
	for i := range 8 {
		ids = append(ids, fmt.Sprint(long, i))
	}
	ids = append(ids, strings.Repeat("ü", 8000))
	w := watchIDs(t, b, ids...)
	for _, id := range ids {
		put(t, b, doc(id, protocol.Success))
		w.await(id, protocol.Success)
	}
}

func TestAStoreWhoseCallerLeavesSaysWhatBecameOfIt(t *testing.T) {
	b := opened(t, backend.Config{URL: testenv.Postgres(t).URL()})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	errs := b.Store(ctx, []*protocol.Result{doc("a", protocol.Success), doc("b", protocol.Success)})
	if len(errs) != 2 || !errors.Is(errs[0], context.Canceled) || !errors.Is(errs[1], context.Canceled) {
		t.Fatalf("%v", errs)
	}
	if _, err := b.Get(t.Context(), "a"); !errors.Is(err, backend.ErrNotFound) {
		t.Fatalf("written all the same: %v", err)
	}
}

func TestCloseInterruptsAStoreThatWaitsForALock(t *testing.T) {
	pg := testenv.Postgres(t)
	holder := opened(t, backend.Config{URL: pg.URL()})
	put(t, holder, doc("a", protocol.Started))
	locked, release, released := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		released <- holder.(*store).dialect.(*postgres).pool.do(context.Background(), func(ctx context.Context, conn *pgx.Conn) error {
			return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
				if _, err := tx.Exec(ctx, "SELECT 1 FROM umbel_results WHERE id = 'a' FOR UPDATE"); err != nil {
					return err
				}
				close(locked)
				<-release
				return nil
			})
		})
	}()
	<-locked
	b := open(t, backend.Config{URL: pg.URL()})
	failed := make(chan []error, 1)
	go func() { failed <- b.Store(context.Background(), []*protocol.Result{doc("a", protocol.Success)}) }()
	blocked := "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
	for deadline := time.Now().Add(patience); len(pg.Query(blocked)) == 0; {
		if time.Now().After(deadline) {
			t.Fatal("the second writer does not wait for the lock")
		}
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	if errs := <-failed; len(errs) != 1 || errs[0] == nil {
		t.Errorf("Store interrupted by Close: %v", errs)
	}
	close(release)
	if err := <-released; err != nil {
		t.Error(err)
	}
}

func TestWhatPostgreSQLCannotOpen(t *testing.T) {
	pg := testenv.Postgres(t)
	closed, silent := closedPort(t), silentPort(t)
	for name, tt := range map[string]struct {
		url     string
		options map[string]any
		want    []string
	}{
		"host":         {"postgres://u:geheim@no.such.host.invalid/x?connect_timeout=60", nil, []string{"resolve", "no.such.host.invalid"}},
		"closed port":  {"postgres://u:geheim@" + closed + "/x", nil, []string{"connect", "refused", "is PostgreSQL running"}},
		"silent port":  {"postgres://u:geheim@" + silent + "/x?sslmode=disable", nil, []string{"no answer within 500ms", "firewall"}},
		"database":     {"postgres://test:geheim@" + pg.Addr() + "/missing?sslmode=disable", nil, []string{"open database", "createdb missing"}},
		"user":         {"postgres://nobody:geheim@" + pg.Addr() + "/postgres?sslmode=disable", nil, []string{"authenticate", "nobody"}},
		"no TLS":       {"postgres://test:geheim@" + pg.Addr() + "/postgres?sslmode=require", nil, []string{"tls handshake", "sslmode=disable"}},
		"read-only":    {strings.Replace(pg.URL(), "test@", "test:geheim@", 1) + "&default_transaction_read_only=on", nil, []string{"create tables", "primary"}},
		"bad URL":      {"postgres://test:gehe%zzim@host/x", nil, []string{"read the URL", "percent-encoded"}},
		"bad sslmode":  {"postgres://test:geheim@host/x?sslmode=sure", nil, []string{"read the URL", "sslmode"}},
		"option":       {pg.URL(), map[string]any{"global_keyprefix": "x"}, []string{`"global_keyprefix" means nothing`, "schema"}},
		"connections":  {pg.URL(), map[string]any{"max_connections": 0}, []string{"max_connections"}},
		"schema":       {pg.URL(), map[string]any{"schema": `x"; drop`}, []string{"schema"}},
		"query secret": {"postgres://" + closed + "/x?user=u&password=geheim", nil, []string{"password=**", "refused"}},
	} {
		t.Run(name, func(t *testing.T) {
			b, err := backend.Open(context.Background(), backend.Config{URL: tt.url, Options: tt.options, ConnectTimeout: 500 * time.Millisecond})
			if err == nil {
				b.Close()
				t.Fatal("no error")
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%v\nwant it to say %q", err, want)
				}
			}
			if strings.Contains(err.Error(), "geheim") || strings.Contains(err.Error(), "gehe%zzim") || strings.Contains(err.Error(), "\n") {
				t.Errorf("a secret or a line break in: %v", err)
			}
		})
	}
}

func TestAWrongPasswordSaysSo(t *testing.T) {
	hba := filepath.Join(t.TempDir(), "pg_hba.conf")
	if err := os.WriteFile(hba, []byte("host all test 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for dir := filepath.Dir(hba); dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil { // the server runs as another user
			t.Fatal(err)
		}
	}
	pg := testenv.OwnPostgres(t, "hba_file = '"+hba+"'")
	pg.Query("CREATE ROLE shop LOGIN PASSWORD 'right'")
	url := "postgres://shop:%s@" + pg.Addr() + "/" + pg.Database() + "?sslmode=disable"
	_, err := backend.Open(t.Context(), backend.Config{URL: fmt.Sprintf(url, "geheim")})
	if err == nil || !strings.Contains(err.Error(), `the password of user "shop" is not right`) || strings.Contains(err.Error(), "geheim") {
		t.Fatalf("%v", err)
	}
	_, err = backend.Open(t.Context(), backend.Config{URL: fmt.Sprintf(url, "right")})
	if err == nil || !strings.Contains(err.Error(), "grant user \"shop\" the right to create tables") {
		t.Fatalf("a user who may not create tables: %v", err)
	}
	if err := open(t, backend.Config{URL: pg.URL()}).Close(); err != nil {
		t.Fatal(err)
	}
	pg.Query("GRANT SELECT ON umbel_schema_version TO shop")
	pg.Query("GRANT SELECT, INSERT, UPDATE, DELETE ON umbel_results TO shop")
	pg.Query("GRANT USAGE ON umbel_results_version TO shop")
	b := opened(t, backend.Config{URL: fmt.Sprintf(url, "right")}) // tables made by somebody else need no right to create
	put(t, b, doc("a", protocol.Success))
}

// closedPort is an address where nobody listens.
func closedPort(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// silentPort is an address that takes connections and says nothing, as a firewall's black hole does in the end.
func silentPort(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l.Addr().String()
}

func BenchmarkPostgreSQL(b *testing.B) {
	s := opened(b, backend.Config{URL: testenv.Postgres(b).URL()})
	benchmarkStore(b, s)
}

// A process that is frozen in the midst of a transaction must not keep others from the lease.
func TestAFrozenSchedulerHoldsNoLock(t *testing.T) {
	url := testenv.Postgres(t).URL()
	config := backend.Config{URL: url, Options: map[string]any{"table_prefix": fmt.Sprintf("t%x_", hash(t.Name()))}}
	frozen, other := open(t, config), open(t, config).(backend.Schedules)
	defer frozen.Close()
	defer other.(backend.Backend).Close()
	locked, thaw, thawed := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		thawed <- frozen.(*store).schedule(t.Context(), "lead", "shop", func(b batch) error {
			if _, _, err := hold(b, "shop"); err != nil {
				return err
			}
			select {
			case <-locked: // repeated after its connection was ended
			default:
				close(locked)
				<-thaw
			}
			return nil
		})
	}()
	<-locked
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	if l, err := other.Lead(ctx, "shop", "other", time.Minute); err != nil || l.Holder != "other" {
		t.Errorf("another asks for the lease: %+v, %v", l, err)
	}
	close(thaw)
	<-thawed // its transaction is gone; it is told so, or has begun anew
}
