package access

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// OIDC is a login at a provider that speaks OpenID Connect. Who may come in is decided by what it says of them, exactly: there
// are no patterns that somebody else's address could fit. Flower: auth_provider, auth.
type OIDC struct {
	// Issuer is the provider's URL, beneath which /.well-known/openid-configuration is. Required.
	Issuer string

	// ClientID and ClientSecret are the monitor's at the provider. Flower: oauth2_key, oauth2_secret.
	ClientID, ClientSecret string

	// RedirectURL is where browsers come back to: https://HOST/PREFIX/login/callback. The provider knows it. Flower:
	// oauth2_redirect_uri.
	RedirectURL string

	// Scopes are asked for besides openid, email and profile.
	Scopes []string

	// Claim says what a person is; a dot leads into an object: realm_access.roles. Defaults to groups.
	Claim string

	// Roles are by the claim's values, compared whole. Of several the highest counts.
	Roles map[string]Role

	// Emails are roles of addresses that the provider has verified. Flower: auth, which takes patterns.
	Emails map[string]Role

	// Everyone is the role of whoever the provider knows. Defaults to none.
	Everyone Role

	// Name is on the button. Defaults to the issuer's host.
	Name string
}

const (
	loginCookie  = "umbel_login"
	loginFor     = 10 * time.Minute // to come back from the provider
	loginsMost   = 10_000
	providerWait = 15 * time.Second

	// claimsMost bounds the name that a provider gives, bytes.
	claimsMost = 200

	// pageMost bounds the address of the page that is asked for, bytes.
	pageMost = 2000
)

// ErrLogin: the provider's login is not one that is let in; its text may be shown.
var ErrLogin = errors.New("login refused")

// A provider is an OIDC in use. It is found when the first person logs in, so that a monitor starts while it is away.
type provider struct {
	config OIDC
	client *http.Client

	mu       sync.Mutex // guards what follows
	found    *oidc.Provider
	attempts map[[32]byte]attempt // by the SHA-256 of the browser's cookie
}

type attempt struct {
	state, nonce, verifier string
	to                     string // the page that was asked for; "" for the first
	until                  time.Time
}

func newProvider(c OIDC) (*provider, error) {
	u, err := url.Parse(c.Issuer)
	if err != nil || u.Host == "" || u.Scheme != "https" && !(u.Scheme == "http" && isLoopback(u.Host)) {
		return nil, fmt.Errorf("OIDC issuer %q: want the https:// URL of the provider", c.Issuer)
	}
	back, err := url.Parse(c.RedirectURL)
	if err != nil || back.Host == "" || !strings.HasSuffix(back.Path, "/login/callback") {
		return nil, fmt.Errorf("OIDC redirect URL %q: want the address that browsers see, https://HOST/PREFIX/login/callback", c.RedirectURL)
	}
	if c.ClientID == "" {
		return nil, errors.New("OIDC: the client's id is missing")
	}
	if len(c.Roles) == 0 && len(c.Emails) == 0 && c.Everyone == "" {
		return nil, errors.New("OIDC: nobody has a role: map values of the claim, or addresses, to roles")
	}
	c.Claim, c.Name = cmp.Or(c.Claim, "groups"), cmp.Or(c.Name, u.Host)
	return &provider{config: c, client: &http.Client{Timeout: providerWait}, attempts: make(map[[32]byte]attempt)}, nil
}

// provider finds out where the provider's pages and keys are.
func (p *provider) discover(ctx context.Context) (*oidc.Provider, *oauth2.Config, error) {
	p.mu.Lock()
	found := p.found
	p.mu.Unlock()
	if found == nil {
		var err error
		// The keys are read again as they change, long after this request.
		if found, err = oidc.NewProvider(oidc.ClientContext(context.WithoutCancel(ctx), p.client), p.config.Issuer); err != nil {
			return nil, nil, fmt.Errorf("find the login's provider: %w", err)
		}
		p.mu.Lock()
		p.found = found
		p.mu.Unlock()
	}
	return found, &oauth2.Config{ClientID: p.config.ClientID, ClientSecret: p.config.ClientSecret, RedirectURL: p.config.RedirectURL, Endpoint: found.Endpoint(),
		Scopes: append([]string{oidc.ScopeOpenID, "email", "profile"}, p.config.Scopes...)}, nil
}

func secretText() string {
	raw := make([]byte, 32)
	_, _ = rand.Read(raw) // never fails
	return base64.RawURLEncoding.EncodeToString(raw)
}

// Provider is the name of the login's provider; "" when there is none.
func (g *Guard) Provider() string {
	if g.provider == nil {
		return ""
	}
	return g.provider.config.Name
}

// Passwords reports whether somebody can log in by a password.
func (g *Guard) Passwords() bool { return len(g.config.Users) > 0 }

// Depart sends a browser to the provider's login. The page that it asks for by the parameter to is where it arrives.
func (g *Guard) Depart(w http.ResponseWriter, r *http.Request) error {
	p := g.provider
	if p == nil {
		return fmt.Errorf("%w: there is no provider", ErrLogin)
	}
	_, c, err := p.discover(r.Context())
	if err != nil {
		return err
	}
	a := attempt{state: secretText(), nonce: secretText(), verifier: oauth2.GenerateVerifier(), to: here(r.URL.Query().Get("to")), until: time.Now().Add(loginFor)}
	text := secretText()
	p.mu.Lock()
	now := time.Now()
	for k, old := range p.attempts {
		if now.After(old.until) || len(p.attempts) >= loginsMost {
			delete(p.attempts, k)
		}
	}
	p.attempts[sha256.Sum256([]byte(text))] = a
	p.mu.Unlock()
	// Lax: the browser has to bring it back from another site.
	http.SetCookie(w, &http.Cookie{Name: loginCookie, Value: text, Path: "/", MaxAge: int(loginFor.Seconds()), HttpOnly: true, Secure: g.secure(r), SameSite: http.SameSiteLaxMode})
	http.Redirect(w, r, c.AuthCodeURL(a.state, oidc.Nonce(a.nonce), oauth2.S256ChallengeOption(a.verifier)), http.StatusFound)
	return nil
}

// here is an address of ours, or "": a login is no way to send somebody elsewhere. Browsers drop blanks and tabs from addresses, and
// take \\ for /.
func here(to string) string {
	u, err := url.Parse(to)
	if err != nil || u.IsAbs() || u.Host != "" || len(to) > pageMost || !strings.HasPrefix(to, "/") || strings.HasPrefix(to, "//") ||
		strings.ContainsFunc(to, func(r rune) bool { return r <= ' ' || r == 0x7f || r == '\\' }) {
		return ""
	}
	return to
}

// Arrive takes a browser that comes back from the provider, and begins its session. name is who it is, as far as that is known, to the
// page that it asked for. An ErrLogin may be shown; other errors are the provider's or the network's.
func (g *Guard) Arrive(w http.ResponseWriter, r *http.Request) (name, to string, err error) {
	p := g.provider
	if p == nil {
		return "", "", fmt.Errorf("%w: there is no provider", ErrLogin)
	}
	if g.limit.blocked(g.Addr(r), time.Now()) {
		return "", "", fmt.Errorf("%w: too many attempts, wait a few minutes", ErrLogin)
	}
	defer func() {
		if errors.Is(err, ErrLogin) {
			g.limit.failed(g.Addr(r), time.Now())
		}
	}()
	a, ok := p.attempt(r)
	http.SetCookie(w, &http.Cookie{Name: loginCookie, Path: "/", MaxAge: -1, HttpOnly: true, Secure: g.secure(r), SameSite: http.SameSiteLaxMode})
	q := r.URL.Query()
	switch {
	case !ok || subtle.ConstantTimeCompare([]byte(q.Get("state")), []byte(a.state)) != 1:
		return "", "", fmt.Errorf("%w: this browser did not begin it, or too long ago", ErrLogin)
	case q.Get("error") != "":
		return "", "", fmt.Errorf("%w: the provider says %q", ErrLogin, q.Get("error"))
	}
	found, c, err := p.discover(r.Context())
	if err != nil {
		return "", "", err
	}
	ctx, cancel := context.WithTimeout(oidc.ClientContext(r.Context(), p.client), providerWait)
	defer cancel()
	token, err := c.Exchange(ctx, q.Get("code"), oauth2.VerifierOption(a.verifier))
	if err != nil {
		return "", "", fmt.Errorf("%w: the provider does not take the code", ErrLogin)
	}
	raw, _ := token.Extra("id_token").(string)
	id, err := found.VerifierContext(oidc.ClientContext(context.WithoutCancel(ctx), p.client), &oidc.Config{ClientID: p.config.ClientID}).Verify(ctx, raw)
	if err != nil {
		return "", "", fmt.Errorf("%w: the provider's token is not valid", ErrLogin)
	}
	if subtle.ConstantTimeCompare([]byte(id.Nonce), []byte(a.nonce)) != 1 {
		return "", "", fmt.Errorf("%w: the provider's token is for another login", ErrLogin)
	}
	var claims map[string]any
	if err := id.Claims(&claims); err != nil {
		return "", "", fmt.Errorf("%w: the provider's token cannot be read", ErrLogin)
	}
	name = who(id.Subject, claims)
	role := p.config.role(claims)
	if role == "" {
		return name, "", fmt.Errorf("%w: %s has no role here", ErrLogin, name)
	}
	g.begin(w, r, name, role)
	return name, a.to, nil
}

// attempt is the login that this browser began; it is used up.
func (p *provider) attempt(r *http.Request) (attempt, bool) {
	c, err := r.Cookie(loginCookie)
	if err != nil {
		return attempt{}, false
	}
	key := sha256.Sum256([]byte(c.Value))
	p.mu.Lock()
	defer p.mu.Unlock()
	a, ok := p.attempts[key]
	delete(p.attempts, key)
	return a, ok && time.Now().Before(a.until)
}

// who names a person for the audit log: an address only when the provider has verified it.
func who(subject string, claims map[string]any) string {
	name, _ := claims["preferred_username"].(string)
	if email := verified(claims); email != "" {
		name = email
	}
	name = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, cmp.Or(name, subject))
	if len(name) > claimsMost {
		name = strings.ToValidUTF8(name[:claimsMost], "")
	}
	return name
}

// verified is the address that the provider has verified.
func verified(claims map[string]any) string {
	if is, _ := claims["email_verified"].(bool); !is {
		return ""
	}
	email, _ := claims["email"].(string)
	return email
}

// role is the highest that what the provider says gives.
func (c *OIDC) role(claims map[string]any) Role {
	roles := []Role{c.Everyone}
	for _, v := range values(claims, c.Claim) {
		roles = append(roles, c.Roles[v])
	}
	if email := verified(claims); email != "" {
		for address, role := range c.Emails {
			if strings.EqualFold(address, email) {
				roles = append(roles, role)
			}
		}
	}
	return slices.MaxFunc(roles, func(a, b Role) int { return len(a.Scopes()) - len(b.Scopes()) })
}

// values are the texts of a claim: of a list, or the one.
func values(claims map[string]any, path string) (out []string) {
	v := any(claims)
	if whole, ok := claims[path]; ok { // names may hold dots: https://example.org/roles
		v = whole
	} else {
		for part := range strings.SplitSeq(path, ".") {
			m, _ := v.(map[string]any)
			v = m[part]
		}
	}
	switch v := v.(type) {
	case string:
		out = append(out, v)
	case bool, json.Number, float64:
		out = append(out, fmt.Sprint(v))
	case []any:
		for _, x := range v {
			if s, ok := x.(string); ok {
				out = append(out, s)
			}
		}
	}
	return out
}
