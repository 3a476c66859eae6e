// Package objectserver is a server for tests that speaks S3, within their process, with one empty bucket. It checks no signatures.
package objectserver

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
)

// Bucket is the bucket's name.
const Bucket = "bucket"

// A Server keeps objects in memory.
type Server struct {
	endpoint string
}

// Start starts a server; it ends with the test.
func Start(t testing.TB) *Server {
	t.Helper()
	disk := s3mem.New()
	if err := disk.CreateBucket(Bucket); err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(oneName(disk, gofakes3.New(disk).Server()))
	t.Cleanup(s.Close)
	return &Server{endpoint: s.URL}
}

// Endpoint is the server's http:// URL.
func (s *Server) Endpoint() string { return s.endpoint }

// URL is the location of a prefix in the bucket, as the shop understands it.
func (s *Server) URL(prefix string) string {
	return "s3://" + Bucket + "/" + prefix + "?region=eu-west-1&path_style=true&endpoint=" + url.QueryEscape(s.endpoint)
}

// Environ are the variables that a client needs.
func Environ() []string {
	return []string{"AWS_ACCESS_KEY_ID=id", "AWS_SECRET_ACCESS_KEY=secret", "AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null",
		"AWS_EC2_METADATA_DISABLED=true"}
}

// oneName does for uploads in parts what the server does for others: it refuses a name that is taken (If-None-Match), as S3 does.
func oneName(disk gofakes3.Backend, next http.Handler) http.Handler {
	var turn sync.Mutex
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost && r.URL.Query().Has("uploadId") && r.Header.Get("If-None-Match") == "*" {
			turn.Lock()
			defer turn.Unlock()
			bucket, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
			if _, err := disk.HeadObject(bucket, key); err == nil {
				w.WriteHeader(http.StatusPreconditionFailed)
				_, _ = io.WriteString(w, `<Error><Code>PreconditionFailed</Code><Message>there is one</Message></Error>`)
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}
