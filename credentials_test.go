package umbel

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestCredentialsAreReadFromAFile(t *testing.T) {
	for text, want := range map[string]string{
		"app:s3cret\n":   "app s3cret",
		"app:with:colon": "app with:colon",
		"s3cret\n":       " s3cret",
		`{"username": "app", "password": "s3:cret"}`: "app s3:cret",
		`{"user": "app", "password": "x"}`:           "app x",
	} {
		path := filepath.Join(t.TempDir(), "credentials")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if user, password, err := readCredentials(t.Context(), path, false); err != nil || user+" "+password != want {
			t.Errorf("%q: %q %q, %v; want %q", text, user, password, err, want)
		}
	}
	for _, text := range []string{"", "s3cret\nother", `{"password": s3cret}`, `{"username": "s3cret"}`} {
		if _, _, err := parseCredentials(text); err == nil || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%q: %v, want an error that does not tell", text, err)
		}
	}
	if _, _, err := readCredentials(t.Context(), filepath.Join(t.TempDir(), "missing"), false); err == nil {
		t.Error("a missing file is no error")
	}
}
