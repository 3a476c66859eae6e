package doctor

import (
	"fmt"
	"strings"
	"time"

	"github.com/umbel-go/umbel/internal/resultstore"
)

// A postgresStore is a live PostgreSQL beside what the settings ask of it.
type postgresStore struct {
	asked Results
	*resultstore.Postgres
}

// postgresEnds are the last days of PostgreSQL's versions. https://www.postgresql.org/support/versioning/
var postgresEnds = map[int]time.Time{
	11: time.Date(2023, time.November, 9, 0, 0, 0, 0, time.UTC),
	12: time.Date(2024, time.November, 21, 0, 0, 0, 0, time.UTC),
	13: time.Date(2025, time.November, 13, 0, 0, 0, 0, time.UTC),
	14: time.Date(2026, time.November, 12, 0, 0, 0, 0, time.UTC),
	15: time.Date(2027, time.November, 11, 0, 0, 0, 0, time.UTC),
	16: time.Date(2028, time.November, 9, 0, 0, 0, 0, time.UTC),
	17: time.Date(2029, time.November, 8, 0, 0, 0, 0, time.UTC),
	18: time.Date(2030, time.November, 14, 0, 0, 0, 0, time.UTC),
}

func (p postgresStore) examine(report reporting) {
	line(p.Line, p.asked.Now, report, "TLS on the server, and sslmode=verify-full&sslrootcert=FILE in the URL")
	clock(p.Line, report, "results expire, and leases of schedulers end, by its clock; the times in results are those of the workers.")
	if p.Superuser {
		report("store-exposed", Medium, Dangerous, fmt.Sprintf("workers log in as %q, a superuser", p.User), "whoever gets a worker's URL owns every database of the server, and runs programs on it.",
			"a role of its own, to which the tables of results belong")
	}
	p.version(report)
	if p.serves(report) {
		p.fills(report)
		p.lasts(report)
		lasting{p.Expired, p.Eternal, p.Most}.judge(p.asked.Expires, "PostgreSQL does not remove them by itself: the table grows for ever", report)
	}
}

func (p postgresStore) version(report reporting) {
	if end, known := postgresEnds[p.Major]; p.Major > 0 && (known && end.Before(p.asked.Now) || p.Major < 11) {
		report("store-version", High, Dangerous, fmt.Sprintf("PostgreSQL %d gets no fixes any more", p.Major), "its open faults are public.", "an upgrade to a version that is maintained")
	}
	schema(p.Table, p.Schema, p.Want, report)
}

func (p postgresStore) serves(report reporting) bool {
	switch {
	case p.Replica || p.ReadOnly:
		what := "it is a replica"
		if !p.Replica {
			what = "transactions only read there"
		}
		report("store-replica", Critical, Wrong, what, "every write is refused, so that no result is stored.", "the primary's address, or all of them and target_session_attrs=read-write in the URL")
		return false
	case len(p.Lacks) > 0:
		report("store-refused", Critical, Wrong, fmt.Sprintf("user %q lacks rights: %s", p.User, strings.Join(p.Lacks, ", ")), "no result is stored.",
			"GRANT them, or let the tables belong to the user who stores results")
		return false
	case p.Schema == 0 && !p.Create && p.User != "":
		report("store-refused", Critical, Wrong, fmt.Sprintf("there are no tables, and user %q may make none", p.User), "no worker starts on it.",
			"GRANT CREATE on the schema, or let an owner open it once; a schema of its own by the option schema")
		return false
	}
	return true
}

// manyDead is how many removed rows may take room before it is a trouble.
const manyDead = 100_000

func (p postgresStore) fills(report reporting) {
	if percent(int64(p.Connections), int64(p.MaxConnections)) >= nearClients {
		report("store-clients", High, Dangerous, fmt.Sprintf("%d of %d connections are in use", p.Connections, p.MaxConnections),
			"a deployment has old and new processes connected at once: those that come late are refused, and are not ready.", "a higher max_connections, a pooler in session mode, fewer processes, or max_connections in result_backend_transport_options")
	}
	if !p.Autovacuum || p.Dead >= manyDead && p.Dead > 2*p.Rows {
		what := "autovacuum is off"
		if p.Autovacuum {
			what = fmt.Sprintf("%d rows that were removed take room, beside %d that are there", p.Dead, p.Rows)
		}
		report("store-full", Medium, Dangerous, what, "the table and its indexes grow, and every look takes longer.", "autovacuum on, with a lower autovacuum_vacuum_scale_factor for this table; is a transaction open for hours?")
	}
}

func (p postgresStore) lasts(report reporting) {
	switch {
	case p.Major == 0:
	case !p.Fsync || !p.FullPages:
		report("store-durable", High, Dangerous, "fsync or full_page_writes is off", "a crash of its machine may leave a database that cannot be read.", "both on")
	case !p.Synchronous:
		report("store-durable", Medium, Dangerous, "synchronous_commit is off", "a crash loses results of the last moments, whose tasks were acknowledged because they had been stored.", "synchronous_commit on, for this role at least: ALTER ROLE … SET")
	}
}
