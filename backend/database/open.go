package database

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/umbel-go/umbel/backend"
	"github.com/umbel-go/umbel/broker"
)

func init() {
	backend.Register(openSQLite, "sqlite")
	backend.Register(openPostgres, "postgres", "postgresql")
}

// names are what the tables are called, and what else the options say.
type names struct {
	schema      string // "" is the connection's own search path; PostgreSQL only
	table       string
	connections int // PostgreSQL only
}

// options reads result_backend_transport_options and database_* settings; what means nothing here is refused by name,
// what Celery alone can use is let pass.
//
//	table_prefix     before "results". Defaults to "umbel_"
//	schema           PostgreSQL schema, created when it does not exist
//	max_connections  PostgreSQL connections of this process beside the one that listens. Defaults to 4
func options(c backend.Config, dialect string) (names, error) {
	n := names{table: "umbel_results", connections: 4}
	known := []string{"table_prefix"}
	if dialect == postgresScheme {
		known = append(known, "schema", "max_connections")
	}
	fail := func(format string, args ...any) (names, error) {
		return names{}, fmt.Errorf("open result backend %s: %s", maskURL(c.URL), fmt.Sprintf(format, args...))
	}
	for _, k := range slices.Sorted(maps.Keys(c.Options)) {
		if !slices.Contains(known, k) {
			return fail("result_backend_transport_options: %q means nothing to %s://: known are %s", k, dialect, strings.Join(known, ", "))
		}
		v := c.Options[k]
		switch k {
		case "max_connections":
			i, ok := number(v)
			if !ok || i < 1 || i > 1000 {
				return fail("result_backend_transport_options: max_connections is %v: want a number from 1 to 1000", v)
			}
			n.connections = i
		case "schema":
			s, ok := v.(string)
			if !ok || !identifier.MatchString(s) {
				return fail("result_backend_transport_options: schema is %q: want a name of %s", v, identifierWords)
			}
			n.schema = s
		case "table_prefix":
			s, ok := v.(string)
			if !ok || !identifier.MatchString(s) {
				return fail("result_backend_transport_options: table_prefix is %q: want a name of %s", v, identifierWords)
			}
			n.table = s + "results"
		}
	}
	return n, nil
}

// identifier keeps names far from quoting and from PostgreSQL's limit of 63 bytes, index names included.
var identifier = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,39}$`)

const identifierWords = "at most 40 letters a-z, digits and underscores"

func number(v any) (int, bool) {
	switch v := v.(type) {
	case int:
		return v, true
	case int64:
		return int(v), true
	case float64:
		return int(v), v == float64(int(v))
	}
	return 0, false
}

// expiry is the life of a document in milliseconds, 0 for ever.
func expiry(d time.Duration) int64 {
	if d <= 0 {
		return 0
	}
	return max(d.Milliseconds(), 1)
}

var secrets = regexp.MustCompile(`([?&](?:password|sslpassword)=)[^&#]*`)

// maskURL hides passwords of the authority and of the query.
func maskURL(u string) string { return secrets.ReplaceAllString(broker.MaskURL(u), "${1}**") }

// bounded gives ctx the time that opening may take.
func bounded(ctx context.Context, c backend.Config) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, c.ConnectTimeout, fmt.Errorf("no answer within %v", c.ConnectTimeout))
}
