package management

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

func TestARotatedPasswordIsReadAgainWhenItIsRefused(t *testing.T) {
	var accepted atomic.Value
	accepted.Store("one")
	var refused atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if _, password, _ := r.BasicAuth(); password != accepted.Load() {
			refused.Add(1)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		if r.Method == http.MethodPut && string(body) != `{"durable":true}` {
			t.Errorf("the second attempt sent %q", body)
		}
		_, _ = io.WriteString(w, `{}`)
	}))
	defer s.Close()
	path := filepath.Join(t.TempDir(), "api")
	keep := func(user, password string) {
		if err := os.WriteFile(path, []byte(strings.Replace(s.URL, "http://", "http://"+user+":"+password+"@", 1)+"/api\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	keep("joe", "one")
	m, err := Open(t.Context(), Config{URL: "file:" + path})
	if err != nil {
		t.Fatal(err)
	}
	var out any
	if err := m.Get(t.Context(), &out, "overview"); err != nil || m.User() != "joe" {
		t.Fatalf("%v, as %s", err, m.User())
	}

	accepted.Store("two")
	if err := m.Get(t.Context(), &out, "overview"); !IsDenied(err) {
		t.Errorf("before the secret has it: %v", err)
	}
	keep("ann", "two")
	refused.Store(0)
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if err := m.Put(t.Context(), map[string]any{"durable": true}, "queues", "/", "q"); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if m.User() != "ann" || refused.Load() == 0 || refused.Load() > 20 {
		t.Errorf("as %s, refused %d times", m.User(), refused.Load())
	}

	// What is not a URL any more changes nothing, and the refusal is what is told.
	accepted.Store("three")
	if err := os.WriteFile(path, []byte("broken"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := m.Get(t.Context(), &out, "overview"); !IsDenied(err) || m.User() != "ann" {
		t.Errorf("%v, as %s", err, m.User())
	}
}

func TestASecretThatHoldsNoURLIsNotShown(t *testing.T) {
	path := filepath.Join(t.TempDir(), "api")
	if err := os.WriteFile(path, []byte("sekrit"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Open(t.Context(), Config{URL: "file:" + path})
	if !errors.Is(err, ErrURL) || !strings.Contains(err.Error(), path) || strings.Contains(err.Error(), "sekrit") {
		t.Error(err)
	}
	if _, err := Open(t.Context(), Config{URL: "file:" + path + "-none"}); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}
