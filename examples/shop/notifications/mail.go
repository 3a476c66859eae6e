// Package notifications sends mails, each once: into a folder, where each is a file that a mail program can open, or to an
// SMTP server.
package notifications

import (
	"context"
	"errors"
	"fmt"
	"net/mail"
	"regexp"
	"strings"
	"time"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/examples/shop/step"
	"github.com/umbel-go/umbel/examples/shop/store"
)

// Tasks are the handles to send the tasks of notifications by.
type Tasks struct {
	Send *umbel.Task[Mail, Sent]

	mailer Mailer
	ledger Ledger
}

// A Mail is the input of send_mail.
type Mail struct {
	Key     string `json:"key"` // names this mail: it is sent once, however often the task runs
	To      string `json:"to"`
	Subject string `json:"subject"`
	Body    string `json:"body"`
}

// Sent is the result of send_mail.
type Sent struct {
	Proof string `json:"proof"` // where it went: a file, or a server
}

// A Mailer takes a mail to where it goes. ErrRefused, among its errors, says that trying again is in vain.
type Mailer interface {
	Deliver(ctx context.Context, m Mail) (proof string, err error)
	Place() string // for people
}

// ErrRefused says that a mail will never be taken: its address does not exist, its server does not want it.
var ErrRefused = errors.New("refused for good")

// A Ledger remembers which mails were sent.
type Ledger interface {
	ClaimMail(ctx context.Context, key, task string, now time.Time, lease time.Duration) (proof string, err error)
	MarkMail(ctx context.Context, key, proof string) error
}

// Name is the task that sends a mail.
const Name = "apps.notifications.tasks.send_mail"

// Register makes the tasks of notifications known to an app.
func Register(app *umbel.App, mailer Mailer, ledger Ledger) *Tasks {
	t := &Tasks{mailer: mailer, ledger: ledger}
	t.Send = umbel.Register(app, Name, t.send,
		umbel.AcksLate(), umbel.SoftTimeLimit(2*time.Minute),
		umbel.Retry{Max: 12, Backoff: time.Second, BackoffMax: 10 * time.Minute, Jitter: true}, // for most of an hour
		umbel.Summary("send a mail, once for each key"))
	return t
}

var keys = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,79}$`)

const (
	// lease is how long a task may take for one mail before another one may try. Its soft time limit is shorter.
	lease = 3 * time.Minute

	// yield is how long a task waits that finds another one sending its mail.
	yield = 5 * time.Second
)

// send delivers a mail whose key nobody has delivered. A worker that dies between the server's yes and its note leaves a mail
// that is sent again, under the same Message-ID, by which mail programs know it.
func (t *Tasks) send(ctx context.Context, m Mail) (Sent, error) {
	if err := m.check(); err != nil {
		return Sent{}, umbel.Permanent(err)
	}
	proof, err := t.claim(ctx, m.Key)
	if err != nil || proof != "" {
		return Sent{Proof: proof}, err
	}
	step.Done("mail claimed")
	proof, err = t.mailer.Deliver(ctx, m)
	if errors.Is(err, ErrRefused) {
		return Sent{}, umbel.Permanent(fmt.Errorf("mail %s: %w", m.Key, err))
	}
	if err != nil {
		return Sent{}, fmt.Errorf("mail %s: %w", m.Key, err)
	}
	step.Done("mail delivered")
	if err := t.ledger.MarkMail(ctx, m.Key, proof); err != nil {
		return Sent{}, err
	}
	step.Done("mail noted")
	return Sent{Proof: proof}, nil
}

// claim takes the right to send a mail, and waits a moment for another task that does so now: most take no longer.
func (t *Tasks) claim(ctx context.Context, key string) (proof string, err error) {
	id := "a call"
	if r := umbel.RequestFrom(ctx); r != nil {
		id = r.ID
	}
	begun := time.Now()
	for {
		proof, err = t.ledger.ClaimMail(ctx, key, id, time.Now(), lease)
		if !errors.Is(err, store.ErrMailBusy) {
			return proof, err
		}
		if time.Since(begun) > time.Second {
			return "", umbel.RetryIn(yield, err)
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return "", context.Cause(ctx)
		}
	}
}

// check refuses what can be no mail.
func (m Mail) check() error {
	if !keys.MatchString(m.Key) { // it names a file
		return fmt.Errorf("mail key %q: want up to 80 of a-z, 0-9 and -", m.Key)
	}
	if _, err := mail.ParseAddress(m.To); err != nil {
		return fmt.Errorf("mail %s: address %q: %w", m.Key, m.To, err)
	}
	if strings.ContainsAny(m.Subject, "\r\n") { // it would add headers of its own
		return fmt.Errorf("mail %s: subject %q has more than one line", m.Key, m.Subject)
	}
	return nil
}
