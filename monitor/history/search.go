package history

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/umbel-go/umbel/protocol"
)

// A Query says which tasks to find. Empty fields ask for nothing.
type Query struct {
	Name   string // with * for any text
	ID     string // or its beginning, of at least 4 characters
	States []protocol.State
	Worker string // with * for any text
	Queue  string

	Since, Until time.Time // of when they were first heard of

	// Texts that are found anywhere, whatever their case: Text in arguments, result or error; the others in the field of that name.
	Text, Args, Kwargs, Result, Error string

	// Before goes on where a page ended: its Next. 0 begins with the latest.
	Before int64

	// Limit is the size of a page. Defaults to 50, at most 1000.
	Limit int

	// Patience is how long to look; then the page is what was found so far. Defaults to half a second.
	Patience time.Duration
}

// A Page is a part of what a query finds, the latest first.
type Page struct {
	Tasks []*Task

	// Next is the Before of the page after this one; 0: there are no more tasks.
	Next int64

	// Full is false when the search ran out of patience: there may be more tasks before those that it looked at, which begin
	// at Next.
	Full bool
}

const (
	pageDefault = 50
	pageMost    = 1000

	// stretchFirst is the first stretch of time that a search looks at, and stretchQuick how long a look may take for the next
	// stretch to be twice as long.
	stretchFirst = time.Minute
	stretchQuick = 60 * time.Millisecond

	// stretchIndexed is the first one when the index of texts is asked: it looks at what fits only. stretchMost is a hundred
	// years.
	stretchIndexed = time.Hour
	stretchMost    = 100 * 366 * 24 * time.Hour
)

// ErrQuery: a query that makes no sense.
var ErrQuery = errors.New("query")

// Search finds tasks, the latest first.
func (s *Store) Search(ctx context.Context, q Query) (*Page, error) {
	where, args, err := s.where(&q)
	if err != nil {
		return nil, err
	}
	if q.Limit <= 0 {
		q.Limit = pageDefault
	}
	q.Limit = min(q.Limit, pageMost)
	if q.Patience <= 0 {
		q.Patience = 500 * time.Millisecond
	}
	hi, lo := int64(1)<<62, int64(0) // [lo, hi)
	if !q.Until.IsZero() {
		hi = q.Until.UnixMicro()
	}
	if q.Before > 0 {
		hi = min(hi, q.Before)
	}
	if !q.Since.IsZero() {
		lo = q.Since.UnixMicro()
	}
	page := &Page{Full: true}
	look := look{q: &q, where: where, args: args, text: q.indexed()}
	var indexed bool
	if look.since, indexed = s.db.since(); !indexed || look.text == "" {
		look.since = 1 << 62 // nothing is
	}
	begun, stretch := time.Now(), stretchFirst
	if look.since < hi {
		stretch = stretchIndexed
	}
	for {
		if hi, err = s.latest(ctx, lo, hi); err != nil {
			return nil, err
		}
		if hi == 0 {
			page.Next = 0
			return page, nil
		}
		from, at := max(lo, hi-stretch.Microseconds()), time.Now()
		if hi > look.since {
			from = max(from, look.since)
		}
		var rows []*Task
		if rows, from, err = s.look(ctx, &look, from, hi, q.Limit-len(page.Tasks)); err != nil {
			return nil, fmt.Errorf("search: %w", err)
		}
		page.Tasks, page.Next = append(page.Tasks, rows...), from
		if len(page.Tasks) >= q.Limit {
			page.Next = page.Tasks[len(page.Tasks)-1].Seq
			return page, nil
		}
		if hi = from; hi <= lo {
			page.Next = 0
			return page, nil
		}
		switch took := time.Since(at); {
		case hi == look.since:
			stretch = stretchFirst
		case took < stretchQuick && hi > look.since:
			stretch = min(stretch*8, stretchMost)
		case took < stretchQuick:
			stretch = min(stretch*2, stretchMost)
		case took > 4*stretchQuick:
			stretch = max(stretch/2, time.Second)
		}
		if time.Since(begun) > q.Patience {
			page.Full = false
			return page, nil
		}
	}
}

// A look is what each stretch of a search looks for.
type look struct {
	q     *Query
	where string
	args  []any
	text  string // that the index is asked for
	since int64  // the index knows the tasks from there on
}

// look finds tasks in [from, hi), at most limit. What it returns in place of from is how far it came: not so far when the index
// has many candidates.
func (s *Store) look(ctx context.Context, l *look, from, hi int64, limit int) (rows []*Task, reached int64, err error) {
	err = s.db.read(ctx, func(t tx) error {
		rows, reached = nil, from
		take := func(t *Task) error { rows = append(rows, t); return nil }
		if hi <= l.since {
			bound := append(append([]any{from, hi}, l.args...), limit)
			return tasks(t, `SELECT `+columns+` FROM tasks WHERE seq >= ? AND seq < ?`+l.where+` ORDER BY seq DESC LIMIT ?`, bound, take)
		}
		places, err := s.db.candidates(t, l.text, from*partsMost, hi*partsMost, candidatesMost)
		if err != nil {
			return err
		}
		var seqs []any
		for _, p := range places {
			if seq := p / partsMost; len(seqs) == 0 || seqs[len(seqs)-1] != any(seq) {
				seqs = append(seqs, seq)
			}
		}
		if len(places) == candidatesMost {
			reached = seqs[len(seqs)-1].(int64)
		}
		marks := `?` + strings.Repeat(`, ?`, candidatesAtOnce-1)
		for some := range slices.Chunk(seqs, candidatesAtOnce) {
			bound := make([]any, candidatesAtOnce, candidatesAtOnce+len(l.args)+1)
			for i := range bound {
				bound[i] = some[min(i, len(some)-1)]
			}
			bound = append(append(bound, l.args...), limit-len(rows))
			err := tasks(t, `SELECT `+columns+` FROM tasks WHERE seq IN (`+marks+`)`+l.where+` ORDER BY seq DESC LIMIT ?`, bound, take)
			if err != nil || len(rows) == limit {
				return err
			}
		}
		return nil
	})
	return rows, reached, err
}

// latest is just past the latest task in [lo, hi), 0 when there is none: stretches without tasks are skipped.
func (s *Store) latest(ctx context.Context, lo, hi int64) (n int64, err error) {
	err = s.db.read(ctx, func(t tx) error {
		n = 0
		return t.each(`SELECT coalesce(max(seq), -1) + 1 FROM tasks WHERE seq >= ? AND seq < ?`, []any{lo, hi}, []any{&n}, nothing)
	})
	if err != nil {
		return 0, fmt.Errorf("search: %w", err)
	}
	return n, nil
}

// where is the query as conditions, each led by AND.
func (s *Store) where(q *Query) (string, []any, error) {
	var b strings.Builder
	var args []any
	and := func(condition string, a ...any) {
		b.WriteString(" AND " + condition)
		args = append(args, a...)
	}
	switch id := q.ID; {
	case id == "":
	case len(id) >= 36:
		and("hash = ? AND id = ?", hash(id), id)
	case len(id) < 4:
		return "", nil, fmt.Errorf("%w: id %q is shorter than 4 characters", ErrQuery, id)
	default:
		and("id >= ? AND id < ?", id, id+"\U0010FFFF")
	}
	s.named(and, "name", q.Name)
	s.named(and, "worker", q.Worker)
	s.named(and, "queue", q.Queue)
	if err := inStates(and, q.States); err != nil {
		return "", nil, err
	}
	for _, f := range []struct {
		text    string
		columns []string
	}{
		{q.Text, []string{"args", "kwargs", "result", "exception"}}, {q.Args, []string{"args"}}, {q.Kwargs, []string{"kwargs"}},
		{q.Result, []string{"result"}}, {q.Error, []string{"exception", "traceback"}},
	} {
		if f.text == "" {
			continue
		}
		var any []string
		var values []interface{}
		for _, c := range f.columns {
			any = append(any, s.db.like(c))
			values = append(values, "%"+likely(f.text)+"%")
		}
		and("("+strings.Join(any, " OR ")+")", values...)
	}
	return b.String(), args, nil
}

func (s *Store) named(and func(string, ...any), column, text string) {
	switch {
	case text == "":
	case strings.Contains(text, "*"):
		and(s.db.like(column), strings.ReplaceAll(likely(text), "*", "%"))
	default:
		and(column+" = ?", clean(text))
	}
}

// likely is text as it stands in a LIKE pattern.
func likely(text string) string {
	return strings.NewReplacer("!", "!!", "%", "!%", "_", "!_").Replace(clean(text))
}

// inStates is exact about states, and says in so many words when SUCCESS is not among them: only then does the database see
// that its index of the others holds all there is to find.
func inStates(and func(string, ...any), states []protocol.State) error {
	if len(states) == 0 {
		return nil
	}
	if len(states) > 10 {
		return fmt.Errorf("%w: %d states are more than 10", ErrQuery, len(states))
	}
	marks := strings.TrimSuffix(strings.Repeat("?, ", len(states)), ", ")
	values := make([]any, len(states))
	for i, st := range states {
		values[i] = clean(string(st))
	}
	and("state IN ("+marks+")", values...)
	if !slices.Contains(states, protocol.Success) {
		and("state <> 'SUCCESS'")
	}
	return nil
}

// Task is one task by id. The error is ErrNotFound when it is not known.
func (s *Store) Task(ctx context.Context, id string) (*Task, error) {
	found, err := s.Tasks(ctx, []string{id})
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("task %q: %w", cut(id, 64), ErrNotFound)
	}
	return found[0], nil
}

// chunk is how many ids one statement asks for: always so many, so that there is one statement.
const chunk = 50

// Tasks are the tasks with these ids that are known, in no order.
func (s *Store) Tasks(ctx context.Context, ids []string) ([]*Task, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	var out []*Task
	err := s.db.read(ctx, func(t tx) error {
		out = nil
		for some := range slices.Chunk(ids, chunk) {
			n := chunk
			if len(some) == 1 {
				n = 1
			}
			query := `SELECT ` + columns + ` FROM tasks WHERE hash IN (?` + strings.Repeat(", ?", n-1) + `)`
			args := make([]any, n)
			for i := range args {
				args[i] = hash(some[min(i, len(some)-1)])
			}
			err := tasks(t, query, args, func(t *Task) error {
				if slices.Contains(some, t.UUID) { // hashes may meet
					out = append(out, t)
				}
				return nil
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read tasks: %w", err)
	}
	return out, nil
}

// Workflow are the tasks with one root, itself among them, in the order in which they were heard of; at most limit.
func (s *Store) Workflow(ctx context.Context, root string, limit int) ([]*Task, error) {
	out, err := s.Tasks(ctx, []string{root})
	if err != nil {
		return nil, err
	}
	err = s.db.read(ctx, func(t tx) error {
		out = out[:min(len(out), 1)]
		return tasks(t, `SELECT `+columns+` FROM tasks WHERE root = ? AND root <> id ORDER BY seq LIMIT ?`, []any{clean(root), limit},
			func(t *Task) error { out = append(out, t); return nil })
	})
	if err != nil {
		return nil, fmt.Errorf("read workflow: %w", err)
	}
	slices.SortFunc(out, func(a, b *Task) int { return int(a.Seq - b.Seq) })
	return out, nil
}

// Names are the names of tasks in the history, at most limit.
func (s *Store) Names(ctx context.Context, limit int) (names []string, err error) {
	err = s.db.read(ctx, func(t tx) error {
		names = nil
		// One step through the index per name, however many tasks there are.
		name := ""
		for len(names) < limit {
			found := ""
			err := t.each(`SELECT coalesce(min(name), '') FROM tasks WHERE name > ?`, []any{name}, []any{&found}, nothing)
			if err != nil {
				return err
			}
			if found == "" {
				return nil
			}
			names, name = append(names, found), found
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read names of tasks: %w", err)
	}
	return names, nil
}
