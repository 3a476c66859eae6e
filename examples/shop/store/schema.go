package store

// schema is written so that running it again changes nothing. Money is in cents, times are Unix seconds.
const schema = `
CREATE TABLE IF NOT EXISTS stock (
	sku     TEXT PRIMARY KEY,
	name    TEXT NOT NULL,
	price   INTEGER NOT NULL,
	on_hand INTEGER NOT NULL CHECK (on_hand >= 0)
);
CREATE TABLE IF NOT EXISTS orders (
	id        INTEGER PRIMARY KEY,
	customer  TEXT NOT NULL,
	sku       TEXT NOT NULL REFERENCES stock,
	quantity  INTEGER NOT NULL CHECK (quantity > 0),
	total     INTEGER NOT NULL,
	state     TEXT NOT NULL DEFAULT 'placed' CHECK (state IN ('placed', 'reserved', 'paid', 'sold_out')),
	placed    INTEGER NOT NULL,
	payment   TEXT NOT NULL DEFAULT '',
	confirmed INTEGER
);
CREATE INDEX IF NOT EXISTS orders_by_time ON orders (placed, id);
CREATE TABLE IF NOT EXISTS charges (
	order_id  INTEGER PRIMARY KEY,
	amount    INTEGER NOT NULL,
	reference TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS reports (
	id      INTEGER PRIMARY KEY,
	since   TEXT NOT NULL,
	until   TEXT NOT NULL,
	file    TEXT NOT NULL,
	rows    INTEGER NOT NULL,
	bytes   INTEGER NOT NULL,
	sha256  TEXT NOT NULL,
	made    INTEGER NOT NULL,
	expires INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS reports_by_expiry ON reports (expires, id);
`
