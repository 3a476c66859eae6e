package database

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// An OpenError says which database could not be opened, why, and what to do.
type OpenError struct {
	URL  string // masked
	Op   string // what was attempted: "read the URL", "resolve", "connect", "authenticate", "open database", "create tables" …
	Err  error
	Hint string
}

func (e *OpenError) Error() string {
	s := fmt.Sprintf("open result backend %s: %s: %v", e.URL, e.Op, e.Err)
	if e.Hint != "" {
		s += ": " + e.Hint
	}
	return s
}

func (e *OpenError) Unwrap() error { return e.Err }

// openError tells the ways of failing apart that have cures of their own.
func openError(ctx context.Context, url string, cfg *pgx.ConnConfig, err error) error {
	e := &OpenError{URL: url, Op: "connect", Err: root(err)}
	if ctx.Err() != nil {
		e.Err = context.Cause(ctx)
		e.Hint = fmt.Sprintf("is %s:%d right, and does a firewall let this host through?", cfg.Host, cfg.Port)
		return e
	}
	var dns *net.DNSError
	var op *net.OpError
	var pg *pgconn.PgError
	switch {
	case errors.As(err, &pg):
		e.Err = fmt.Errorf("%s (SQLSTATE %s)", pg.Message, pg.Code)
		switch {
		case pg.Code == "28P01":
			e.Op, e.Hint = "authenticate", fmt.Sprintf("the password of user %q is not right", cfg.User)
		case strings.HasPrefix(pg.Code, "28"):
			e.Op, e.Hint = "authenticate", fmt.Sprintf("pg_hba.conf must let user %q in from this host, and sslmode must be what it asks for", cfg.User)
		case pg.Code == "3D000":
			e.Op, e.Hint = "open database", fmt.Sprintf("create it with: createdb %s", cfg.Database)
		case pg.Code == "53300":
			e.Hint = "raise the server's max_connections, or use fewer: max_connections in result_backend_transport_options"
		case pg.Code == "25006":
			e.Op, e.Hint = "create tables", "this server or user may only read: connect to the primary, with target_session_attrs=read-write in the URL"
		case pg.Code == "42501":
			e.Op, e.Hint = "create tables", fmt.Sprintf("grant user %q the right to create tables in the schema, or name one of its own by the option schema", cfg.User)
		case pg.Code == "42P07":
			e.Op, e.Hint = "create tables", "a table of that name exists and is not Umbel's: choose another table_prefix or schema"
		default:
			e.Op = "prepare tables"
		}
	case errors.As(err, &dns):
		e.Op, e.Err, e.Hint = "resolve", fmt.Errorf("host %q: %s", dns.Name, dns.Err), "is the host name right?"
	case strings.Contains(err.Error(), "server refused TLS"):
		e.Op, e.Hint = "tls handshake", "the server does not speak TLS: sslmode=disable in the URL goes without, where the network is safe"
	case strings.Contains(err.Error(), "tls:") || strings.Contains(err.Error(), "x509:"):
		e.Op, e.Hint = "tls handshake", "sslrootcert in the URL names the CA's certificate; the host must be the one the certificate is for"
	case errors.As(err, &op):
		e.Hint = fmt.Sprintf("is PostgreSQL running, and listening on %s:%d?", cfg.Host, cfg.Port)
	}
	return e
}

// root leaves out what pgx says of every attempt to connect, which names user and host again, and makes one line of
// several attempts: each address, with TLS and without.
func root(err error) error {
	var c *pgconn.ConnectError
	if errors.As(err, &c) {
		if inner := c.Unwrap(); inner != nil {
			err = inner
		}
	}
	lines := strings.Split(err.Error(), "\n")
	if len(lines) == 1 {
		return err
	}
	slices.Sort(lines)
	return errors.New(strings.Join(slices.Compact(lines), "; "))
}

// maskError hides the URL where an error quotes it.
func maskError(err error, url string) error {
	return errors.New(strings.ReplaceAll(err.Error(), url, maskURL(url)))
}
