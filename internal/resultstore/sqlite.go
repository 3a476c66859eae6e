package resultstore

import (
	"fmt"
	"strings"
)

// SQLite is what a file says, and what it stands on.
type SQLite struct {
	Path       string // absolute
	There      bool
	Anybody    bool   // every user of the machine may write to it
	Unwritable string // why it, or where it is not there its folder, cannot be written; "" where it can
	Damage     string // what is broken in it
	Network    string // name of its file system, where that is one of a network
	Journal    string // journal_mode
	Bytes, Log int64  // of the file, and of the write-ahead log beside it
	Free       int64  // on its disk; -1 where it is not known

	Table   string
	Schema  int // version of the tables; 0: there are none
	Want    int // that of this program
	Expired int // results that expired two days ago and are still there
	Eternal int // results that never expire
	Most    int // bounds Expired and Eternal
}

// String is the file in a line.
func (s *SQLite) String() string {
	if !s.There {
		return "SQLite; not there yet: the first program that opens it makes it"
	}
	words := []string{"SQLite", "journal " + s.Journal, Bytes(s.Bytes) + " and a log of " + Bytes(s.Log)}
	if s.Schema == 0 {
		words = append(words, "no tables yet")
	} else {
		words = append(words, fmt.Sprintf("%s of version %d", s.Table, s.Schema))
	}
	return strings.Join(words, "; ")
}
