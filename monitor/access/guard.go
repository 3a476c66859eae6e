package access

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"
)

// A Config says who may come in.
type Config struct {
	Users  []User
	Tokens []Token

	// OIDC is a login at a provider. Defaults to none.
	OIDC *OIDC

	// Anonymous is the role of whoever shows nothing. Defaults to none: they are sent to the login.
	Anonymous Role

	// ReadOnly takes every scope but reading from everyone.
	ReadOnly bool

	// Proxy believes the X-Forwarded-For and X-Forwarded-Proto that a proxy in front of the monitor sets. Flower: xheaders.
	Proxy bool

	// Session is how long a login lasts. Defaults to 12 hours.
	Session time.Duration
}

// Open reports whether anybody may come in without showing something.
func (c *Config) Open() bool { return c.Anonymous != "" }

const (
	cookieName   = "umbel_session"
	sessionsMost = 10_000

	// provenFor is how long a password that was right is not hashed again: clients with basic authentication send it each time.
	provenFor  = 5 * time.Minute
	provenMost = 1000

	// guessesAtOnce bounds the processors that checking passwords takes.
	guessesAtOnce = 2
)

// A Guard knows who makes a request.
type Guard struct {
	config  Config
	users   map[string]*user
	nobody  *secret // checked for names that do not exist, so that they take as long
	key     [32]byte
	guesses chan struct{}
	limit   *limiter

	provider *provider // nil for none

	mu       sync.Mutex // guards what follows
	sessions map[[32]byte]session
	proven   map[[32]byte]time.Time
}

type user struct {
	role Role
	*secret
}

type session struct {
	name  string
	role  Role
	until time.Time
}

// New makes a guard.
func New(c Config) (*Guard, error) {
	c.Session = cmp.Or(c.Session, 12*time.Hour)
	g := &Guard{config: c, users: make(map[string]*user), guesses: make(chan struct{}, guessesAtOnce), limit: newLimiter(),
		sessions: make(map[[32]byte]session), proven: make(map[[32]byte]time.Time),
		nobody: &secret{rounds: rounds, salt: make([]byte, saltBytes), sum: make([]byte, sha256.Size)}}
	_, _ = rand.Read(g.key[:])
	if c.OIDC != nil {
		var err error
		if g.provider, err = newProvider(*c.OIDC); err != nil {
			return nil, err
		}
	}
	for _, u := range c.Users {
		s, err := parseHash(u.Hash)
		if err != nil {
			return nil, fmt.Errorf("user %q: %w", u.Name, err)
		}
		if _, dup := g.users[u.Name]; dup {
			return nil, fmt.Errorf("user %q is named twice", u.Name)
		}
		g.users[u.Name] = &user{u.Role, s}
	}
	return g, nil
}

// Wrap lets requests through that show who makes them, and answers the others by denied (401, 403 or 429).
func (g *Guard) Wrap(next http.Handler, denied func(w http.ResponseWriter, r *http.Request, status int)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p, status := g.who(r)
		if p == nil {
			if status == http.StatusTooManyRequests {
				w.Header().Set("Retry-After", "30")
			}
			denied(w, r, status)
			return
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), personKey{}, p)))
	})
}

func (g *Guard) person(name string, s []Scope, via string) *Person {
	p := &Person{Name: name, Via: via}
	for _, x := range s {
		if x == Read || !g.config.ReadOnly {
			p.Scopes = append(p.Scopes, x)
		}
	}
	return p
}

// who is the person who makes a request, nil with a status for none. Wrong credentials are never taken for none.
func (g *Guard) who(r *http.Request) (*Person, int) {
	if header := r.Header.Get("Authorization"); header != "" {
		if text, ok := cutPrefixFold(header, "Bearer "); ok {
			return g.token(r, text)
		}
		if name, password, ok := r.BasicAuth(); ok {
			role, status := g.check(r, name, password)
			if status != 0 {
				return nil, status
			}
			return g.person(name, role.Scopes(), "password"), 0
		}
		return nil, http.StatusUnauthorized
	}
	if c, err := r.Cookie(cookieName); err == nil {
		if s, ok := g.session(c.Value); ok {
			return g.person(s.name, s.role.Scopes(), "session"), 0
		}
	}
	if g.config.Open() {
		return g.person("anonymous", g.config.Anonymous.Scopes(), "nothing"), 0
	}
	return nil, http.StatusUnauthorized
}

func cutPrefixFold(s, prefix string) (string, bool) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return "", false
	}
	return s[len(prefix):], true
}

func (g *Guard) token(r *http.Request, text string) (*Person, int) {
	if g.limit.blocked(g.Addr(r), time.Now()) {
		return nil, http.StatusTooManyRequests
	}
	sum := sha256.Sum256([]byte(text))
	var found *Token
	for i := range g.config.Tokens { // all of them, so that time tells nothing
		if subtle.ConstantTimeCompare(sum[:], g.config.Tokens[i].Sum[:]) == 1 {
			found = &g.config.Tokens[i]
		}
	}
	if found == nil {
		g.limit.failed(g.Addr(r), time.Now())
		return nil, http.StatusUnauthorized
	}
	return g.person("token "+found.Name, found.Scopes, "token"), 0
}

// check looks at a name and password; status is 0 when they are right.
func (g *Guard) check(r *http.Request, name, password string) (Role, int) {
	addr, now := g.Addr(r), time.Now()
	mac := hmac.New(sha256.New, g.key[:])
	fmt.Fprintf(mac, "%d:%s%s", len(name), name, password)
	proof := [32]byte(mac.Sum(nil))
	u := g.users[name]
	g.mu.Lock()
	until, proven := g.proven[proof]
	g.mu.Unlock()
	if u != nil && proven && now.Before(until) {
		return u.role, 0
	}
	if g.limit.blocked(addr, now) || g.limit.blocked("user "+name, now) {
		return "", http.StatusTooManyRequests
	}
	select {
	case g.guesses <- struct{}{}:
		defer func() { <-g.guesses }()
	case <-r.Context().Done():
		return "", http.StatusUnauthorized
	}
	// Again, now that it is our turn: of a thousand guesses that came at once, all but the first have waited here.
	if now = time.Now(); g.limit.blocked(addr, now) || g.limit.blocked("user "+name, now) {
		return "", http.StatusTooManyRequests
	}
	s := g.nobody
	if u != nil {
		s = u.secret
	}
	if !s.matches(password) || u == nil {
		g.limit.failed(addr, now)
		g.limit.failed("user "+name, now)
		return "", http.StatusUnauthorized
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.proven) >= provenMost {
		clear(g.proven)
	}
	g.proven[proof] = now.Add(provenFor)
	return u.role, 0
}

// Login begins a session for a name and password: its cookie is set. status is 0, or what to answer.
func (g *Guard) Login(w http.ResponseWriter, r *http.Request, name, password string) (status int) {
	role, status := g.check(r, name, password)
	if status != 0 {
		return status
	}
	g.begin(w, r, name, role)
	return 0
}

// begin begins a session: its cookie is set.
func (g *Guard) begin(w http.ResponseWriter, r *http.Request, name string, role Role) {
	text, now := secretText(), time.Now()
	g.mu.Lock()
	for k, s := range g.sessions {
		if now.After(s.until) || len(g.sessions) >= sessionsMost {
			delete(g.sessions, k)
		}
	}
	g.sessions[sha256.Sum256([]byte(text))] = session{name, role, now.Add(g.config.Session)}
	g.mu.Unlock()
	g.cookie(w, r, text, int(g.config.Session.Seconds()))
}

// Logout ends the request's session.
func (g *Guard) Logout(w http.ResponseWriter, r *http.Request) {
	if c, err := r.Cookie(cookieName); err == nil {
		g.mu.Lock()
		delete(g.sessions, sha256.Sum256([]byte(c.Value)))
		g.mu.Unlock()
	}
	g.cookie(w, r, "", -1)
}

func (g *Guard) cookie(w http.ResponseWriter, r *http.Request, value string, age int) {
	http.SetCookie(w, &http.Cookie{Name: cookieName, Value: value, Path: "/", MaxAge: age, HttpOnly: true,
		Secure: g.secure(r), SameSite: http.SameSiteStrictMode})
}

// secure reports whether the browser speaks TLS to us, or to the proxy in front.
func (g *Guard) secure(r *http.Request) bool {
	return r.TLS != nil || g.config.Proxy && r.Header.Get("X-Forwarded-Proto") == "https"
}

func (g *Guard) session(text string) (session, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	s, ok := g.sessions[sha256.Sum256([]byte(text))]
	return s, ok && time.Now().Before(s.until)
}
