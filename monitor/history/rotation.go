package history

import (
	"context"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/umbel-go/umbel/secret"
)

// rotate has every connection of a pool log in as the secret kept says by then. url is what it said first. The pool does not tell why
// a connection was not made, so that after one that was not the secret is read anew.
func rotate(c *pgxpool.Config, kept, url string) {
	var mu sync.Mutex
	latest, failed := url, false
	c.BeforeConnect = func(ctx context.Context, to *pgx.ConnConfig) error {
		mu.Lock()
		defer mu.Unlock()
		read := func() (string, error) { return secret.Read(ctx, kept) }
		if failed {
			read = func() (string, error) { return secret.Again(ctx, kept, latest) }
		}
		text, err := read()
		if err != nil {
			return err
		}
		latest, failed = text, true // until it is made
		now, err := pgx.ParseConfig(text)
		if err != nil {
			return err // pgx hides the password
		}
		to.User, to.Password = now.User, now.Password
		return nil
	}
	c.AfterConnect = func(context.Context, *pgx.Conn) error {
		mu.Lock()
		defer mu.Unlock()
		failed = false
		return nil
	}
}
