package database

import (
	"context"

	"github.com/umbel-go/umbel/backend"
)

// A row is one document as it is stored.
type row struct {
	id       string
	status   string
	content  string // MIME type
	encoding string
	document []byte
	version  int64 // set by the store: grows with each write of the id
}

// A dialect is one kind of SQL database. It knows nothing of documents but their id and whether they are a SUCCESS.
// All methods may be called from many goroutines, except follow and changes.
type dialect interface {
	// write stores rows in order, in one transaction or none, leaving a SUCCESS as it is, and lets every process know. It is
	// backend.ErrUnstorable when one of the rows can never be written.
	write(ctx context.Context, rows []row) error

	// read calls each with the rows of ids that are there and have not expired.
	read(ctx context.Context, ids []string, each func(row) error) error

	forget(ctx context.Context, ids []string) error
	cleanup(ctx context.Context) (int, error)

	// follow begins to listen for writes: from now on the follower is nudged. It is called until it succeeds once.
	follow(ctx context.Context) error

	// changes are ids, all or only those watched, that may have been written since its last call. Only the follower
	// calls it.
	changes(ctx context.Context) ([]string, error)

	// transact runs f in one transaction, again from its beginning when the connection was lost before it began.
	transact(ctx context.Context, f func(batch) error) error

	traits() backend.Traits

	// close ends every goroutine and connection; calls under way fail.
	close() error
}
