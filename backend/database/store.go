package database

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/umbel-go/umbel/backend"
	"github.com/umbel-go/umbel/codec"
	"github.com/umbel-go/umbel/internal/watch"
	"github.com/umbel-go/umbel/protocol"
)

const (
	// largest is the size of one document that is taken, as with Redis; SQLite and PostgreSQL end a little above.
	largest = 512 << 20

	// together is how many ids one query reads: large enough to make round trips cheap, small enough to keep
	// SQLite's snapshots short.
	together = 500
)

// A store is the contract over a dialect.
type store struct {
	dialect
	board      *watch.Board
	serializer string
	accept     codec.Accept
	log        *slog.Logger
	life       int64 // milliseconds that what is stored lives; 0: for ever

	follower *follower

	following chan struct{} // cap 1: held by the one who calls dialect.follow
	followed  bool          // guarded by following

	once sync.Once
	quit chan struct{}
	err  error // of Close
}

var _ backend.Backend = (*store)(nil)

// newStore starts the board and the follower of a store whose dialect is set afterwards, by start.
func newStore(c backend.Config) *store {
	s := &store{
		board: watch.New(), serializer: c.Serializer, accept: c.Accept, log: c.Log, life: expiry(c.Expires),
		following: make(chan struct{}, 1), quit: make(chan struct{}),
	}
	s.follower = newFollower(s)
	return s
}

func (s *store) start(d dialect) *store {
	s.dialect = d
	go s.follower.run()
	return s
}

// Store writes documents in one transaction, together with what other goroutines store at the moment.
func (s *store) Store(ctx context.Context, docs []*protocol.Result) []error {
	var errs []error
	fail := func(i int, err error) {
		if errs == nil {
			errs = make([]error, len(docs))
		}
		errs[i] = fmt.Errorf("store result of task %q: %w", docs[i].TaskID, err)
	}
	rows := make([]row, 0, len(docs))
	origin := make([]int, 0, len(docs)) // of each row in docs
	for i, r := range docs {
		row, err := s.encode(r)
		if err != nil {
			fail(i, backend.Unstorable(err))
			continue
		}
		rows, origin = append(rows, row), append(origin, i)
	}
	if len(rows) == 0 {
		return errs
	}
	if err := s.open(); err != nil {
		for _, i := range origin {
			fail(i, err)
		}
		return errs
	}
	err := s.write(ctx, rows)
	if len(rows) > 1 && errors.Is(err, backend.ErrUnstorable) { // it is one of them, and harms no other
		for k, i := range origin {
			if err := s.write(ctx, rows[k:k+1]); err != nil {
				fail(i, err)
			}
		}
		return errs
	}
	if err != nil {
		for _, i := range origin {
			fail(i, err)
		}
	}
	return errs
}

func (s *store) encode(r *protocol.Result) (row, error) {
	e, err := protocol.EncodeResult(r, s.serializer)
	if err != nil {
		return row{}, err
	}
	if len(e.Body) > largest {
		return row{}, fmt.Errorf("the document is %d MiB large, and %d are the most: store large results elsewhere and return where",
			len(e.Body)>>20, largest>>20)
	}
	return row{id: r.TaskID, status: string(r.Status), content: e.ContentType, encoding: e.ContentEncoding, document: e.Body}, nil
}

func (s *store) decode(r row) (*protocol.Result, error) {
	err := s.accept.Check(r.content)
	var doc *protocol.Result
	if err == nil {
		doc, err = protocol.DecodeResult(r.content, r.encoding, r.document)
	}
	if err != nil {
		return nil, fmt.Errorf("read result of task %q: %w", r.id, err)
	}
	return doc, nil
}

// Get reads one document.
func (s *store) Get(ctx context.Context, id string) (*protocol.Result, error) {
	found, err := s.GetMany(ctx, []string{id})
	if err != nil {
		return nil, err
	}
	if r := found[id]; r != nil {
		return r, nil
	}
	return nil, fmt.Errorf("read result of task %q: %w", id, backend.ErrNotFound)
}

// GetMany reads many documents, some hundreds in each query.
func (s *store) GetMany(ctx context.Context, ids []string) (map[string]*protocol.Result, error) {
	if err := s.open(); err != nil {
		return nil, fmt.Errorf("read results: %w", err)
	}
	found := make(map[string]*protocol.Result, len(ids))
	for len(ids) > 0 {
		some := ids[:min(together, len(ids))]
		ids = ids[len(some):]
		var rows []row // decoded after the query, so that its connection and snapshot are soon free
		if err := s.read(ctx, some, func(r row) error { rows = append(rows, r); return nil }); err != nil {
			return nil, fmt.Errorf("read results: %w", err)
		}
		for _, r := range rows {
			doc, err := s.decode(r)
			if err != nil {
				return nil, err
			}
			found[r.id] = doc
		}
	}
	return found, nil
}

// Watch tells of each id's present document and of every later one that was still there when it was read: of states
// that follow each other within a moment the earlier may be left out.
func (s *store) Watch(ctx context.Context, ids []string, notify func(*protocol.Result)) (func(), error) {
	if err := s.listen(ctx); err != nil {
		return nil, fmt.Errorf("watch results: %w", err)
	}
	w, err := s.board.Add(ids, notify)
	if err != nil {
		return nil, fmt.Errorf("watch results: %w", err)
	}
	s.follower.look(ids)
	return w.Stop, nil
}

// listen sees to it that the dialect follows, once.
func (s *store) listen(ctx context.Context) error {
	if err := s.open(); err != nil {
		return err
	}
	select {
	case s.following <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-s.quit:
		return watch.ErrClosed
	}
	defer func() { <-s.following }()
	if s.followed {
		return nil
	}
	if err := s.follow(ctx); err != nil {
		return err
	}
	s.followed = true
	return nil
}

// Forget removes documents.
func (s *store) Forget(ctx context.Context, ids []string) error {
	if err := s.open(); err != nil {
		return fmt.Errorf("forget results: %w", err)
	}
	if len(ids) == 0 {
		return nil
	}
	if err := s.forget(ctx, ids); err != nil {
		return fmt.Errorf("forget results: %w", err)
	}
	return nil
}

// Cleanup removes expired documents, a few thousand per transaction.
func (s *store) Cleanup(ctx context.Context) (int, error) {
	if err := s.open(); err != nil {
		return 0, fmt.Errorf("clean up results: %w", err)
	}
	n, err := s.cleanup(ctx)
	if err == nil {
		var more int64
		more, err = s.tidy(ctx)
		n += int(more)
	}
	if err != nil {
		return n, fmt.Errorf("clean up results: %w", err)
	}
	return n, nil
}

// ReplyTo is "": results are stored.
func (s *store) ReplyTo() string { return "" }

// Traits are the dialect's.
func (s *store) Traits() backend.Traits { return s.traits() }

// Close ends watches, goroutines and connections. Calls under way fail.
func (s *store) Close() error {
	s.once.Do(func() {
		close(s.quit)
		s.follower.cancel() // before what it reads from is gone
		s.err = s.close()
		s.follower.stop()
		s.board.Close()
	})
	return s.err
}

func (s *store) open() error {
	select {
	case <-s.quit:
		return watch.ErrClosed
	default:
		return nil
	}
}
