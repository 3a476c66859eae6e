package backendtest

import (
	"fmt"
	"slices"
	"time"

	"github.com/umbel-go/umbel/backend"
)

// ledger is the backend's, or the test is skipped: not every backend keeps records.
func (h *harness) ledger(b backend.Backend) backend.Ledger {
	l, ok := b.(backend.Ledger)
	if !ok {
		h.Skip("this backend keeps no records")
	}
	return l
}

func (h *harness) wantRecords(l backend.Ledger, book string, want ...string) {
	h.Helper()
	records, err := l.Records(h.ctx, book)
	if err != nil {
		h.Fatal(err)
	}
	got := []string{}
	for _, r := range records {
		got = append(got, r.Name+"="+r.Value)
	}
	if !slices.Equal(got, want) && len(got)+len(want) > 0 {
		h.Errorf("book %s holds %q, want %q", book, got, want)
	}
}

// in is a record that lives for that long.
func in(d time.Duration, name, value string) backend.Record {
	return backend.Record{Name: name, Value: value, Expires: time.Now().Add(d)}
}

var ledgerTests = []namedTest{
	{"records come in the order they expire, and are replaced by name", func(h *harness) {
		l := h.ledger(h.Backend)
		h.wantRecords(l, "b")
		h.ok(l.Record(h.ctx, "b", []backend.Record{in(3*time.Hour, "late", "1"), in(time.Hour, "soon", ""), in(2*time.Hour, `["id", "ü x"]`, "a b  c")}, 10))
		h.ok(l.Record(h.ctx, "other", []backend.Record{in(time.Hour, "elsewhere", "")}, 10))
		h.wantRecords(l, "b", "soon=", `["id", "ü x"]=a b  c`, "late=1")
		h.ok(l.Record(h.ctx, "b", []backend.Record{in(4*time.Hour, "soon", "new")}, 10))
		h.wantRecords(l, "b", `["id", "ü x"]=a b  c`, "late=1", "soon=new")
		h.ok(l.Erase(h.ctx, "b", []string{"late", "never written"}))
		h.ok(l.Erase(h.ctx, "b", nil))
		h.wantRecords(l, "b", `["id", "ü x"]=a b  c`, "soon=new")
	}},
	{"a book keeps no more than it may", func(h *harness) {
		l := h.ledger(h.Backend)
		var many []backend.Record
		for i := range 1200 {
			many = append(many, in(time.Hour+time.Duration(i)*time.Second, fmt.Sprintf("r%04d", i), ""))
		}
		h.ok(l.Record(h.ctx, "b", many, 3))
		h.wantRecords(l, "b", "r1197=", "r1198=", "r1199=")
		h.ok(l.Record(h.ctx, "b", []backend.Record{in(2*time.Hour, "one more", "")}, 3))
		h.wantRecords(l, "b", "r1198=", "r1199=", "one more=")
	}},
	{"an expired record is gone", func(h *harness) {
		l := h.ledger(h.Backend)
		h.ok(l.Record(h.ctx, "b", []backend.Record{in(-time.Second, "past", ""), in(50*time.Millisecond, "soon", ""), in(time.Hour, "late", "")}, 10))
		for {
			records, err := l.Records(h.ctx, "b")
			h.ok(err)
			if len(records) == 1 && records[0].Name == "late" {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
	}},
	{"what another process records is read", func(h *harness) {
		l, p := h.ledger(h.Backend), h.ledger(h.openPeer(backend.Config{}))
		h.ok(p.Record(h.ctx, "b", []backend.Record{in(time.Hour, "theirs", "x")}, 10))
		h.ok(l.Record(h.ctx, "b", []backend.Record{in(2*time.Hour, "ours", "y")}, 10))
		h.wantRecords(l, "b", "theirs=x", "ours=y")
		h.wantRecords(p, "b", "theirs=x", "ours=y")
	}},
}

func (h *harness) ok(err error) {
	h.Helper()
	if err != nil {
		h.Fatal(err)
	}
}
