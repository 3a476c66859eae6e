package redis

import (
	"bufio"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/redis/rueidis"

	"github.com/umbel-go/umbel/backend"
	"github.com/umbel-go/umbel/internal/resultstore"
	"github.com/umbel-go/umbel/protocol"
)

func init() {
	resultstore.Register(examine, "redis", "rediss", "socket", "redis+socket", "unix", "sentinel")
}

const (
	// trialLife is how long the document of a trial lives at most, in case that nobody can remove it.
	trialLife = 10 * time.Second

	// keysLooked and resultsLooked bound the search for results that never expire.
	keysLooked    = 100_000
	resultsLooked = 1_000
)

// An examination is that of one Redis.
type examination struct {
	*Backend
	found *resultstore.Store
	facts *resultstore.Redis
}

// examine asks a Redis about itself. Nothing is set but a document of our own, which is removed again.
func examine(ctx context.Context, c backend.Config) (*resultstore.Store, error) {
	s, err := newSettings(c)
	if err != nil {
		return nil, errors.New(reason(err))
	}
	facts := &resultstore.Redis{Database: s.db, Sentinels: s.sentinels != nil}
	found := &resultstore.Store{URL: s.endpoint.String(), Redis: facts}
	s.db = 0 // which every Redis has: that of the settings is tried below
	b, err := openWith(ctx, c, s)
	if err != nil {
		return nil, errors.New(reason(err))
	}
	defer b.Close()
	x := examination{b, found, facts}
	x.line(ctx)
	x.info(ctx)
	x.snapshots(ctx)
	x.clients(ctx)
	x.results(ctx, c)
	return found, nil
}

// unknown notes what could not be asked.
func (x *examination) unknown(what string, err error) {
	x.found.Unknown = append(x.found.Unknown, fmt.Sprintf("%s: %v", what, err))
}

// line looks at the connection, the clock, and whether a password is needed.
func (x *examination) line(ctx context.Context) {
	s := x.settings
	x.links.mu.Lock()
	for k := range x.links.open {
		if k.sentinel {
			continue
		}
		x.facts.Reached(k.Conn.RemoteAddr())
		if t, ok := k.Conn.(*tls.Conn); ok {
			x.facts.Secure(t.ConnectionState(), s.secure.unverified())
		}
	}
	x.links.mu.Unlock()
	if s.socket != "" {
		x.facts.Address = s.socket
	}
	for range 3 { // the answer that came back soonest tells the clock best
		before := time.Now()
		said, err := x.client.Do(ctx, x.client.B().Time().Build()).AsIntSlice()
		after := time.Now()
		if err != nil || len(said) != 2 {
			x.unknown("its clock", cmp.Or(err, errors.New("no time")))
			break
		}
		if half := after.Sub(before) / 2; x.facts.Uncertain == 0 || half < x.facts.Uncertain {
			x.facts.Clock(time.Unix(said[0], said[1]*1000), before, after)
		}
	}
	x.facts.Password = s.password != "" || s.ask != nil
	if !x.facts.Password {
		x.facts.Anybody = true
		return
	}
	anybody, err := x.anybody(ctx)
	if err != nil {
		x.unknown("whether it lets in who gives no password", err)
	}
	x.facts.Anybody = anybody
}

// unverified is what of a certificate is not verified.
func (s *security) unverified() string {
	switch {
	case s.skip:
		return "certificate"
	case s.anyHost:
		return "host name"
	}
	return ""
}

// anybody comes back without a password, and reports whether it is let in.
func (x *examination) anybody(ctx context.Context) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, x.settings.connectTimeout)
	defer cancel()
	at := x.facts.Address
	if x.settings.sentinels == nil {
		at = x.settings.addresses()[0] // by the name that its certificate is for
	}
	l := newLinks(x.settings.socket, x.settings.connectTimeout)
	conn, err := l.connect(ctx, at, x.settings.tls)
	if err != nil {
		return false, err
	}
	defer conn.Close()
	if until, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(until); err != nil {
			return false, err
		}
	}
	if _, err := conn.Write([]byte("PING\r\n")); err != nil {
		return false, err
	}
	answer, err := bufio.NewReader(conn).ReadString('\n')
	return strings.HasPrefix(answer, "+PONG"), err
}

// info reads what INFO tells.
func (x *examination) info(ctx context.Context) {
	text, err := x.client.Do(ctx, x.client.B().Info().Build()).ToString()
	if err != nil {
		x.unknown("INFO (version, memory, role, persistence, clients)", err)
		return
	}
	i, f := readInfo(text), x.facts
	f.Version, f.Cluster = i["redis_version"], i["redis_mode"] == "cluster" || i["cluster_enabled"] == "1"
	f.Role, f.Replicas, f.Away = i["role"], int(i.number("connected_slaves")), i.away()
	if f.Role != "master" {
		f.Master = i["master_host"] + ":" + i["master_port"]
	}
	f.Policy, f.Memory, f.MaxMemory = i["maxmemory_policy"], i.number("used_memory"), i.number("maxmemory")
	f.SystemMemory, f.Evicted = i.number("total_system_memory"), i.number("evicted_keys")
	f.Clients, f.MaxClients, f.Rejected = int(i.number("connected_clients")), int(i.number("maxclients")), i.number("rejected_connections")
	f.Log, f.LogFailed = i["aof_enabled"] == "1", i["aof_last_write_status"] == "err"
	f.SnapshotFailed = i["rdb_last_bgsave_status"] == "err"
}

// setting asks for one of the server's. Hosted ones tell none.
func (x *examination) setting(ctx context.Context, name string) (string, error) {
	got, err := x.client.Do(ctx, x.client.B().ConfigGet().Parameter(name).Build()).AsStrMap()
	return got[name], err
}

func (x *examination) snapshots(ctx context.Context) {
	save, err := x.setting(ctx, "save")
	if err != nil {
		x.unknown("CONFIG GET save (snapshots)", err)
		return
	}
	x.facts.SnapshotsKnown, x.facts.Snapshots = true, save != ""
}

func (x *examination) clients(ctx context.Context) {
	if x.facts.MaxClients > 0 || x.facts.Version == "" { // INFO tells it from 7.0 on
		return
	}
	most, err := x.setting(ctx, "maxclients")
	if err != nil {
		x.unknown("CONFIG GET maxclients", err)
		return
	}
	x.facts.MaxClients = int(info{"n": most}.number("n"))
}

// results goes to the database of the settings: it looks at the results there, and tries to store one.
func (x *examination) results(ctx context.Context, c backend.Config) {
	c.Expires = trialLife
	b, err := open(ctx, c)
	if err != nil {
		x.facts.Refused = reason(err)
		return
	}
	defer b.Close()
	if err := b.search(ctx, x.facts); err != nil {
		x.unknown("results without an expiry (SCAN, PTTL)", err)
	}
	if x.facts.Cluster || x.facts.Role == "slave" {
		return // it is known to fail
	}
	if err := b.trial(ctx); err != nil {
		x.facts.Refused = reason(err)
	}
}

// reason is an error without the URL, which the finding names.
func reason(err error) string {
	text := err.Error()
	if _, rest, ok := strings.Cut(text, "open result backend "); ok {
		if _, rest, ok = strings.Cut(rest, ": "); ok {
			return rest
		}
	}
	return text
}

// search looks for results, within its bounds, and counts those that never expire.
func (b *Backend) search(ctx context.Context, f *resultstore.Redis) error {
	pattern := globEscape.Replace(b.settings.prefix+taskKey) + "*"
	cursor := uint64(0)
	const page = 1000
	for f.Looked < keysLooked && f.Results < resultsLooked {
		got, err := b.client.Do(ctx, b.client.B().Scan().Cursor(cursor).Match(pattern).Count(page).Build()).AsScanEntry()
		if err != nil {
			return err
		}
		f.Looked += page
		asked := make(rueidis.Commands, 0, len(got.Elements))
		for _, key := range got.Elements {
			asked = append(asked, b.client.B().Pttl().Key(key).Build())
		}
		for _, answer := range b.client.DoMulti(ctx, asked...) {
			switch left, err := answer.AsInt64(); {
			case err != nil:
				return err
			case left == -1:
				f.Eternal++
				f.Results++
			case left >= 0: // -2: it is gone
				f.Results++
			}
		}
		if cursor = got.Cursor; cursor == 0 {
			f.Whole = true
			return nil
		}
	}
	return nil
}

var globEscape = strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`, `]`, `\]`)

// trial stores a document, hears of it, reads it and removes it: all that results need.
func (b *Backend) trial(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, max(b.settings.connectTimeout, trialLife/2))
	defer cancel()
	id := "umbel-doctor-" + uuid.NewString()
	heard := make(chan struct{}, 1)
	stop, err := b.Watch(ctx, []string{id}, func(*protocol.Result) {
		select {
		case heard <- struct{}{}:
		default:
		}
	})
	if err != nil {
		return fmt.Errorf("watch a result: %w", err)
	}
	defer stop()
	if errs := b.Store(ctx, []*protocol.Result{{TaskID: id, Status: protocol.Started}}); len(errs) > 0 && errs[0] != nil {
		return fmt.Errorf("store a result: %w", errs[0])
	}
	if _, err := b.Get(ctx, id); err != nil {
		return fmt.Errorf("read a result: %w", err)
	}
	select {
	case <-heard:
	case <-ctx.Done():
		return errors.New("nothing was heard of a result that was stored: may this user subscribe to the channels of results?")
	}
	if err := b.Forget(ctx, []string{id}); err != nil {
		return fmt.Errorf("remove a result: %w", err)
	}
	return nil
}
