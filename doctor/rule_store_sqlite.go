package doctor

import (
	"fmt"

	"github.com/umbel-go/umbel/internal/resultstore"
)

// A sqliteStore is a SQLite file beside what the settings ask of it.
type sqliteStore struct {
	asked Results
	*resultstore.SQLite
}

const (
	littleFree = 100 << 20 // of a disk, in bytes
	largeLog   = 512 << 20 // of a write-ahead log, which is cut to 64 MiB when it has been cleared
)

func (s sqliteStore) examine(report reporting) {
	if s.Unwritable != "" {
		report("store-refused", Critical, Wrong, "it cannot be written: "+s.Unwritable, "no result is stored, and no worker starts.", "let the user of the workers write the file and its folder; end who holds it locked")
	}
	if s.Network != "" {
		report("store-durable", High, Dangerous, "it is on a file system of a network ("+s.Network+")", "the write-ahead log needs memory and locks that all who have the file open share: over a network it breaks, and the file with it.",
			"a disk of the machine itself; for several machines PostgreSQL or Redis")
	}
	if s.Free >= 0 && s.Free < littleFree {
		report("store-full", High, Dangerous, resultstore.Bytes(s.Free)+" are free on its disk", "when it is full no result is stored, and where the broker is in the file no task is taken.", "a larger disk, or a shorter result_expires")
	}
	if !s.There {
		return
	}
	if s.Damage != "" {
		report("store-durable", Critical, Wrong, "it is damaged: "+s.Damage, "what is stored next may be lost, and what was stored cannot be relied on.", "a copy from before, or sqlite3 FILE .recover into a new one, with all programs ended")
	}
	if s.Anybody {
		report("store-exposed", High, Dangerous, "every user of this machine may write to it", "they read and forge results, and where the broker is in the file, tasks.", "chmod o-w, and a folder of the workers' own")
	}
	if s.Journal != "wal" && s.Bytes > 0 {
		report("store-durable", Medium, Wrong, "its journal mode is "+s.Journal, "another program has made it, or changed it: a worker turns it to wal when it opens it, and cannot while somebody has it open.", "end other programs that have it open, and start a worker")
	}
	if s.Log > largeLog {
		report("store-full", Medium, Dangerous, "its log has "+resultstore.Bytes(s.Log), "somebody reads in a transaction that does not end: the log cannot be cleared, and every look takes longer.", "find who has the file open (lsof), and end it")
	}
	schema(s.Table, s.Schema, s.Want, report)
	lasting{s.Expired, s.Eternal, s.Most}.judge(s.asked.Expires, "a file does not remove them by itself: it grows for ever", report)
}

// schema judges the version of our tables in a database.
func schema(table string, there, want int, report reporting) {
	switch {
	case there > want:
		report("store-version", Critical, Wrong, fmt.Sprintf("its tables %s are of version %d, and this program knows up to %d", table, there, want), "a newer program has been here: this one does not start on it.",
			"the newer program everywhere, or another database or table_prefix")
	case there > 0 && there < want:
		report("store-version", Medium, Dangerous, fmt.Sprintf("its tables %s are of version %d; this program brings them to %d", table, there, want), "the first that opens it does so, and older programs that are started after that refuse them.",
			"all programs of one release; start one of the new ones before the others, as a user who may alter the tables")
	}
}
