// Package notifications sends mails, into a folder: each is a file that a mail program can open.
package notifications

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"mime"
	"mime/quotedprintable"
	"net/mail"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/umbel-go/umbel"
)

// Tasks are the handles to send the tasks of notifications by.
type Tasks struct {
	Send *umbel.Task[Mail, Sent]

	outbox string
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
	File string `json:"file"`
}

// Register makes the tasks of notifications known to an app. outbox is the folder for mails; it is created when needed.
func Register(app *umbel.App, outbox string) *Tasks {
	t := &Tasks{outbox: outbox}
	t.Send = umbel.Register(app, "apps.notifications.tasks.send_mail", t.send,
		umbel.AcksLate(), umbel.Retry{Max: 5, Backoff: time.Second, Jitter: true},
		umbel.Summary("send a mail, once for each key"))
	return t
}

var keys = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,79}$`)

// send writes the mail beside its place and renames it, so that the outbox never holds half a mail.
func (t *Tasks) send(_ context.Context, m Mail) (Sent, error) {
	if !keys.MatchString(m.Key) { // it names a file
		return Sent{}, umbel.Permanent(fmt.Errorf("mail key %q: want up to 80 of a-z, 0-9 and -", m.Key))
	}
	text, err := m.text(time.Now())
	if err != nil {
		return Sent{}, umbel.Permanent(fmt.Errorf("mail %s: %w", m.Key, err))
	}
	sent := Sent{File: m.Key + ".eml"}
	path := filepath.Join(t.outbox, sent.File)
	if _, err := os.Stat(path); err == nil {
		return sent, nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		return Sent{}, err
	}
	if err := os.MkdirAll(t.outbox, 0o755); err != nil {
		return Sent{}, err
	}
	half, err := os.CreateTemp(t.outbox, "."+m.Key+"-*")
	if err != nil {
		return Sent{}, err
	}
	_, err = half.Write(text)
	if err = errors.Join(err, half.Close()); err == nil {
		err = os.Rename(half.Name(), path)
	}
	if err != nil {
		_ = os.Remove(half.Name())
		return Sent{}, fmt.Errorf("mail %s: %w", m.Key, err)
	}
	return sent, nil
}

// text is the mail as RFC 5322 wants it.
func (m Mail) text(now time.Time) ([]byte, error) {
	to, err := mail.ParseAddress(m.To)
	if err != nil {
		return nil, fmt.Errorf("address %q: %w", m.To, err)
	}
	if strings.ContainsAny(m.Subject, "\r\n") { // it would add headers of its own
		return nil, fmt.Errorf("subject %q has more than one line", m.Subject)
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "Date: %s\r\nFrom: The Shop <shop@example.com>\r\nTo: %s\r\nSubject: %s\r\nMessage-ID: <%s@shop.example.com>\r\n"+
		"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n",
		now.Format(time.RFC1123Z), to, mime.QEncoding.Encode("utf-8", m.Subject), m.Key)
	body := quotedprintable.NewWriter(&b)
	if _, err := body.Write([]byte(m.Body)); err != nil {
		return nil, err
	}
	return b.Bytes(), body.Close()
}
