package backend

import (
	"context"
	"time"
)

// A Ledger is a Backend that also keeps small named records for a whole fleet: what was revoked, which queues are paused.
// Records outlive those who write them and those who read them, until they expire. Backends that cannot keep anything
// (rpc://) do not offer it.
type Ledger interface {
	// Record adds records to the book of that name, or replaces those of the same name. Beyond most records the book
	// drops those that expire first.
	Record(ctx context.Context, book string, records []Record, most int) error

	// Erase removes records; names without one are no error.
	Erase(ctx context.Context, book string, names []string) error

	// Records are those of a book that have not expired, in the order they expire.
	Records(ctx context.Context, book string) ([]Record, error)
}

// A Record is one entry of a book.
type Record struct {
	Name    string
	Value   string
	Expires time.Time // exact to the millisecond
}
