// Package access decides who may do what with the monitor: people with passwords and sessions, programs with tokens, and what
// a browser must not be tricked into.
//
//	request ─ Harden (headers, host, origin, size) ─ Guard.Wrap (who is it?) ─ Need (may they?) ─► handler
package access

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// A Scope is something that may be done.
type Scope string

// Scopes.
const (
	Read    Scope = "read"    // see everything but the audit log
	Tasks   Scope = "tasks"   // send, revoke and retry tasks
	Workers Scope = "workers" // pools, consumers, rate and time limits
	Admin   Scope = "admin"   // stop workers, purge queues, read the audit log
)

var scopes = []Scope{Read, Tasks, Workers, Admin}

// A Role is the scopes of a kind of person.
type Role string

// Roles.
const (
	Viewer   Role = "viewer"   // reads
	Operator Role = "operator" // also acts on tasks and workers
	Owner    Role = "admin"    // may do everything
)

// Scopes are what a role may do.
func (r Role) Scopes() []Scope {
	switch r {
	case Viewer:
		return []Scope{Read}
	case Operator:
		return []Scope{Read, Tasks, Workers}
	case Owner:
		return scopes
	}
	return nil
}

// ParseRole reads a role's name.
func ParseRole(text string) (Role, error) {
	if r := Role(text); r.Scopes() != nil {
		return r, nil
	}
	return "", fmt.Errorf("role %q is none of viewer, operator and admin", text)
}

func parseScopes(text string) ([]Scope, error) {
	var out []Scope
	for part := range strings.SplitSeq(text, ",") {
		s := Scope(strings.TrimSpace(part))
		if !slices.Contains(scopes, s) {
			return nil, fmt.Errorf("scope %q is none of read, tasks, workers and admin", s)
		}
		out = append(out, s)
	}
	return out, nil
}

// A Person is who makes a request: a person, or a program with a token.
type Person struct {
	Name   string
	Scopes []Scope
	Via    string // "password", "session", "token" or "nothing": nobody has asked
}

// May reports whether the person may do something.
func (p *Person) May(s Scope) bool { return slices.Contains(p.Scopes, s) }

type personKey struct{}

// From is the person of a request that a Guard has let in; nil for none.
func From(ctx context.Context) *Person {
	p, _ := ctx.Value(personKey{}).(*Person)
	return p
}
