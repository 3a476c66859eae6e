package history

import "context"

// A dialect is one kind of SQL database. Statements are written once, in words that both kinds know, with ? for arguments.
type dialect interface {
	// write runs f in a transaction. f may be run more than once: it must set its results, not add to them.
	write(ctx context.Context, f func(tx) error) error
	read(ctx context.Context, f func(tx) error) error

	// like compares without regard to case, in the form: column LIKE ? ESCAPE '!'
	like(column string) string

	// since is the first place that the index of texts knows; false: there is no index. index adds parts to it, rows of place and
	// text; dropTexts removes those before a place; candidates
	// are places in [lo, hi) that may hold a text, the latest first.
	since() (seq int64, ok bool)
	index(t tx, rows [][]any) error
	dropTexts(t tx, before int64) error
	candidates(t tx, text string, lo, hi int64, limit int) ([]int64, error)

	size(ctx context.Context) (int64, error)
	close() error
}

// A tx is a transaction.
type tx interface {
	exec(query string, args ...any) (rows int64, err error)

	// many runs a statement for each row of arguments.
	many(query string, rows [][]any) error

	// each takes the columns of every row into dest.
	each(query string, args, dest []any, f func() error) error
}

// schema are the steps from one version of the tables to the next, which never change once released. {blob} and {real} are
// the dialect's types.
var schema = []string{`
CREATE TABLE tasks (
	seq       BIGINT NOT NULL PRIMARY KEY, -- Unix microseconds of when it was first heard of, made unique
	hash      BIGINT NOT NULL,             -- of id: an index of these is a third of one of ids
	id        TEXT NOT NULL,
	name      TEXT NOT NULL,
	state     TEXT NOT NULL,
	worker    TEXT NOT NULL,
	queue     TEXT NOT NULL,
	root      TEXT NOT NULL,
	parent    TEXT NOT NULL,
	args      TEXT NOT NULL,
	kwargs    TEXT NOT NULL,
	result    TEXT NOT NULL,
	exception TEXT NOT NULL,
	traceback TEXT NOT NULL,
	runtime   {real} NOT NULL,             -- seconds
	updated   BIGINT NOT NULL,             -- Unix microseconds of the latest event
	more      TEXT NOT NULL                -- JSON of what nobody searches by
);
CREATE INDEX tasks_hash ON tasks (hash);
CREATE INDEX tasks_name ON tasks (name, seq);
CREATE INDEX tasks_unwell ON tasks (state, seq) WHERE state <> 'SUCCESS';
CREATE INDEX tasks_root ON tasks (root, seq) WHERE root <> id;
CREATE TABLE points (
	width  BIGINT NOT NULL, -- seconds
	metric TEXT NOT NULL,
	label  TEXT NOT NULL,   -- task or queue; '' is all of them
	at     BIGINT NOT NULL, -- Unix seconds of its begin
	n      BIGINT NOT NULL,
	sum    {real} NOT NULL,
	peak   {real} NOT NULL,
	spread TEXT NOT NULL,   -- histogram, '' for none
	PRIMARY KEY (width, metric, label, at)
);
CREATE TABLE workers (
	name  TEXT NOT NULL PRIMARY KEY,
	heard BIGINT NOT NULL, -- Unix milliseconds
	doc   TEXT NOT NULL
);
CREATE TABLE audit (
	seq     BIGINT NOT NULL PRIMARY KEY, -- Unix microseconds, made unique
	who     TEXT NOT NULL,
	origin  TEXT NOT NULL,
	action  TEXT NOT NULL,
	target  TEXT NOT NULL,
	detail  TEXT NOT NULL,
	outcome TEXT NOT NULL
)`, `
CREATE INDEX tasks_flow ON tasks (seq) WHERE root <> id`, `
CREATE TABLE texts_since (seq BIGINT NOT NULL); -- tasks from there on are in the index of texts
INSERT INTO texts_since SELECT coalesce(max(seq), 0) + 1 FROM tasks`}
