package doctor

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/umbel-go/umbel/internal/resultstore"
)

var today = time.Date(2026, time.May, 4, 0, 0, 0, 0, time.UTC)

// farLine is a connection to another machine on which nothing is the matter.
func farLine() resultstore.Line {
	return resultstore.Line{Address: "10.0.0.7:6379", TLS: "TLS 1.3, TLS_AES_128_GCM_SHA256", Ends: today.AddDate(1, 0, 0), Skew: time.Second, Uncertain: time.Millisecond}
}

// judged is a change of something sound, and the one finding that comes of it; rule "" where none does.
type judged struct {
	rule     string
	severity Severity
	what     string
}

// holdFindings holds the findings of one change of a sound store.
func (want judged) hold(t *testing.T, about string, r Results) {
	t.Helper()
	found := ExamineStore(r)
	switch {
	case want.rule == "" && len(found) > 0:
		t.Errorf("%s: %+v", about, found)
	case want.rule != "" && (len(found) != 1 || found[0].Rule != want.rule || found[0].Severity != want.severity || !strings.Contains(found[0].What, want.what)):
		t.Errorf("%s: %+v, want one %s of severity %s: %s", about, found, want.rule, want.severity, want.what)
	}
	for _, f := range found {
		listed := false
		for _, rule := range Rules() {
			listed = listed || rule.Name == f.Rule
		}
		if !listed || f.Place.File != "store:"+r.Store.URL || f.Why == "" || f.Instead == "" {
			t.Errorf("%s: %+v", about, f)
		}
	}
}

func TestALiveRedisIsJudged(t *testing.T) {
	sound := func() *resultstore.Redis {
		return &resultstore.Redis{
			Line: farLine(), Version: "7.2.4", Password: true, Database: 1, Role: "master", Replicas: 2, Policy: "noeviction", Memory: 1 << 30, MaxMemory: 4 << 30,
			SystemMemory: 8 << 30, Clients: 200, MaxClients: 10000, Log: true, Snapshots: true, SnapshotsKnown: true, Looked: 1000, Results: 400, Whole: true,
		}
	}
	for about, c := range map[string]struct {
		change func(*resultstore.Redis)
		judged
	}{
		"a sound one":              {func(*resultstore.Redis) {}, judged{}},
		"without TLS":              {func(r *resultstore.Redis) { r.TLS = "" }, judged{"store-exposed", High, "without TLS"}},
		"without TLS, here":        {func(r *resultstore.Redis) { r.TLS, r.Local = "", true }, judged{}},
		"unverified":               {func(r *resultstore.Redis) { r.Unverified = "host name" }, judged{"store-exposed", High, "host name in its certificate"}},
		"a certificate's end":      {func(r *resultstore.Redis) { r.Ends = today.AddDate(0, 0, 9) }, judged{"store-exposed", Medium, "ends on 2026-05-13"}},
		"anybody":                  {func(r *resultstore.Redis) { r.Password, r.Anybody = false, true }, judged{"store-exposed", High, "no password is let in"}},
		"anybody, here":            {func(r *resultstore.Redis) { r.Password, r.Anybody, r.Local = false, true, true }, judged{}},
		"a password for nothing":   {func(r *resultstore.Redis) { r.Anybody, r.Local = true, true }, judged{"store-exposed", High, "have a password"}},
		"an old version":           {func(r *resultstore.Redis) { r.Version = "5.0.14" }, judged{"store-version", High, "Redis 5.0.14"}},
		"a cluster":                {func(r *resultstore.Redis) { r.Cluster = true }, judged{"store-cluster", Critical, "ask for database 1"}},
		"a replica":                {func(r *resultstore.Redis) { r.Role, r.Master = "slave", "10.0.0.8:6379" }, judged{"store-replica", Critical, "a replica of 10.0.0.8:6379"}},
		"replicas away":            {func(r *resultstore.Redis) { r.Away = 1 }, judged{"store-replica", Medium, "1 of 2 replicas"}},
		"sentinels without any":    {func(r *resultstore.Redis) { r.Sentinels, r.Replicas = true, 0 }, judged{"store-replica", High, "no replica"}},
		"refused":                  {func(r *resultstore.Redis) { r.Refused = "NOPERM" }, judged{"store-refused", Critical, "NOPERM"}},
		"allkeys-lru":              {func(r *resultstore.Redis) { r.Policy = "allkeys-lru" }, judged{"store-evicts", High, "at 4.0 GiB"}},
		"volatile-ttl":             {func(r *resultstore.Redis) { r.Policy = "volatile-ttl" }, judged{"store-evicts", High, "volatile-ttl"}},
		"it has evicted":           {func(r *resultstore.Redis) { r.Policy, r.Evicted = "volatile-lru", 7 }, judged{"store-evicts", Critical, "evicted 7 keys"}},
		"evicts, without a bound":  {func(r *resultstore.Redis) { r.Policy, r.MaxMemory = "allkeys-lru", 0 }, judged{"store-evicts", Low, "maxmemory is not set"}},
		"no bound, and room":       {func(r *resultstore.Redis) { r.MaxMemory = 0 }, judged{}},
		"no bound, and no room":    {func(r *resultstore.Redis) { r.MaxMemory, r.Memory = 0, 7<<30 }, judged{"store-full", High, "7.0 GiB of its machine's 8.0 GiB"}},
		"nearly full":              {func(r *resultstore.Redis) { r.Memory = 3500 << 20 }, judged{"store-full", High, "3.4 GiB of 4.0 GiB"}},
		"nearly all clients":       {func(r *resultstore.Redis) { r.Clients = 8000 }, judged{"store-clients", High, "8000 of 10000"}},
		"refused clients":          {func(r *resultstore.Redis) { r.Rejected = 3 }, judged{"store-clients", High, "3 connections were refused"}},
		"a snapshot failed":        {func(r *resultstore.Redis) { r.SnapshotFailed = true }, judged{"store-durable", Critical, "last snapshot failed"}},
		"a write failed":           {func(r *resultstore.Redis) { r.LogFailed = true }, judged{"store-durable", Critical, "append-only file"}},
		"in memory, replicated":    {func(r *resultstore.Redis) { r.Log, r.Snapshots = false, false }, judged{}},
		"in memory, alone":         {func(r *resultstore.Redis) { r.Log, r.Snapshots, r.Replicas = false, false, 0 }, judged{"store-durable", Medium, "nothing of it is on disk"}},
		"perhaps in memory, alone": {func(r *resultstore.Redis) { r.Log, r.Snapshots, r.SnapshotsKnown, r.Replicas = false, false, false, 0 }, judged{}},
		"results for ever":         {func(r *resultstore.Redis) { r.Eternal = 12 }, judged{"store-expiry", Medium, "12 of 400 results"}},
		"a clock ahead":            {func(r *resultstore.Redis) { r.Skew = 90 * time.Second }, judged{"store-clock", Medium, "1m30s ahead of"}},
		"a clock behind":           {func(r *resultstore.Redis) { r.Skew = -5 * time.Second }, judged{"store-clock", Medium, "5s behind"}},
		"a slow answer":            {func(r *resultstore.Redis) { r.Skew, r.Uncertain = 5*time.Second, 4*time.Second }, judged{}},
		"it tells nothing": {func(r *resultstore.Redis) {
			*r = resultstore.Redis{Line: farLine(), Password: true}
		}, judged{}},
	} {
		r := sound()
		c.change(r)
		c.hold(t, about, Results{Store: &resultstore.Store{URL: "rediss://h:6379/1", Redis: r}, Expires: 24 * time.Hour, Now: today})
	}
	r := sound()
	r.Eternal = r.Results
	judged{"store-expiry", Medium, "as result_expires asks"}.hold(t, "for ever by intent", Results{Store: &resultstore.Store{URL: "u", Redis: r}, Expires: -1, Now: today})
}

func TestAStoreOutOfReachIsAFinding(t *testing.T) {
	judged{"store-refused", Critical, "connection refused"}.hold(t, "out of reach",
		Results{Store: &resultstore.Store{URL: "redis://h:6379/0"}, Failed: errors.New("connection refused"), Now: today})
}

func TestALivePostgresIsJudged(t *testing.T) {
	sound := func() *resultstore.Postgres {
		return &resultstore.Postgres{
			Line: farLine(), Version: "15.10", Major: 15, User: "shop", Table: "umbel_results", Schema: 4, Want: 4, Create: true, Rows: 50_000, Bytes: 1 << 28, Dead: 9_000, Autovacuum: true,
			Expired: 12, Most: 10_000, Connections: 40, MaxConnections: 197, Fsync: true, FullPages: true, Synchronous: true,
		}
	}
	for about, c := range map[string]struct {
		change func(*resultstore.Postgres)
		judged
	}{
		"a sound one":            {func(*resultstore.Postgres) {}, judged{}},
		"nothing there yet":      {func(p *resultstore.Postgres) { p.Schema = 0 }, judged{}},
		"nothing may be made":    {func(p *resultstore.Postgres) { p.Schema, p.Create = 0, false }, judged{"store-refused", Critical, "may make none"}},
		"made by somebody else":  {func(p *resultstore.Postgres) { p.Create = false }, judged{}},
		"a newer version":        {func(p *resultstore.Postgres) { p.Schema = 5 }, judged{"store-version", Critical, "are of version 5"}},
		"an older version":       {func(p *resultstore.Postgres) { p.Schema = 3 }, judged{"store-version", Medium, "brings them to 4"}},
		"rights missing":         {func(p *resultstore.Postgres) { p.Lacks = []string{"INSERT on umbel_results"} }, judged{"store-refused", Critical, "lacks rights: INSERT on umbel_results"}},
		"without TLS":            {func(p *resultstore.Postgres) { p.TLS = "" }, judged{"store-exposed", High, "without TLS"}},
		"sslmode=require":        {func(p *resultstore.Postgres) { p.Unverified = "certificate" }, judged{"store-exposed", High, "its certificate is not verified"}},
		"a superuser":            {func(p *resultstore.Postgres) { p.Superuser = true }, judged{"store-exposed", Medium, "a superuser"}},
		"an old one":             {func(p *resultstore.Postgres) { p.Major = 12 }, judged{"store-version", High, "PostgreSQL 12"}},
		"a very old one":         {func(p *resultstore.Postgres) { p.Major = 9 }, judged{"store-version", High, "PostgreSQL 9"}},
		"one of the future":      {func(p *resultstore.Postgres) { p.Major = 21 }, judged{}},
		"a replica":              {func(p *resultstore.Postgres) { p.Replica, p.ReadOnly = true, true }, judged{"store-replica", Critical, "a replica"}},
		"it only reads":          {func(p *resultstore.Postgres) { p.ReadOnly = true }, judged{"store-replica", Critical, "only read"}},
		"no fsync":               {func(p *resultstore.Postgres) { p.Fsync = false }, judged{"store-durable", High, "fsync"}},
		"no synchronous commit":  {func(p *resultstore.Postgres) { p.Synchronous = false }, judged{"store-durable", Medium, "synchronous_commit is off"}},
		"nearly all connections": {func(p *resultstore.Postgres) { p.Connections = 160 }, judged{"store-clients", High, "160 of 197"}},
		"nobody cleans":          {func(p *resultstore.Postgres) { p.Expired = 10_000 }, judged{"store-expiry", Medium, "10000 results or more expired"}},
		"results for ever":       {func(p *resultstore.Postgres) { p.Eternal = 3 }, judged{"store-expiry", Medium, "3 results never expire"}},
		"no autovacuum":          {func(p *resultstore.Postgres) { p.Autovacuum = false }, judged{"store-full", Medium, "autovacuum is off"}},
		"bloat":                  {func(p *resultstore.Postgres) { p.Dead = 200_000 }, judged{"store-full", Medium, "200000 rows"}},
		"a clock ahead":          {func(p *resultstore.Postgres) { p.Skew = time.Hour }, judged{"store-clock", Medium, "1h0m0s ahead"}},
		"it tells nothing": {func(p *resultstore.Postgres) {
			*p = resultstore.Postgres{Line: farLine(), Want: 4, Autovacuum: true, Synchronous: true}
		}, judged{}},
	} {
		p := sound()
		c.change(p)
		c.hold(t, about, Results{Store: &resultstore.Store{URL: "postgres://h/shop", Postgres: p}, Expires: 24 * time.Hour, Now: today})
	}
}

func TestASQLiteFileIsJudged(t *testing.T) {
	sound := func() *resultstore.SQLite {
		return &resultstore.SQLite{Path: "/var/lib/umbel.db", There: true, Journal: "wal", Bytes: 1 << 20, Log: 4 << 20, Free: 9 << 30, Table: "umbel_results", Schema: 4, Want: 4, Most: 10_000}
	}
	for about, c := range map[string]struct {
		change func(*resultstore.SQLite)
		judged
	}{
		"a sound one":         {func(*resultstore.SQLite) {}, judged{}},
		"not there yet":       {func(s *resultstore.SQLite) { *s = resultstore.SQLite{Want: 4, Free: 9 << 30} }, judged{}},
		"a folder of others":  {func(s *resultstore.SQLite) { s.There, s.Unwritable = false, "permission denied" }, judged{"store-refused", Critical, "permission denied"}},
		"no WAL":              {func(s *resultstore.SQLite) { s.Journal = "delete" }, judged{"store-durable", Medium, "journal mode is delete"}},
		"on NFS":              {func(s *resultstore.SQLite) { s.Network = "NFS" }, judged{"store-durable", High, "(NFS)"}},
		"damaged":             {func(s *resultstore.SQLite) { s.Damage = "row 7 missing from index" }, judged{"store-durable", Critical, "row 7"}},
		"writable by anybody": {func(s *resultstore.SQLite) { s.Anybody = true }, judged{"store-exposed", High, "every user"}},
		"a full disk":         {func(s *resultstore.SQLite) { s.Free = 3 << 20 }, judged{"store-full", High, "3.0 MiB are free"}},
		"an unknown disk":     {func(s *resultstore.SQLite) { s.Free = -1 }, judged{}},
		"a long log":          {func(s *resultstore.SQLite) { s.Log = 2 << 30 }, judged{"store-full", Medium, "2.0 GiB"}},
		"a newer version":     {func(s *resultstore.SQLite) { s.Schema = 9 }, judged{"store-version", Critical, "are of version 9"}},
		"nobody cleans":       {func(s *resultstore.SQLite) { s.Expired = 2000 }, judged{"store-expiry", Medium, "2000 results expired"}},
	} {
		s := sound()
		c.change(s)
		c.hold(t, about, Results{Store: &resultstore.Store{URL: "sqlite:///var/lib/umbel.db", SQLite: s}, Expires: 24 * time.Hour, Now: today})
	}
}
