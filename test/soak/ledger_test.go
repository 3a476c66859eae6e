package soak

import (
	"context"
	"fmt"
	"time"

	"github.com/umbel-go/umbel/internal/sqlitefile"
)

// A ledger is the truth that the lab judges by: an SQLite file that every process writes to. What a process writes is on the
// disk before it goes on, so that a kill takes nothing with it.
type ledger struct{ file *sqlitefile.File }

const ledgerTables = `
CREATE TABLE task (        -- written before the first attempt to send it
	id TEXT PRIMARY KEY, kind TEXT NOT NULL, intent INTEGER NOT NULL,
	confirmed INTEGER NOT NULL DEFAULT 0,  -- when Send returned nil
	unsure INTEGER NOT NULL DEFAULT 0      -- sends before it that may have arrived
) WITHOUT ROWID;
CREATE TABLE start (seq INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, id TEXT NOT NULL, attempt INTEGER NOT NULL,
	worker TEXT NOT NULL, again INTEGER NOT NULL);  -- again: handed out before
CREATE TABLE loss (seq INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, who TEXT NOT NULL, text TEXT NOT NULL);
CREATE TABLE fault (seq INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, whom TEXT NOT NULL, began INTEGER NOT NULL,
	ended INTEGER NOT NULL DEFAULT 0);
CREATE INDEX start_id ON start (id);
`

func openLedger(path string) (*ledger, error) {
	f, err := sqlitefile.Open(path, sqlitefile.Options{LockTimeout: time.Minute}) // others may be killed as they hold it
	if err != nil {
		return nil, err
	}
	if err := f.Migrate(context.Background(), "ledger", []string{ledgerTables}); err != nil {
		f.Close()
		return nil, err
	}
	return &ledger{f}, nil
}

func (l *ledger) close() error { return l.file.Close() }

// Times in the ledger are microseconds of the host's clock.
func micros() int64 { return time.Now().UnixMicro() }

// write is for lines without which the verdict would be wrong: a process that cannot write ends.
func (l *ledger) write(query string, args ...any) {
	err := l.file.Write(context.Background(), func(tx *sqlitefile.Tx) error {
		_, err := tx.Exec(query, args...)
		return err
	})
	if err != nil {
		panic(fmt.Sprintf("soak: ledger: %v", err))
	}
}

func (l *ledger) intends(id, kind string) {
	l.write("INSERT INTO task (id, kind, intent) VALUES (?, ?, ?)", id, kind, micros())
}

func (l *ledger) confirms(id string) {
	l.write("UPDATE task SET confirmed = ? WHERE id = ?", micros(), id)
}

// wonders notes a send that failed and may have arrived.
func (l *ledger) wonders(id string) { l.write("UPDATE task SET unsure = unsure + 1 WHERE id = ?", id) }

func (l *ledger) starts(id string, attempt int, worker string, again bool) {
	l.write("INSERT INTO start (at, id, attempt, worker, again) VALUES (?, ?, ?, ?, ?)", micros(), id, attempt, worker, again)
}

// loses notes that a process has lost a connection.
func (l *ledger) loses(who, text string) {
	l.write("INSERT INTO loss (at, who, text) VALUES (?, ?, ?)", micros(), who, text)
}

// strikes notes a fault as it begins; the returned function notes its end.
func (l *ledger) strikes(name, whom string) (over func()) {
	var seq int64
	err := l.file.Write(context.Background(), func(tx *sqlitefile.Tx) error {
		r, err := tx.Exec("INSERT INTO fault (name, whom, began) VALUES (?, ?, ?)", name, whom, micros())
		seq = r.LastID
		return err
	})
	if err != nil {
		panic(fmt.Sprintf("soak: ledger: %v", err))
	}
	return func() { l.write("UPDATE fault SET ended = ? WHERE seq = ?", micros(), seq) }
}

// A taskLine is a task that somebody set out to send.
type taskLine struct {
	id, kind  string
	intent    int64
	confirmed int64 // 0: the producer died before it knew
	unsure    int
}

// A startLine is one start of one attempt.
type startLine struct {
	at      int64
	id      string
	attempt int
	worker  string
	again   bool
}

// A lossLine is a lost connection.
type lossLine struct {
	at        int64
	who, text string
}

// A faultLine is what was done to whom.
type faultLine struct {
	name, whom   string
	began, ended int64
}

// A record is the whole ledger as of one moment.
type record struct {
	tasks  []taskLine
	starts []startLine
	losses []lossLine
	faults []faultLine
}

func (l *ledger) read() (r record, err error) {
	err = l.file.Read(context.Background(), func(tx *sqlitefile.Tx) error {
		each := func(query string, row func(*sqlitefile.Rows) error) error {
			rows, err := tx.Query(query)
			if err != nil {
				return err
			}
			for rows.Next() {
				if err := row(rows); err != nil {
					return err
				}
			}
			return rows.Err()
		}
		if err := each("SELECT id, kind, intent, confirmed, unsure FROM task ORDER BY intent", func(rows *sqlitefile.Rows) error {
			var t taskLine
			err := rows.Scan(&t.id, &t.kind, &t.intent, &t.confirmed, &t.unsure)
			r.tasks = append(r.tasks, t)
			return err
		}); err != nil {
			return err
		}
		if err := each("SELECT at, id, attempt, worker, again FROM start ORDER BY at, seq", func(rows *sqlitefile.Rows) error {
			var s startLine
			err := rows.Scan(&s.at, &s.id, &s.attempt, &s.worker, &s.again)
			r.starts = append(r.starts, s)
			return err
		}); err != nil {
			return err
		}
		if err := each("SELECT at, who, text FROM loss ORDER BY seq", func(rows *sqlitefile.Rows) error {
			var x lossLine
			err := rows.Scan(&x.at, &x.who, &x.text)
			r.losses = append(r.losses, x)
			return err
		}); err != nil {
			return err
		}
		return each("SELECT name, whom, began, ended FROM fault ORDER BY began", func(rows *sqlitefile.Rows) error {
			var f faultLine
			err := rows.Scan(&f.name, &f.whom, &f.began, &f.ended)
			r.faults = append(r.faults, f)
			return err
		})
	})
	return r, err
}
