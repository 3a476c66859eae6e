package resultstore

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/umbel-go/umbel/backend"
)

// An Examiner looks into the store of c.URL. The error says why nothing could be learnt: it cannot be reached, or does not let us
// in; it tells no secret.
type Examiner func(ctx context.Context, c backend.Config) (*Store, error)

var examiners struct {
	sync.Mutex
	m map[string]Examiner
}

// Register makes an examiner known under URL schemes; drivers call it from init.
func Register(e Examiner, schemes ...string) {
	examiners.Lock()
	defer examiners.Unlock()
	if examiners.m == nil {
		examiners.m = make(map[string]Examiner)
	}
	for _, s := range schemes {
		examiners.m[s] = e
	}
}

// An UnknownError says that there is no examiner for a URL.
type UnknownError struct{ Scheme string }

func (e *UnknownError) Error() string {
	if e.Scheme == "" {
		return "the result store is no URL: it has no scheme such as redis:// or postgres://"
	}
	return fmt.Sprintf("a result store of %s:// cannot be looked into: only Redis, PostgreSQL and SQLite can", e.Scheme)
}

// Examine looks into the store of c.URL.
func Examine(ctx context.Context, c backend.Config) (*Store, error) {
	c = c.WithDefaults()
	scheme, _, ok := strings.Cut(c.URL, "://")
	if !ok {
		return nil, &UnknownError{} // which may be a password
	}
	scheme = strings.ToLower(scheme)
	examiners.Lock()
	e := examiners.m[scheme]
	examiners.Unlock()
	if e == nil {
		return nil, &UnknownError{Scheme: scheme}
	}
	return e(ctx, c)
}
