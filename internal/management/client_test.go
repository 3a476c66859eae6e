package management

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// serve answers every call by f, and is asked with user joe.
func serve(t *testing.T, vhost string, f http.HandlerFunc) *Client {
	t.Helper()
	s := httptest.NewServer(f)
	t.Cleanup(s.Close)
	m, err := New(Config{URL: strings.Replace(s.URL, "http://", "http://joe:p%3Aw%2Fd@", 1) + "/rabbit/api/", Vhost: vhost})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestNamesAreEscaped(t *testing.T) {
	asked := ""
	m := serve(t, "a/b c", func(w http.ResponseWriter, r *http.Request) {
		if user, password, ok := r.BasicAuth(); !ok || user != "joe" || password != "p:w/d" {
			t.Errorf("asked by %q", user)
		}
		asked = r.Method + " " + r.RequestURI
		_, _ = io.WriteString(w, `{"name": "x/y", "type": "quorum"}`)
	})
	q, err := m.Queue(context.Background(), "x/y%")
	if err != nil || q.Type != "quorum" || asked != "GET /rabbit/api/queues/a%2Fb%20c/x%2Fy%25" {
		t.Errorf("%v %+v %s", err, q, asked)
	}
}

func TestARefusalTellsItsReason(t *testing.T) {
	m := serve(t, "", func(w http.ResponseWriter, r *http.Request) {
		switch r.Method {
		case http.MethodPut:
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, `{"error":"bad_request","reason":"inequivalent arg 'x-max-priority'"}`)
		case http.MethodGet:
			w.WriteHeader(http.StatusUnauthorized)
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	})
	err := m.Put(context.Background(), map[string]any{}, "queues", m.Vhost(), "celery")
	var refused *Error
	if !errors.As(err, &refused) || refused.Status != 400 || !strings.Contains(err.Error(), "x-max-priority") {
		t.Error(err)
	}
	if _, err := m.Queues(context.Background()); !IsDenied(err) || IsMissing(err) || strings.Contains(err.Error(), "p:w/d") {
		t.Error(err)
	}
	if err := m.Delete(context.Background(), "queues", "/", "gone"); err != nil {
		t.Error(err)
	}
}

func TestAnotherHostIsNotFollowed(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { t.Errorf("asked elsewhere, with %v", r.Header) }))
	defer elsewhere.Close()
	m := serve(t, "", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere.URL, http.StatusFound) })
	var refused *Error
	if _, err := m.Overview(context.Background()); !errors.As(err, &refused) || refused.Status != http.StatusFound {
		t.Error(err)
	}
}

func TestWhereTheAPIIsLookedFor(t *testing.T) {
	for broker, want := range map[string]string{
		"amqp://a:b@rabbit/shop":                             "http://rabbit:15672/api",
		"amqps://a:b@rabbit:5671//":                          "https://rabbit:15671/api",
		"amqp://[::1]:5672/":                                 "http://[::1]:15672/api",
		"amqps://a:b@b-1234.mq.eu-west-1.amazonaws.com:5671": "https://b-1234.mq.eu-west-1.amazonaws.com/api",
		"amqps://a:b@b-1234.mq.eu-west-1.on.aws:5671":        "https://b-1234.mq.eu-west-1.on.aws/api",
	} {
		u, err := url.Parse(broker)
		if err != nil {
			t.Fatal(err)
		}
		if got := Beside(u); got != want {
			t.Errorf("%s: %s, want %s", broker, got, want)
		}
	}
	for _, bad := range []string{"", "nonsense", "amqp://x/api", "http:///api"} {
		if _, err := New(Config{URL: bad}); !errors.Is(err, ErrURL) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
