package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// versions are the steps from an empty database to today's; new ones are added at the end, old ones never change. Money is
// in cents, times are Unix seconds, those of the audit trail milliseconds.
var versions = []string{`
CREATE TABLE stock (
	sku     TEXT PRIMARY KEY,
	name    TEXT NOT NULL,
	price   {int} NOT NULL,
	on_hand {int} NOT NULL CHECK (on_hand >= 0)
);
CREATE TABLE orders (
	id        {id},
	customer  TEXT NOT NULL,
	sku       TEXT NOT NULL REFERENCES stock,
	quantity  {int} NOT NULL CHECK (quantity > 0),
	total     {int} NOT NULL,
	state     TEXT NOT NULL DEFAULT 'placed' CHECK (state IN ('placed', 'reserved', 'paid', 'sold_out')),
	placed    {int} NOT NULL,
	payment   TEXT NOT NULL DEFAULT '',
	confirmed {int},
	task      TEXT NOT NULL DEFAULT '',
	imported  {int} NOT NULL DEFAULT 0
);
CREATE INDEX orders_by_time ON orders (placed, id);
CREATE TABLE charges (
	order_id  {int} PRIMARY KEY,
	amount    {int} NOT NULL,
	reference TEXT NOT NULL
);
CREATE TABLE reports (
	id        {int} PRIMARY KEY,
	state     TEXT NOT NULL CHECK (state IN ('requested', 'running', 'ready', 'failed', 'cancelled')),
	task      TEXT NOT NULL,
	requested {int} NOT NULL,
	since     {int} NOT NULL,
	until     {int} NOT NULL,
	email     TEXT NOT NULL DEFAULT '',
	file      TEXT NOT NULL DEFAULT '',
	rows      {int} NOT NULL DEFAULT 0,
	bytes     {int} NOT NULL DEFAULT 0,
	sha256    TEXT NOT NULL DEFAULT '',
	made      {int} NOT NULL DEFAULT 0,
	expires   {int} NOT NULL DEFAULT 0,
	error     TEXT NOT NULL DEFAULT ''
);
CREATE INDEX reports_by_expiry ON reports (expires, id);
CREATE INDEX reports_by_task ON reports (task);
CREATE TABLE counters (
	name TEXT PRIMARY KEY,
	n    {int} NOT NULL
);
CREATE TABLE requests (
	scope  TEXT NOT NULL,
	key    TEXT NOT NULL,
	hash   TEXT NOT NULL,
	result {int} NOT NULL,
	at     {int} NOT NULL,
	PRIMARY KEY (scope, key)
);
CREATE TABLE outbox (
	id       {id},
	task     TEXT NOT NULL,
	task_id  TEXT NOT NULL,
	kwargs   TEXT NOT NULL,
	made     {int} NOT NULL,
	claimed  {int} NOT NULL DEFAULT 0,
	attempts {int} NOT NULL DEFAULT 0,
	error    TEXT NOT NULL DEFAULT '',
	sent     {int}
);
CREATE INDEX outbox_waiting ON outbox (id) WHERE sent IS NULL;
CREATE TABLE mails (
	key     TEXT PRIMARY KEY,
	task    TEXT NOT NULL,
	claimed {int} NOT NULL,
	sent    {int},
	proof   TEXT NOT NULL DEFAULT ''
);
CREATE TABLE audit (
	seq     {id},
	at      {int} NOT NULL,
	who     TEXT NOT NULL,
	origin  TEXT NOT NULL,
	action  TEXT NOT NULL,
	object  TEXT NOT NULL,
	outcome TEXT NOT NULL,
	args    TEXT NOT NULL,
	task    TEXT NOT NULL,
	detail  TEXT NOT NULL
);
CREATE INDEX audit_by_object ON audit (object, seq);
CREATE INDEX audit_by_time ON audit (at);
{refuse audit}
`}

// errOlder says that a file was made by a shop of before there were versions.
var errOlder = errors.New("it was made by an older shop, whose orders have no audit trail: move it away, and a new one is made")

// migrate brings the schema up to date, one process at a time, all or nothing.
func migrate(ctx context.Context, d dialect, db *sql.DB) error {
	return transact(ctx, d, db, func(t *tx) error {
		if err := d.turn(ctx, t); err != nil {
			return err
		}
		known, err := d.table(ctx, t, "shop_schema")
		if err != nil {
			return err
		}
		if !known {
			if older, err := d.table(ctx, t, "orders"); err != nil || older {
				return errors.Join(err, errOlder)
			}
			if err := t.exec(ctx, d.schema(`CREATE TABLE shop_schema (version {int} NOT NULL)`)); err != nil {
				return err
			}
			if err := t.exec(ctx, `INSERT INTO shop_schema (version) VALUES (0)`); err != nil {
				return err
			}
		}
		at := 0
		if err := t.row(ctx, `SELECT version FROM shop_schema`).Scan(&at); err != nil {
			return err
		}
		if at > len(versions) {
			return fmt.Errorf("it is of version %d, this shop knows %d: run the newer shop", at, len(versions))
		}
		if at == len(versions) {
			return nil
		}
		for _, text := range versions[at:] {
			if _, err := t.tx.ExecContext(ctx, d.schema(text)); err != nil {
				return err
			}
		}
		return t.exec(ctx, `UPDATE shop_schema SET version = ?`, len(versions))
	})
}
