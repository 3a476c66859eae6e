package web

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"github.com/umbel-go/umbel/examples/shop/objects"
	"github.com/umbel-go/umbel/examples/shop/store"
)

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // a client that has gone is no affair of ours
}

// fail answers with what went wrong, as JSON or as a page.
func (s *site) fail(w http.ResponseWriter, r *http.Request, status int, text string) {
	if strings.HasPrefix(r.URL.Path, "/api/") {
		answer(w, status, map[string]string{"error": text})
		return
	}
	s.show(w, r, status, "fault", fault{Status: status, Name: http.StatusText(status), Text: text})
}

// A fault is what the page of errors shows.
type fault struct {
	Status int
	Name   string
	Text   string
}

// refuse turns an error into an answer. What is our own trouble goes into the log.
func (s *site) refuse(w http.ResponseWriter, r *http.Request, err error) {
	var bad *badRequest
	switch {
	case errors.As(err, &bad):
		s.fail(w, r, bad.status, bad.text)
	case errors.Is(err, store.ErrNotFound), errors.Is(err, objects.ErrNotFound):
		s.fail(w, r, http.StatusNotFound, "there is no such thing")
	case errors.Is(err, store.ErrKeyTaken):
		s.fail(w, r, http.StatusUnprocessableEntity, store.ErrKeyTaken.Error())
	case r.Context().Err() != nil: // the client has gone
	default:
		s.log().Error("a request failed", "method", r.Method, "path", r.URL.Path, "error", err)
		s.fail(w, r, http.StatusServiceUnavailable, "the shop cannot do that now")
	}
}

// A badRequest is the client's own fault.
type badRequest struct {
	status int
	text   string
}

func (b *badRequest) Error() string { return b.text }

func bad(format string, args ...any) error {
	return &badRequest{http.StatusBadRequest, fmt.Sprintf(format, args...)}
}

// decode reads a body of JSON, strictly, and returns it as it came.
func decode(r *http.Request, v any) ([]byte, error) {
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind != "application/json" {
		return nil, &badRequest{http.StatusUnsupportedMediaType, "the body must be application/json"}
	}
	text, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, &badRequest{http.StatusRequestEntityTooLarge, "the body is too large"}
	}
	d := json.NewDecoder(strings.NewReader(string(text)))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return nil, bad("the body: %v", err)
	}
	if d.More() {
		return nil, bad("the body holds more than one value")
	}
	return text, nil
}

// key is the request's Idempotency-Key.
func key(r *http.Request, body []byte) (store.Key, error) {
	text := r.Header.Get("Idempotency-Key")
	if len(text) > 255 {
		return store.Key{}, bad("Idempotency-Key has %d characters: want 255 at most", len(text))
	}
	return store.Key{Text: text, Hash: store.Hash(body)}, nil
}

// number is the id in a path.
func number(r *http.Request) (int64, error) {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil || id <= 0 {
		return 0, store.ErrNotFound
	}
	return id, nil
}

// page are the parameters before and limit of a list.
func page(r *http.Request, limit int) (before int64, _ int, err error) {
	q := r.URL.Query()
	if text := q.Get("before"); text != "" {
		if before, err = strconv.ParseInt(text, 10, 64); err != nil || before <= 0 {
			return 0, 0, bad("before=%q: want a number above 0", text)
		}
	}
	if text := q.Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > 500 {
			return 0, 0, bad("limit=%q: want 1 to 500", text)
		}
		limit = n
	}
	return before, limit, nil
}
