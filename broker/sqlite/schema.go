package sqlite

// component names this package's tables in the file's schema_version.
const component = "broker"

// migrations lead from one version of the tables to the next. Times are Unix milliseconds.
//
// rank is the negated priority, so that the primary key of broker_ready is the order of delivery. place is the id of the
// message, or for one that was delayed a number drawn from the same sequence when it was due: it stands behind those that
// were ready before it, and keeps its place when it is given back. owner is the id of a
// broker's sign of life. cargo is what a claim holds (claim.go). The topology token is a random number, changed with
// every declaration: a process whose copy has another token reads the tables again.
var migrations = []string{`
CREATE TABLE broker_topology (
	one   INTEGER PRIMARY KEY CHECK (one = 1),
	token INTEGER NOT NULL
);
INSERT INTO broker_topology (one, token) VALUES (1, 1);

CREATE TABLE broker_exchange (
	name        TEXT PRIMARY KEY,
	type        TEXT NOT NULL,
	durable     INTEGER NOT NULL,
	auto_delete INTEGER NOT NULL,
	arguments   BLOB
) WITHOUT ROWID;

CREATE TABLE broker_queue (
	id          INTEGER PRIMARY KEY AUTOINCREMENT,
	name        TEXT NOT NULL UNIQUE,
	durable     INTEGER NOT NULL,
	auto_delete INTEGER NOT NULL,
	owner       INTEGER NOT NULL,          -- of an exclusive queue; else 0
	arguments   BLOB,
	lapses      INTEGER                    -- x-expires: when it is deleted unless somebody consumes
);
CREATE INDEX broker_queue_lapses ON broker_queue (lapses) WHERE lapses IS NOT NULL;

CREATE TABLE broker_binding (
	id          INTEGER PRIMARY KEY AUTOINCREMENT,
	source      TEXT NOT NULL,
	queue       TEXT NOT NULL,             -- destination, or ''
	exchange    TEXT NOT NULL,             -- destination, or ''
	routing_key TEXT NOT NULL,
	UNIQUE (source, queue, exchange, routing_key)
);

CREATE TABLE broker_message (
	id       INTEGER PRIMARY KEY AUTOINCREMENT,
	envelope BLOB NOT NULL,
	body     BLOB
);

CREATE TABLE broker_ready (
	queue      INTEGER NOT NULL,
	rank       INTEGER NOT NULL,
	place      INTEGER NOT NULL,
	message    INTEGER NOT NULL,
	deliveries INTEGER NOT NULL,
	expires    INTEGER,
	PRIMARY KEY (queue, rank, place)
) WITHOUT ROWID;
CREATE INDEX broker_ready_expires ON broker_ready (expires) WHERE expires IS NOT NULL;

CREATE TABLE broker_delayed (
	due     INTEGER NOT NULL,
	message INTEGER NOT NULL,
	queue   INTEGER NOT NULL,
	rank    INTEGER NOT NULL,
	expires INTEGER,
	PRIMARY KEY (due, message)
) WITHOUT ROWID;

CREATE TABLE broker_owner (
	id   INTEGER PRIMARY KEY,
	pid  INTEGER NOT NULL,
	lock INTEGER NOT NULL,                 -- which lock file shows its sign of life
	beat INTEGER NOT NULL
);

CREATE TABLE broker_consumer (
	owner     INTEGER NOT NULL,
	tag       TEXT NOT NULL,
	queue     INTEGER NOT NULL,
	exclusive INTEGER NOT NULL,
	PRIMARY KEY (owner, tag)
) WITHOUT ROWID;

CREATE TABLE broker_claim (
	id    INTEGER PRIMARY KEY AUTOINCREMENT,
	owner INTEGER NOT NULL,
	queue INTEGER NOT NULL,
	cargo BLOB NOT NULL
);
CREATE INDEX broker_claim_owner ON broker_claim (owner);

CREATE TABLE broker_doomed (
	queue INTEGER PRIMARY KEY              -- deleted, its messages not yet
);
`}
