package monitor_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/umbel-go/umbel/monitor"
	"github.com/umbel-go/umbel/monitor/access"
)

// An idp is an OpenID Connect provider: discovery, keys, the login's page (which asks nothing, unless it knows people), and tokens,
// which it signs. What it is told to do wrong, it does.
type idp struct {
	t      *testing.T
	server *httptest.Server
	issuer string
	key    *rsa.PrivateKey
	people map[string]map[string]any // claims by name; nil: whoever comes has claims

	mu     sync.Mutex // guards what follows
	claims map[string]any
	wrong  string
	codes  map[string]url.Values // the request of each code
}

func newIDP(t *testing.T) *idp {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	p := &idp{t: t, key: key, codes: make(map[string]url.Values)}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		at := p.issuer
		p.reply(w, map[string]any{"issuer": at, "authorization_endpoint": at + "/authorize", "token_endpoint": at + "/token", "jwks_uri": at + "/keys",
			"response_types_supported": []string{"code"}, "subject_types_supported": []string{"public"}, "id_token_signing_alg_values_supported": []string{"RS256"}})
	})
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, _ *http.Request) {
		p.reply(w, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: &p.key.PublicKey, KeyID: "k1", Algorithm: "RS256", Use: "sig"}}})
	})
	mux.HandleFunc("GET /authorize", p.authorize)
	mux.HandleFunc("POST /token", p.token)
	mux.HandleFunc("POST /authorize", p.authorize)
	p.server = httptest.NewServer(mux)
	p.issuer = p.server.URL
	t.Cleanup(p.server.Close)
	return p
}

func (p *idp) reply(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

func (p *idp) authorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if q.Get("client_id") != "umbel" || q.Get("response_type") != "code" || q.Get("code_challenge_method") != "S256" || !strings.Contains(q.Get("scope"), "openid") || q.Get("nonce") == "" {
		p.t.Errorf("a browser was sent with %v", q)
	}
	who := r.PostFormValue("name")
	if p.people != nil && p.people[who] == nil {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprintf(w, "<!doctype html><title>Example ID</title><h1>Who are you?</h1><form method=post action=\"/authorize?%s\"><input name=name><button>Continue</button></form>", html.EscapeString(r.URL.RawQuery))
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	code := fmt.Sprint("code-", len(p.codes))
	p.codes[code] = q
	if p.people != nil {
		p.claims = p.people[who]
	}
	back, _ := url.Parse(q.Get("redirect_uri"))
	answer := url.Values{"code": {code}, "state": {q.Get("state")}}
	switch p.wrong {
	case "denied":
		answer = url.Values{"error": {"access_denied"}, "state": {q.Get("state")}}
	case "state":
		answer.Set("state", "forged")
	case "code":
		answer.Set("code", "forged")
	}
	back.RawQuery = answer.Encode()
	http.Redirect(w, r, back.String(), http.StatusFound)
}

func (p *idp) token(w http.ResponseWriter, r *http.Request) {
	id, secret, _ := r.BasicAuth()
	secret, _ = url.QueryUnescape(secret) // RFC 6749, 2.3.1
	p.mu.Lock()
	defer p.mu.Unlock()
	q, ok := p.codes[r.FormValue("code")]
	delete(p.codes, r.FormValue("code"))
	sum := sha256.Sum256([]byte(r.FormValue("code_verifier")))
	if !ok || id != "umbel" || secret != "client's secret" || q.Get("code_challenge") != base64.RawURLEncoding.EncodeToString(sum[:]) || r.FormValue("redirect_uri") != q.Get("redirect_uri") {
		w.WriteHeader(http.StatusBadRequest)
		p.reply(w, map[string]string{"error": "invalid_grant"})
		return
	}
	claims := map[string]any{"iss": p.issuer, "aud": "umbel", "sub": "subject-7", "nonce": q.Get("nonce"), "iat": time.Now().Unix(), "exp": time.Now().Add(time.Hour).Unix()}
	for k, v := range p.claims {
		claims[k] = v
	}
	key := p.key
	switch p.wrong {
	case "nonce":
		claims["nonce"] = "another login's"
	case "audience":
		claims["aud"] = "another client"
	case "issuer":
		claims["iss"] = "https://evil.example"
	case "expired":
		claims["exp"] = time.Now().Add(-time.Hour).Unix()
	case "signature":
		key, _ = rsa.GenerateKey(rand.Reader, 2048)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: key, KeyID: "k1"}}, nil)
	if err != nil {
		p.t.Error(err)
		return
	}
	text, _ := json.Marshal(claims)
	signed, err := signer.Sign(text)
	if err != nil {
		p.t.Error(err)
		return
	}
	compact, _ := signed.CompactSerialize()
	if p.wrong == "unsigned" {
		part := base64.RawURLEncoding.EncodeToString
		compact = part([]byte(`{"alg":"none"}`)) + "." + part(text) + "."
	}
	p.reply(w, map[string]any{"access_token": "a", "token_type": "Bearer", "expires_in": 3600, "id_token": compact})
}

func (p *idp) say(wrong string, claims map[string]any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wrong, p.claims = wrong, claims
}

// withOIDC starts a monitor behind the provider. Its own address is known only once it listens: the client puts it in.
func withOIDC(t *testing.T, p *idp, c access.OIDC) *rig {
	t.Helper()
	c.Issuer, c.ClientID, c.ClientSecret, c.RedirectURL = p.issuer, "umbel", "client's secret", "http://monitor.invalid/login/callback"
	return start(t, monitor.Config{Access: access.Config{OIDC: &c, Users: users[:1]}})
}

// A visitor is a browser that keeps cookies and follows where it is sent.
type visitor struct {
	r      *rig
	client *http.Client
}

func (r *rig) visit() *visitor {
	jar, _ := cookiejar.New(nil)
	transport := &http.Transport{}
	r.t.Cleanup(transport.CloseIdleConnections)
	base, _ := url.Parse(r.url)
	return &visitor{r, &http.Client{Jar: jar, Timeout: patience, Transport: roundTrip(func(req *http.Request) (*http.Response, error) {
		if req.URL.Host == "monitor.invalid" {
			req.URL.Host = base.Host
			req.Host = base.Host
			for _, c := range jar.Cookies(base) {
				if _, err := req.Cookie(c.Name); err != nil {
					req.AddCookie(c)
				}
			}
		}
		resp, err := transport.RoundTrip(req)
		if err == nil && req.URL.Host == base.Host {
			jar.SetCookies(base, resp.Cookies())
		}
		return resp, err
	})}}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// enter goes through the login, and returns where it ends.
func (v *visitor) enter() *url.URL {
	v.r.t.Helper()
	resp, err := v.client.Get(v.r.url + "/login/oidc")
	if err != nil {
		v.r.t.Fatal(err)
	}
	resp.Body.Close()
	return resp.Request.URL
}

func (v *visitor) me() (name string, scopes []string, status int) {
	v.r.t.Helper()
	resp, err := v.client.Get(v.r.url + "/api/v1/me")
	if err != nil {
		v.r.t.Fatal(err)
	}
	defer resp.Body.Close()
	var me struct {
		Name   string
		Scopes []string
	}
	_ = json.NewDecoder(resp.Body).Decode(&me)
	return me.Name, me.Scopes, resp.StatusCode
}

func TestALoginAtAProviderGivesTheRoleOfItsClaims(t *testing.T) {
	t.Parallel()
	p := newIDP(t)
	r := withOIDC(t, p, access.OIDC{Claim: "realm_access.roles", Roles: map[string]access.Role{"ops": access.Operator, "ops-lead": access.Owner, "staff": access.Viewer},
		Emails: map[string]access.Role{"boss@example.org": access.Owner}})
	roles := func(names ...string) map[string]any {
		return map[string]any{"preferred_username": "ann", "realm_access": map[string]any{"roles": names}}
	}
	for what, c := range map[string]struct {
		claims map[string]any
		name   string
		scopes int // 0: refused
	}{
		"one role":                        {roles("ops"), "ann", 3},
		"the highest of several":          {roles("staff", "ops-lead", "ops"), "ann", 4},
		"a role that nobody knows":        {roles("oops"), "", 0},
		"a role whose name begins so":     {roles("ops-lead-intern", "xops"), "", 0},
		"no claim at all":                 {map[string]any{}, "", 0},
		"a claim of another shape":        {map[string]any{"realm_access": "ops"}, "", 0},
		"a verified address":              {map[string]any{"email": "Boss@example.org", "email_verified": true}, "Boss@example.org", 4},
		"an address that is not verified": {map[string]any{"email": "boss@example.org", "email_verified": false}, "", 0},
		"verified as text":                {map[string]any{"email": "boss@example.org", "email_verified": "true"}, "", 0},
		"an address that holds it":        {map[string]any{"email": "boss@example.org.evil.example", "email_verified": true}, "", 0},
		"an address that ends so":         {map[string]any{"email": "evil-boss@example.org", "email_verified": true}, "", 0},
	} {
		p.say("", c.claims)
		v := r.visit()
		at := v.enter()
		name, scopes, status := v.me()
		if c.scopes == 0 {
			if status != http.StatusUnauthorized || at.Path != "/login" || at.Query().Get("refused") == "" {
				t.Errorf("%s: it came to %s and is %q with %v", what, at, name, scopes)
			}
			continue
		}
		if status != 200 || name != c.name || len(scopes) != c.scopes || at.Path != "/" {
			t.Errorf("%s: %d, it came to %s and is %q with %v", what, status, at, name, scopes)
		}
	}
	var acts struct {
		Acts []struct{ Who, Action, Outcome string }
	}
	r.send("GET", "/api/v1/audit?limit=500", nil, as("ann", "ann's password")).into(t, &acts)
	done, refused := 0, 0
	for _, a := range acts.Acts {
		if a.Action == "login" && a.Outcome == "done" {
			done++
		} else if a.Action == "login" && strings.HasPrefix(a.Outcome, "refused") {
			refused++
		}
	}
	if done != 3 || refused != 8 {
		t.Errorf("%d logins and %d refusals are written down: %+v", done, refused, acts.Acts)
	}
}

func TestAProvidersAnswerThatIsForgedIsRefused(t *testing.T) {
	t.Parallel()
	for _, wrong := range []string{"denied", "state", "code", "nonce", "audience", "issuer", "expired", "signature", "unsigned"} {
		t.Run(wrong, func(t *testing.T) {
			t.Parallel()
			p := newIDP(t)
			r := withOIDC(t, p, access.OIDC{Everyone: access.Owner})
			p.say(wrong, nil)
			v := r.visit()
			at := v.enter()
			if _, _, status := v.me(); status != http.StatusUnauthorized || at.Path != "/login" {
				t.Errorf("it is let in: %d, %s", status, at)
			}
			p.say("", nil)
			v.enter()
			if name, _, status := v.me(); status != 200 || name != "subject-7" {
				t.Errorf("the right answer: %d %s", status, name)
			}
		})
	}
}

// Who did not begin a login cannot end it: the answer of another browser's is of no use.
func TestALoginEndsInTheBrowserThatBeganIt(t *testing.T) {
	t.Parallel()
	p := newIDP(t)
	r := withOIDC(t, p, access.OIDC{Everyone: access.Owner})
	attacker := r.visit()
	stop := fmt.Errorf("stop here")
	var answer string
	attacker.client.CheckRedirect = func(req *http.Request, _ []*http.Request) error {
		if req.URL.Path == "/login/callback" {
			answer = req.URL.RequestURI()
			return stop
		}
		return nil
	}
	_, _ = attacker.client.Get(r.url + "/login/oidc")
	if answer == "" {
		t.Fatal("the provider did not send it back")
	}
	victim := r.visit()
	resp, err := victim.client.Get(r.url + answer)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if _, _, status := victim.me(); status != http.StatusUnauthorized {
		t.Errorf("the victim is logged in as the attacker: %d", status)
	}
	attacker.client.CheckRedirect = nil
	resp, err = attacker.client.Get(r.url + answer)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if _, _, status := attacker.me(); status != 200 {
		t.Errorf("who began it: %d", status)
	}
	resp, err = attacker.client.Get(r.url + answer) // once more
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.Request.URL.Path != "/login" {
		t.Errorf("an answer is taken twice: %s", resp.Request.URL)
	}
}

// A login leads to the page that was asked for, and never elsewhere.
func TestALoginLeadsNowhereElse(t *testing.T) {
	t.Parallel()
	p := newIDP(t)
	r := withOIDC(t, p, access.OIDC{Everyone: access.Viewer})
	for to, want := range map[string]string{"/schedule/a%20b?edit=1": "/schedule/a%20b?edit=1", "": "/", "//evil.example/": "/", "https://evil.example/": "/", "/\\evil.example": "/",
		"/\t/evil.example": "/", "javascript:alert(1)": "/", "evil": "/", "/" + strings.Repeat("x", 2000): "/"} {
		v := r.visit()
		at := ""
		v.client.CheckRedirect = func(req *http.Request, _ []*http.Request) error {
			at = req.URL.String()
			return nil
		}
		resp, err := v.client.Get(r.url + "/login/oidc?to=" + url.QueryEscape(to))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if at != "http://monitor.invalid"+want && at != r.url+want {
			t.Errorf("%q leads to %s", to, at)
		}
	}
}

func TestOIDCThatNobodyCanMeanIsRefused(t *testing.T) {
	good := access.OIDC{Issuer: "https://login.example", ClientID: "umbel", RedirectURL: "https://umbel.example/login/callback", Everyone: access.Viewer}
	if _, err := access.New(access.Config{OIDC: &good}); err != nil {
		t.Fatal(err)
	}
	for what, edit := range map[string]func(*access.OIDC){
		"no issuer":         func(c *access.OIDC) { c.Issuer = "" },
		"no TLS":            func(c *access.OIDC) { c.Issuer = "http://login.example" },
		"no client":         func(c *access.OIDC) { c.ClientID = "" },
		"a way back astray": func(c *access.OIDC) { c.RedirectURL = "https://umbel.example/" },
		"no role":           func(c *access.OIDC) { c.Everyone = "" },
	} {
		c := good
		edit(&c)
		if _, err := access.New(access.Config{OIDC: &c}); err == nil {
			t.Errorf("%s: it is taken", what)
		}
	}
}
