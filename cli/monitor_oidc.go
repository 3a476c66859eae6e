package cli

import (
	"fmt"
	"net/url"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/umbel-go/umbel/monitor/access"
	"github.com/umbel-go/umbel/secret"
)

// oidcFlags are those of a login at a provider. Flower's names stand beside ours.
type oidcFlags struct {
	access.OIDC
	secretFile    string
	roles, emails []string
	everyone      string
	auth          string // Flower's
}

// oidcNames are the options that the environment may set, too.
var oidcNames = []string{"oidc_issuer", "oidc_client_id", "oidc_client_secret", "oidc_client_secret_file", "oidc_redirect_url", "oidc_scope", "oidc_claim", "oidc_role",
	"oidc_email", "oidc_everyone", "oidc_name", "oauth2_key", "oauth2_secret", "oauth2_redirect_uri", "auth"}

func (f *oidcFlags) bind(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringVar(&f.Issuer, "oidc_issuer", "", "let people log in at the OpenID Connect provider of this `URL`")
	fl.StringVar(&f.ClientID, "oidc_client_id", "", "the monitor's client `ID` there")
	fl.StringVar(&f.ClientSecret, "oidc_client_secret", "", "its `SECRET`, or where it is kept, such as secretsmanager://NAME#KEY; else --oidc_client_secret_file")
	fl.StringVar(&f.secretFile, "oidc_client_secret_file", "", "`FILE` whose first line is its secret")
	fl.StringVar(&f.RedirectURL, "oidc_redirect_url", "", "where browsers come back to, https://HOST/PREFIX/login/callback: `URL`")
	fl.StringSliceVar(&f.Scopes, "oidc_scope", nil, "ask for these `SCOPES`, too")
	fl.StringVar(&f.Claim, "oidc_claim", "groups", "`CLAIM` that says what a person is, such as realm_access.roles")
	fl.StringArrayVar(&f.roles, "oidc_role", nil, "`VALUE=ROLE`: who has this value of the claim has this role; may be repeated")
	fl.StringArrayVar(&f.emails, "oidc_email", nil, "`ADDRESS=ROLE`: who has this verified address has this role; may be repeated")
	fl.StringVar(&f.everyone, "oidc_everyone", "", "`ROLE` of whoever the provider knows")
	fl.StringVar(&f.Name, "oidc_name", "", "`NAME` of the provider on the button")
	fl.StringVar(&f.ClientID, "oauth2_key", "", "")
	fl.StringVar(&f.ClientSecret, "oauth2_secret", "", "")
	fl.StringVar(&f.RedirectURL, "oauth2_redirect_uri", "", "")
	fl.StringVar(&f.auth, "auth", "", "")
	for _, name := range []string{"oauth2_key", "oauth2_secret", "oauth2_redirect_uri", "auth"} {
		_ = fl.MarkHidden(name) // Flower's
	}
}

// config is what the options say; nil when they speak of no provider.
func (f *oidcFlags) config(cmd *cobra.Command) (*access.OIDC, error) {
	if f.Issuer == "" {
		for _, name := range oidcNames {
			if cmd.Flags().Changed(name) {
				return nil, misuse(cmd, "--%s without --oidc_issuer: which provider is it?", name)
			}
		}
		return nil, nil
	}
	c := f.OIDC
	c.Roles, c.Emails = make(map[string]access.Role), make(map[string]access.Role)
	for _, x := range []struct {
		flag string
		list []string
		to   map[string]access.Role
	}{{"oidc_role", f.roles, c.Roles}, {"oidc_email", f.emails, c.Emails}} {
		for _, one := range x.list {
			i := strings.LastIndexByte(one, '=')
			if i < 1 {
				return nil, misuse(cmd, "--%s %q: want VALUE=ROLE", x.flag, one)
			}
			role, err := access.ParseRole(one[i+1:])
			if err != nil {
				return nil, misuse(cmd, "--%s %q: %w", x.flag, one, err)
			}
			x.to[one[:i]] = role
		}
	}
	if f.everyone != "" {
		role, err := access.ParseRole(f.everyone)
		if err != nil {
			return nil, misuse(cmd, "--oidc_everyone: %w", err)
		}
		c.Everyone = role
	}
	if err := f.flowers(cmd, &c); err != nil {
		return nil, err
	}
	if f.secretFile != "" {
		text, err := os.ReadFile(f.secretFile)
		if err != nil {
			return nil, &fault{code: exitConfig, err: fmt.Errorf("read the client's secret: %w", err)}
		}
		line, _, _ := strings.Cut(string(text), "\n")
		c.ClientSecret = strings.TrimSpace(line)
	}
	var err error
	if c.ClientSecret, err = secret.Read(cmd.Context(), c.ClientSecret); err != nil {
		return nil, &fault{code: exitConfig, err: fmt.Errorf("--oidc_client_secret: %w", err)}
	}
	if u, err := url.Parse(c.RedirectURL); err != nil || u.Host == "" {
		return nil, misuse(cmd, "--oidc_redirect_url: want the address that browsers see, https://HOST/PREFIX/login/callback")
	}
	return &c, nil
}

// flowers takes Flower's --auth: addresses with | between them, who may do everything. Patterns are not taken: one without an
// end let strangers in (CVE-2022-30034).
func (f *oidcFlags) flowers(cmd *cobra.Command, c *access.OIDC) error {
	if f.auth == "" {
		return nil
	}
	for one := range strings.SplitSeq(f.auth, "|") {
		one = strings.ReplaceAll(strings.TrimSpace(one), `\.`, ".")
		if strings.ContainsAny(one, `*^$()[]{}?+\`) || strings.Count(one, "@") != 1 {
			return misuse(cmd, "--auth %q: want addresses with | between them, and no patterns: map a group by --oidc_role GROUP=ROLE instead", one)
		}
		c.Emails[one] = access.Owner
	}
	return nil
}
