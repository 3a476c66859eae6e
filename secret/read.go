package secret

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"
)

// Timeout bounds one look at a store, credentials and repetitions included.
const Timeout = 10 * time.Second

// A Driver reads the whole text of a secret from its store. It is called with a context that ends within Timeout, and at most once
// at a time for one secret. Its errors do not hold what it has read.
type Driver func(ctx context.Context, r Reference) (string, error)

var drivers struct {
	sync.Mutex
	m map[string]Driver
}

// Register makes a driver known under schemes; drivers call it from init.
func Register(d Driver, schemes ...string) {
	drivers.Lock()
	defer drivers.Unlock()
	if drivers.m == nil {
		drivers.m = make(map[string]Driver)
	}
	for _, s := range schemes {
		drivers.m[s] = d
	}
}

// Read returns the secret that text names, and text itself if it names none. A secret that is a JSON object has to be asked for
// one of its keys.
func Read(ctx context.Context, text string) (string, error) {
	return read(ctx, text, func(string) bool { return false })
}

// Again is Read for somebody whom it gave stale, and who was refused with that: the store is asked anew unless somebody else has
// done so meanwhile.
func Again(ctx context.Context, text, stale string) (string, error) {
	return read(ctx, text, func(value string) bool { return value == stale })
}

// Whole is Read for somebody who takes a JSON object apart by himself: it returns the secret with all its keys unless one is named.
// With refused it asks the store anew.
func Whole(ctx context.Context, text string, refused bool) (string, error) {
	if !Is(text) {
		return text, nil
	}
	r, err := Parse(text)
	if err != nil {
		return "", fmt.Errorf("secret: %w", err)
	}
	var out string
	err = look(ctx, r, func(whole string) (bool, error) {
		out = whole
		if r.Key == "" {
			return refused, nil
		}
		var err error
		out, err = pick(whole, r.Key)
		return refused, err
	})
	return out, err
}

func read(ctx context.Context, text string, old func(value string) bool) (value string, err error) {
	if !Is(text) {
		return text, nil
	}
	r, err := Parse(text)
	if err != nil {
		return "", fmt.Errorf("secret: %w", err)
	}
	err = look(ctx, r, func(whole string) (bool, error) {
		value, err = pick(whole, r.Key)
		return err == nil && old(value), err
	})
	return value, err
}

// A copied secret is what a store has told of one secret.
type copied struct {
	turn  chan struct{} // cap 1: held by whoever reads the store or what is kept
	known bool
	text  string
}

var copies struct {
	sync.Mutex
	m map[string]*copied // by the reference without its key
}

// look hands what is kept of a secret to take, and what the store says where nothing is kept or take finds it old.
func look(ctx context.Context, r Reference, take func(whole string) (old bool, err error)) error {
	c := r.copied()
	select {
	case c.turn <- struct{}{}:
	case <-ctx.Done():
		return fmt.Errorf("secret %s: another goroutine reads it: %w", r, context.Cause(ctx))
	}
	defer func() { <-c.turn }()
	if c.known {
		// A copy that does not hold what is asked for (a key that was added since) is as good as an old one.
		if old, err := take(c.text); err == nil && !old {
			return nil
		}
	}
	text, err := r.fetch(ctx)
	if err == nil {
		if r.Scheme != "file" {
			c.text, c.known = text, true
		}
		_, err = take(text)
	}
	if err != nil {
		return fmt.Errorf("secret %s: %w", r, err)
	}
	return nil
}

func (r Reference) copied() *copied {
	copies.Lock()
	defer copies.Unlock()
	if copies.m == nil {
		copies.m = make(map[string]*copied)
	}
	c := copies.m[r.whole()]
	if c == nil {
		c = &copied{turn: make(chan struct{}, 1)}
		copies.m[r.whole()] = c
	}
	return c
}

// fetch asks the store.
func (r Reference) fetch(ctx context.Context) (string, error) {
	if r.Scheme == "file" {
		return readFile(r.Name)
	}
	drivers.Lock()
	d := drivers.m[r.Scheme]
	drivers.Unlock()
	if d == nil {
		return "", fmt.Errorf("%s is not compiled in: import _ %q", r.Scheme, schemes[r.Scheme])
	}
	ctx, cancel := context.WithTimeoutCause(ctx, Timeout, fmt.Errorf("no answer within %v", Timeout))
	defer cancel()
	text, err := d(ctx, r)
	if err != nil && ctx.Err() != nil {
		return "", fmt.Errorf("%w: %w", context.Cause(ctx), err)
	}
	if err == nil && text == "" {
		return "", errEmpty
	}
	return text, err
}

// Schemes are those that a text may begin with to name a secret.
func Schemes() []string {
	var out []string
	for s := range schemes {
		out = append(out, s)
	}
	slices.Sort(out)
	return out
}
