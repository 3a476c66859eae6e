package notifications_test

import (
	"errors"
	"io"
	"mime"
	"mime/quotedprintable"
	"net/mail"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/examples/shop/notifications"
	"github.com/umbel-go/umbel/examples/shop/store"
)

func setup(t *testing.T) (tasks *notifications.Tasks, outbox string) {
	app := umbel.New("test", umbel.WithConfig(umbel.Config{BrokerURL: []string{"memory://" + t.Name()}}))
	app.Eager(true)
	dir := t.TempDir()
	ledger := store.New(filepath.Join(dir, "shop.db"))
	t.Cleanup(func() { _ = ledger.Close() })
	outbox = filepath.Join(dir, "outbox")
	return notifications.Register(app, notifications.Outbox(outbox), ledger), outbox
}

func send(t *testing.T, tasks *notifications.Tasks, m notifications.Mail) (notifications.Sent, error) {
	t.Helper()
	r, err := tasks.Send.Send(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	return r.Get(t.Context())
}

func TestAMailIsSentOnceHoweverOften(t *testing.T) {
	tasks, outbox := setup(t)
	m := notifications.Mail{Key: "order-7", To: "Ada <ada@example.com>", Subject: "Grüße", Body: "Danke schön = 100 %\n"}
	var wg sync.WaitGroup
	for range 5 {
		wg.Go(func() {
			if sent, err := send(t, tasks, m); err != nil || sent.Proof != "order-7.eml" {
				t.Errorf("got %+v, %v", sent, err)
			}
		})
	}
	wg.Wait()
	files, err := os.ReadDir(outbox)
	if err != nil || len(files) != 1 {
		t.Fatalf("outbox: %v, %v, want one mail and nothing else", files, err)
	}
	f, err := os.Open(filepath.Join(outbox, files[0].Name()))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	got, err := mail.ReadMessage(f)
	if err != nil {
		t.Fatal(err)
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(got.Header.Get("Subject"))
	if err != nil || subject != m.Subject {
		t.Errorf("subject %q, %v", subject, err)
	}
	body, err := io.ReadAll(quotedprintable.NewReader(got.Body))
	if err != nil || string(body) != "Danke schön = 100 %\r\n" && string(body) != m.Body {
		t.Errorf("body %q, %v", body, err)
	}
	if to, err := got.Header.AddressList("To"); err != nil || to[0].Address != "ada@example.com" {
		t.Errorf("to %v, %v", to, err)
	}
}

func TestAMailThatCannotBeIsRefused(t *testing.T) {
	tasks, outbox := setup(t)
	good := notifications.Mail{Key: "k", To: "a@example.com", Subject: "s", Body: "b"}
	for name, spoil := range map[string]func(*notifications.Mail){
		"a key that leaves the folder":       func(m *notifications.Mail) { m.Key = "../../etc/passwd" },
		"no key":                             func(m *notifications.Mail) { m.Key = "" },
		"a subject that adds headers":        func(m *notifications.Mail) { m.Subject = "hi\r\nBcc: all@example.com" },
		"no address":                         func(m *notifications.Mail) { m.To = "ada" },
		"an address with a header within it": func(m *notifications.Mail) { m.To = "a@example.com\r\nBcc: b@example.com" },
	} {
		t.Run(name, func(t *testing.T) {
			m := good
			spoil(&m)
			var failed *umbel.TaskError
			if _, err := send(t, tasks, m); !errors.As(err, &failed) || failed.State != umbel.Failure {
				t.Errorf("got %v, want a failure", err)
			}
		})
	}
	if _, err := os.Stat(outbox); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the outbox exists (%v) although no mail was sent", err)
	}
}
