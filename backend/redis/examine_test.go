package redis

import (
	"strings"
	"testing"
	"time"

	"github.com/umbel-go/umbel/backend"
	"github.com/umbel-go/umbel/internal/resultstore"
	"github.com/umbel-go/umbel/internal/testenv"
)

// look examines a store and holds what must be so of every one of ours: it tells no secret and leaves nothing behind.
func look(t *testing.T, r *testenv.RedisServer, c backend.Config) (*resultstore.Store, *resultstore.Redis) {
	t.Helper()
	c.ConnectTimeout = time.Minute // a busy machine
	before := r.Do("DBSIZE")
	got, err := resultstore.Examine(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if after := r.Do("DBSIZE"); before != after {
		t.Errorf("%v keys before, %v after", before, after)
	}
	if text := got.URL + strings.Join(got.Unknown, " ") + got.Redis.Refused; strings.Contains(text, "sesame") {
		t.Errorf("a secret is told: %s", text)
	}
	return got, got.Redis
}

func TestARedisTellsOfItself(t *testing.T) {
	t.Parallel()
	r := testenv.OwnRedis(t, "requirepass sesame", "maxmemory 64mb", "maxmemory-policy allkeys-lru", "maxclients 250", "appendonly yes", "save 60 1")
	got, f := look(t, &r.RedisServer, backend.Config{URL: r.URL()})
	if !strings.HasPrefix(f.Version, "7.") && f.Version == "" || f.Role != "master" || f.Policy != "allkeys-lru" || f.MaxMemory != 64<<20 || f.Memory == 0 || f.MaxClients != 250 || f.Clients == 0 {
		t.Errorf("%#v", f)
	}
	if f.Anybody || !f.Password || !f.Local || f.TLS != "" || !f.Log || !f.Snapshots || f.SnapshotFailed || f.Refused != "" || len(got.Unknown) > 0 || !f.Whole {
		t.Errorf("%#v, unknown: %v", f, got.Unknown)
	}
	if off := f.Skew.Abs(); off > f.Uncertain+time.Second { // it is the same clock
		t.Errorf("its clock is %v off, uncertain by %v", f.Skew, f.Uncertain)
	}
	if s := got.String(); !strings.Contains(s, "of 64 MiB used, allkeys-lru") || !strings.Contains(s, "of 250 clients") {
		t.Error(s)
	}

	r.Do("CONFIG", "SET", "requirepass", "")
	if _, f := look(t, &testenv.OwnRedis(t).RedisServer, backend.Config{URL: r.URL()}); !f.Anybody {
		t.Error("nobody says that no password is needed")
	}
}

func TestTLSOfARedisIsLookedAt(t *testing.T) {
	t.Parallel()
	r := testenv.Redis(t)
	trust := "?ssl_ca_certs=" + testenv.CA(t).File
	for about, c := range map[string]struct{ query, unverified string }{
		"verified":   {trust, ""},
		"any host":   {trust + "&ssl_check_hostname=false", "host name"},
		"unverified": {"?ssl_cert_reqs=CERT_NONE", "certificate"},
	} {
		_, f := look(t, r, backend.Config{URL: r.TLSURL() + c.query})
		if !strings.HasPrefix(f.TLS, "TLS 1.3, TLS_") || f.Unverified != c.unverified || f.Refused != "" || !f.Ends.After(time.Now()) {
			t.Errorf("%s: %#v", about, f)
		}
	}
}

func TestResultsThatNeverExpireAreCounted(t *testing.T) {
	t.Parallel()
	r := testenv.Redis(t)
	const prefix = "a[b]*?" // as a pattern it would find others
	for _, key := range []string{"celery-task-meta-1", "axcelery-task-meta-2", prefix + "_other-1"} {
		r.Do("SET", key, "x")
	}
	for _, key := range []string{"1", "2", "3"} {
		r.Do("SETEX", prefix+"_celery-task-meta-"+key, "1000", "x")
	}
	r.Do("SET", prefix+"_celery-task-meta-4", "x")
	_, f := look(t, r, backend.Config{URL: r.URL(), Options: map[string]any{"global_keyprefix": prefix}})
	if f.Results != 4 || f.Eternal != 1 || !f.Whole || f.Refused != "" {
		t.Errorf("%#v", f)
	}
	r.Do("EVAL", "for i = 1, 1500 do redis.call('SET', 'celery-task-meta-many-' .. i, 'x') end", "0")
	if _, f := look(t, r, backend.Config{URL: r.URL()}); f.Results < resultsLooked || f.Results > resultsLooked+1000 || f.Results != f.Eternal {
		t.Errorf("%#v", f)
	}
}

func TestAReplicaAndItsMasterAreTold(t *testing.T) {
	t.Parallel()
	master := testenv.OwnRedis(t, "requirepass sesame")
	host, port, _ := strings.Cut(master.Addr(), ":")
	replica := testenv.OwnRedis(t, "replicaof "+host+" "+port, "masterauth sesame", "repl-diskless-sync-delay 0")
	testenv.Await(t, "the replica is in step", func() bool {
		text, _ := replica.Do("INFO", "replication").(string)
		return strings.Contains(text, "master_link_status:up")
	}, nil)
	if _, f := look(t, &replica.RedisServer, backend.Config{URL: replica.URL()}); f.Role != "slave" || f.Master != master.Addr() || f.Refused != "" {
		t.Errorf("%#v", f)
	}
	if _, f := look(t, &master.RedisServer, backend.Config{URL: master.URL()}); f.Role != "master" || f.Replicas != 1 || f.Refused != "" {
		t.Errorf("%#v", f)
	}
}

func TestWhyResultsAreRefusedIsTold(t *testing.T) {
	t.Parallel()
	cluster := testenv.OwnRedis(t, "cluster-enabled yes")
	if _, f := look(t, &cluster.RedisServer, backend.Config{URL: strings.TrimSuffix(cluster.URL(), "/0") + "/1"}); !f.Cluster || f.Database != 1 || !strings.Contains(f.Refused, "SELECT") {
		t.Errorf("%#v", f)
	}
	full := testenv.OwnRedis(t, "maxmemory 100kb")
	if _, f := look(t, &full.RedisServer, backend.Config{URL: full.URL()}); !strings.Contains(f.Refused, "maxmemory") {
		t.Errorf("%#v", f)
	}
	full.Do("CONFIG", "SET", "maxmemory", "0")
	full.Do("ACL", "SETUSER", "poor", "on", ">sesame", "~*", "&*", "+@all", "-info", "-config", "-scan", "-subscribe")
	url := strings.Replace(full.URL(), "redis://", "redis://poor:sesame@", 1)
	got, f := look(t, &full.RedisServer, backend.Config{URL: url})
	if !strings.Contains(f.Refused, "'subscribe' command") || f.Version != "" || len(got.Unknown) != 3 || !f.Anybody {
		t.Errorf("%#v, unknown: %q", f, got.Unknown)
	}
}

func TestARedisThatCannotBeReachedSaysWhy(t *testing.T) {
	t.Parallel()
	locked := testenv.OwnRedis(t, "requirepass sesame")
	for url, want := range map[string]string{
		"redis://" + closedPort(t) + "/3":                        "is Redis running there?",
		"redis://:secret-word@" + locked.Addr() + "/3":           "password is wrong",
		"redis://" + locked.Addr() + "?password=secret-word&x=1": "not known",
		"redis://:secret-word@" + locked.TLSAddr():               "TLS",
	} {
		_, err := resultstore.Examine(t.Context(), backend.Config{URL: url})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret-word") {
			t.Errorf("%s: %v", url, err)
		}
	}
}
