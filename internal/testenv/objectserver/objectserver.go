// Package objectserver is a server for tests that speaks S3, within their process, with one empty bucket. It is rclone's, and refuses
// what is not signed with its key (AWS's Signature Version 4), and names that are taken.
package objectserver

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"

	"github.com/rclone/gofakes3"
	"github.com/rclone/gofakes3/s3mem"
)

// Bucket is the bucket's name, KeyID and Secret are the one key that it knows.
const (
	Bucket = "bucket"
	KeyID  = "AKIDEXAMPLE"
	Secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
)

// A Server keeps objects in memory.
type Server struct {
	endpoint string
}

// Start starts a server; it ends with the test.
func Start(t testing.TB) *Server {
	t.Helper()
	disk := s3mem.New()
	if err := disk.CreateBucket(t.Context(), Bucket); err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(oneByOne(gofakes3.New(disk, gofakes3.WithV4Auth(map[string]string{KeyID: Secret})).Server()))
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
	return []string{"AWS_ACCESS_KEY_ID=" + KeyID, "AWS_SECRET_ACCESS_KEY=" + Secret, "AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null",
		"AWS_EC2_METADATA_DISABLED=true"}
}

// oneByOne does what the server leaves out and S3 does: the sum of a body, which is signed, must be the body's; and whether a name
// is taken does not change until it has been (If-None-Match).
func oneByOne(next http.Handler) http.Handler {
	var changes sync.Mutex
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		sum := sha256.Sum256(body)
		if said := r.Header.Get("X-Amz-Content-Sha256"); err != nil || len(said) == 2*len(sum) && said != hex.EncodeToString(sum[:]) {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, `<Error><Code>XAmzContentSHA256Mismatch</Code><Message>the body is another one than was signed</Message></Error>`)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			changes.Lock()
			defer changes.Unlock()
		}
		next.ServeHTTP(w, r)
	})
}
