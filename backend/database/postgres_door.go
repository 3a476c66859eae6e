package database

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/umbel-go/umbel/backend"
	"github.com/umbel-go/umbel/broker"
)

// A door is where connections to one database are opened, with the credentials of the moment.
type door struct {
	cfg     *pgx.ConnConfig
	timeout time.Duration // of one attempt
	ask     func(ctx context.Context, refused bool) (broker.Credentials, error)
}

func newDoor(cfg *pgx.ConnConfig, c backend.Config) *door {
	return &door{cfg: cfg, timeout: c.ConnectTimeout, ask: c.Credentials}
}

// open opens a connection. Where credentials are refused that have been rotated since they were read, it tries the new ones.
func (d *door) open(ctx context.Context) (*pgx.Conn, error) {
	cfg, err := d.config(ctx, false)
	if err != nil {
		return nil, err
	}
	conn, err := d.attempt(ctx, cfg)
	if said := (*pgconn.PgError)(nil); d.ask != nil && errors.As(err, &said) && strings.HasPrefix(said.Code, "28") {
		fresh, again := d.config(ctx, true)
		if again != nil {
			return nil, fmt.Errorf("%w; and others cannot be read: %w", err, again)
		}
		if fresh.User != cfg.User || fresh.Password != cfg.Password {
			return d.attempt(ctx, fresh)
		}
	}
	return conn, err
}

// config is what to connect with now.
func (d *door) config(ctx context.Context, refused bool) (*pgx.ConnConfig, error) {
	cfg := d.cfg.Copy()
	if d.ask == nil {
		return cfg, nil
	}
	given, err := d.ask(ctx, refused)
	if err == nil {
		err = take(given, cfg)
	}
	if err != nil {
		return nil, fmt.Errorf("read credentials: %w", err)
	}
	return cfg, nil
}

// attempt connects within the timeout.
func (d *door) attempt(ctx context.Context, cfg *pgx.ConnConfig) (*pgx.Conn, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, d.timeout, fmt.Errorf("no answer within %v", d.timeout))
	defer cancel()
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil && ctx.Err() != nil {
		return nil, fmt.Errorf("connect: %w", context.Cause(ctx))
	}
	return conn, err
}

// take puts credentials into cfg. Of a URL it takes who logs in: where the database is does not change.
func take(given broker.Credentials, cfg *pgx.ConnConfig) error {
	if given.URL != "" {
		fresh, err := pgx.ParseConfig(given.URL)
		if err != nil {
			return maskError(err, given.URL)
		}
		given.User, given.Password = cmp.Or(given.User, fresh.User), cmp.Or(given.Password, fresh.Password)
	}
	cfg.User, cfg.Password = cmp.Or(given.User, cfg.User), cmp.Or(given.Password, cfg.Password)
	return nil
}
