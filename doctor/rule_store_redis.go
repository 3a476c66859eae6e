package doctor

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/umbel-go/umbel/internal/resultstore"
)

// A redisStore is a live Redis beside what the settings ask of it.
type redisStore struct {
	asked Results
	*resultstore.Redis
}

func (r redisStore) examine(report reporting) {
	line(r.Line, r.asked.Now, report, "rediss:// in result_backend, and TLS on the server; on ElastiCache encryption in transit")
	clock(r.Line, report, "leases of schedulers and the bounds of rate limits that workers share go by its clock, the times in results by those of the workers.")
	r.password(report)
	r.version(report)
	if r.serves(report) {
		r.evicts(report)
		r.fills(report)
		r.lasts(report)
		r.expiry(report)
	}
}

func (r redisStore) password(report reporting) {
	switch {
	case r.Anybody && r.Password:
		report("store-exposed", High, Dangerous, "the settings have a password, and who gives none is let in, too", "whoever reaches the port reads and forges results, and may delete all of them.",
			"requirepass, or no rights for the default user (ACL SETUSER default off)")
	case r.Anybody && !r.Local:
		report("store-exposed", High, Dangerous, "who gives no password is let in", "whoever reaches the port reads and forges results, and may delete all of them.",
			"requirepass, or a user of its own for the default one (ACL SETUSER default off); on ElastiCache an AUTH token or a user group")
	}
}

// oldestRedis has access lists and TLS; what is older gets no fixes.
const oldestRedis = 6

func (r redisStore) version(report reporting) {
	major, err := strconv.Atoi(strings.SplitN(r.Version, ".", 2)[0])
	if err == nil && major < oldestRedis {
		report("store-version", High, Dangerous, "Redis "+r.Version+" gets no fixes any more", "it knows neither TLS nor users of its own, and its open faults are public.", "Redis 7, or Valkey")
	}
}

// serves judges whether results can be stored there at all.
func (r redisStore) serves(report reporting) bool {
	switch {
	case r.Cluster:
		what, why := "it is a node of a Redis Cluster", "Celery's result backend, and so ours, does not speak to clusters: keys of other nodes are refused (MOVED), and chords need several keys at once."
		if r.Database != 0 {
			what += fmt.Sprintf(", and the settings ask for database %d", r.Database)
			why += " A cluster has database 0 only."
		}
		report("store-cluster", Critical, Wrong, what, why, "a server with replicas, on ElastiCache with cluster mode disabled; or sentinels (sentinel://)")
		return false
	case r.Role == "slave":
		report("store-replica", Critical, Wrong, "it is a replica of "+r.Master, "it refuses every write (READONLY), so that no result is stored; after a failover the old address may stay one for ever.",
			"the master's address, on ElastiCache the primary endpoint; or sentinels (sentinel://), which know who is master")
		return false
	case r.Refused != "":
		report("store-refused", Critical, Wrong, "a result cannot be stored there: "+r.Refused, "no task's result is stored: with acks late tasks run again and again, and who waits for a result waits in vain.",
			"mend what is named")
	}
	if r.Away > 0 {
		report("store-replica", Medium, Dangerous, fmt.Sprintf("%d of %d replicas are not in step", r.Away, r.Replicas), "a failover to one of them loses what it has not got yet.", "see its log, and whether client-output-buffer-limit replica is too small for the load")
	}
	if r.Sentinels && r.Role == "master" && r.Replicas == 0 {
		report("store-replica", High, Dangerous, "the master that the sentinels name has no replica", "when it fails, there is nobody to fail over to, and its results are gone.", "a replica on another machine")
	}
	return true
}

func (r redisStore) evicts(report reporting) {
	bound := resultstore.Bytes(r.MaxMemory)
	keys := "whatever was not used for long"
	if strings.HasPrefix(r.Policy, "volatile-") {
		keys = "keys that expire, and all results do"
	}
	const instead = "maxmemory-policy noeviction, and enough memory: then a full store refuses a write, and the worker tries again. A cache goes into a Redis of its own"
	switch {
	case r.Policy == "" || r.Policy == "noeviction":
		return
	case r.Evicted > 0:
		report("store-evicts", Critical, Dangerous, fmt.Sprintf("it has evicted %d keys since it was started (maxmemory-policy %s)", r.Evicted, r.Policy),
			"among "+keys+": a result that is gone reads as PENDING for ever, and a chord whose counter is gone never ends.", instead)
	case r.MaxMemory > 0:
		report("store-evicts", High, Dangerous, fmt.Sprintf("at %s it begins to evict (maxmemory-policy %s)", bound, r.Policy),
			"it takes "+keys+": a result that is gone reads as PENDING for ever, and a chord whose counter is gone never ends.", instead)
	default:
		report("store-evicts", Low, Dangerous, fmt.Sprintf("maxmemory-policy is %s, and maxmemory is not set", r.Policy), "nothing is evicted as yet: once somebody sets a bound, results and the counters of chords are.", instead)
	}
}

func (r redisStore) fills(report reporting) {
	used := percent(r.Memory, r.MaxMemory)
	machine := percent(r.Memory, r.SystemMemory)
	switch {
	case used >= nearMemory && r.Policy == "noeviction":
		report("store-full", High, Dangerous, fmt.Sprintf("%s of %s of memory are used", resultstore.Bytes(r.Memory), resultstore.Bytes(r.MaxMemory)),
			"when it is full it refuses writes (OOM): no result is stored, and tasks are not acknowledged until one is.", "more memory, a shorter result_expires, or smaller results: ignore_result where nobody reads them")
	case r.MaxMemory == 0 && machine >= nearMemory:
		report("store-full", High, Dangerous, fmt.Sprintf("it uses %s of its machine's %s, and has no bound", resultstore.Bytes(r.Memory), resultstore.Bytes(r.SystemMemory)),
			"when nothing is left the kernel kills it, with all results that are not on disk.", "maxmemory below what the machine has, and more memory or a shorter result_expires")
	}
	switch {
	case r.Rejected > 0:
		report("store-clients", High, Dangerous, fmt.Sprintf("%d connections were refused since it was started: maxclients is %d, %d are connected", r.Rejected, r.MaxClients, r.Clients),
			"a worker that is refused stores no results and is not ready.", "a higher maxclients (and the file limit of the server), or fewer processes")
	case percent(int64(r.Clients), int64(r.MaxClients)) >= nearClients:
		report("store-clients", High, Dangerous, fmt.Sprintf("%d of %d clients are connected", r.Clients, r.MaxClients),
			"a deployment has old and new processes connected at once: those that come late are refused.", "a higher maxclients (and the file limit of the server), or fewer processes")
	}
}

func (r redisStore) lasts(report reporting) {
	if r.SnapshotFailed || r.LogFailed {
		what := "the last snapshot failed"
		if r.LogFailed {
			what = "the last write to its append-only file failed"
		}
		report("store-durable", Critical, Wrong, what, "Redis then refuses all writes (MISCONF) until one succeeds, and a restart loses what came since.", "see its log: is the disk full, is the folder writable, may the kernel overcommit memory (vm.overcommit_memory 1)?")
	}
	if r.Version != "" && !r.Log && r.SnapshotsKnown && !r.Snapshots && r.Replicas == 0 {
		report("store-durable", Medium, Dangerous, "nothing of it is on disk, and it has no replica", "a restart loses all results, and chords that were under way never end.", "appendonly yes with appendfsync everysec, or a replica; snapshots (save) lose the last minutes only")
	}
}

func (r redisStore) expiry(report reporting) {
	if r.Eternal == 0 {
		return
	}
	counted := fmt.Sprintf("%d of %d results that were looked at never expire", r.Eternal, r.Results)
	if r.asked.Expires < 0 {
		report("store-expiry", Medium, Dangerous, counted+", as result_expires asks", "they pile up until memory is used up.", "result_expires: 1d, and what must be kept for longer in a database of your own")
		return
	}
	report("store-expiry", Medium, Dangerous, counted, fmt.Sprintf("somebody else writes them, or wrote them when result_expires was not set: ours expire after %v. They pile up until memory is used up.", r.asked.Expires),
		"the same result_expires in every program that stores results here; those that are there get one by EXPIRE, or are deleted")
}
