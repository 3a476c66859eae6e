package tasks

import (
	"context"
	"time"

	"github.com/umbel-go/umbel"
)

// DigestInput are the arguments of mail.digest.
type DigestInput struct {
	Period string `json:"period"`
}

// Digest comes from Python: testdata/split/python/shop/mail/jobs.py:11. Its queue is default.
var Digest = umbel.Register(App, "mail.digest", digest)

func digest(ctx context.Context, in DigestInput) (any, error) {
	var out any
	return out, NotWritten("mail.digest")
}

// SendInput are the arguments of mail.send.
type SendInput struct {
	To      []string          `json:"to"`
	Subject string            `json:"subject"`
	Body    *string           `json:"body,omitempty"`    // Python's default: ''
	Headers map[string]string `json:"headers,omitempty"` // Python's default: None
}

// Send comes from Python: testdata/split/python/shop/mail/jobs.py:6. Its queue is default.
//
// TODO: it is bound (bind=True): self is the task: self.request is umbel.RequestFrom(ctx), self.retry is return umbel.RetryIn(…), self.update_state is Request.Progress.
//
// TODO: it is retried for (OSError,) only: give umbel.Retry the errors of Go: On: []error{…}; until then every error but a Permanent one is retried.
//
// TODO: it expects (ValueError,): give it umbel.Expected(…) with the errors of Go.
var Send = umbel.Register(App, "mail.send", send,
	umbel.Summary("Send a mail."),
	umbel.Retry{Backoff: 5 * time.Second, BackoffMax: 10 * time.Minute, Jitter: true},
)

func send(ctx context.Context, in SendInput) (any, error) {
	var out any
	return out, NotWritten("mail.send")
}
