package resultstore

import (
	"strings"
	"testing"

	"github.com/umbel-go/umbel/backend"
)

func TestAStoreWithoutAnExaminerIsNamed(t *testing.T) {
	for url, want := range map[string]string{
		"rpc://":            "a result store of rpc:// cannot be looked into",
		"user:sesame@redis": "it has no scheme",
	} {
		if _, err := Examine(t.Context(), backend.Config{URL: url}); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "sesame") {
			t.Errorf("%s: %v", url, err)
		}
	}
}

func TestNoSecretIsLeftInAURL(t *testing.T) {
	for url, want := range map[string]string{
		"redis://:sesame@h:6379/1?ssl_cert_reqs=none":        "redis://:**@h:6379/1",
		"postgres://me:sesame@h/shop?sslpassword=sesame":     "postgres://me:**@h/shop",
		"sentinel://:sesame@a:1/0;sentinel://:sesame@b:2?x=": "sentinel://:**@a:1/0;sentinel://:**@b:2",
	} {
		if got := Mask(url); got != want {
			t.Errorf("%s: %s", url, got)
		}
	}
}
