package management

import (
	"context"
	"fmt"
	"net/url"
	"sync"

	"github.com/umbel-go/umbel/secret"
)

// Open is New for a URL that may name a secret (package secret): it is read, and user and password are read again when the API
// refuses them. The host stays.
func Open(ctx context.Context, c Config) (*Client, error) {
	from := c.URL
	var err error
	if c.URL, err = secret.Read(ctx, from); err != nil {
		return nil, err
	}
	m, err := New(c)
	if err != nil {
		if secret.Is(from) {
			err = fmt.Errorf("%s: %w", from, err)
		}
		return nil, err
	}
	if secret.Is(from) {
		m.login.from, m.login.held = from, c.URL
	}
	return m, nil
}

// A login is who asks, by which password.
type login struct {
	from string // the secret that holds the URL; "" for none

	mu             sync.Mutex
	user, password string
	held           string // the URL as it was read last
}

// take is the user of a URL, else the other one, else RabbitMQ's guest.
func (l *login) take(of *url.Userinfo, user, password string) {
	l.user, l.password = user, password
	if of != nil {
		l.user = of.Username()
		l.password, _ = of.Password()
	}
	if l.user == "" {
		l.user, l.password = "guest", "guest"
	}
}

func (l *login) get() (user, password string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.user, l.password
}

// renew reads the secret anew because a password was refused, and tells whether there is another to try.
func (l *login) renew(ctx context.Context, refused string) bool {
	if l.from == "" {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.password != refused {
		return true // somebody else has done it
	}
	text, err := secret.Again(ctx, l.from, l.held)
	if err != nil {
		return false // the refusal says more to whoever asked
	}
	u, err := url.Parse(text)
	if err != nil || u.User == nil {
		return false
	}
	l.held = text
	l.take(u.User, "", "")
	return l.password != refused
}
