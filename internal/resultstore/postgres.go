package resultstore

import (
	"fmt"
	"strings"
)

// Postgres is what a PostgreSQL says.
type Postgres struct {
	Line
	Version   string // 15.10 (Debian 15.10-0+deb12u1)
	Major     int
	User      string
	Superuser bool // it may do everything
	ReadOnly  bool // this server, or this user's transactions, write nothing
	Replica   bool

	Table  string   // of results
	Schema int      // version of the tables; 0: there are none
	Want   int      // that of this program
	Create bool     // the user may make tables where they belong
	Lacks  []string // rights on the tables that are there, such as "INSERT on umbel_results"

	Rows       int64 // as estimated
	Bytes      int64 // of the table of results, its indexes and its documents
	Dead       int64 // rows that were removed and still take room
	Autovacuum bool
	Expired    int // results that expired two days ago and are still there
	Eternal    int // results that never expire
	Most       int // bounds Expired and Eternal

	Connections, MaxConnections int // of all users; MaxConnections without what is kept for superusers

	Fsync, FullPages, Synchronous bool // settings of the server: fsync, full_page_writes, synchronous_commit
}

// String is the server in a line.
func (p *Postgres) String() string {
	version, _, _ := strings.Cut(p.Version, " ")
	words := []string{"PostgreSQL " + version, p.way(), "as " + p.User}
	switch {
	case p.Schema == 0:
		words = append(words, "no tables yet: the first program that opens it makes them")
	default:
		words = append(words, fmt.Sprintf("%s of version %d, about %d rows, %s", p.Table, p.Schema, p.Rows, Bytes(p.Bytes)))
	}
	return strings.Join(append(words, fmt.Sprintf("%d of %d connections", p.Connections, p.MaxConnections)), "; ")
}
