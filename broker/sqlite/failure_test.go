package sqlite

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/umbel-go/umbel/broker"
)

func TestOpenErrorsSayWhatToDo(t *testing.T) {
	dir := t.TempDir()
	garbage := filepath.Join(dir, "garbage.db")
	if err := os.WriteFile(garbage, []byte(strings.Repeat("this is no database ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	newer := filepath.Join(dir, "newer.db")
	b := openURL(t, "sqlite://"+newer)
	if err := b.file.Migrate(t.Context(), component, append(migrations, "SELECT 1")); err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	for what, c := range map[string]struct{ url, words string }{
		"a file that is no database":        {"sqlite://" + garbage, "choose another path"},
		"a folder that does not exist":      {"sqlite://" + dir + "/none/umbel.db", "create its folder"},
		"a folder in the file's place":      {"sqlite://" + dir, "is a folder"},
		"a file of a newer program":         {"sqlite://" + newer, "use the newer program everywhere"},
		"an unknown query option":           {"sqlite://x.db?cache=1", `unknown query option "cache": known are lease`},
		"a query option that is no number":  {"sqlite://x.db?lease=soon", `lease = "soon"`},
		"a query option out of range":       {"sqlite://x.db?lease=0.5", "at least 1 second"},
		"a path that names no file":         {"sqlite:///tmp/", "names no file"},
		"an escape that is none":            {"sqlite:///tmp/%zz", "escape"},
		"a query option without any number": {"sqlite://x.db?max_pages=", "max_pages"},
	} {
		t.Run(what, func(t *testing.T) {
			_, err := broker.Open(t.Context(), broker.Config{URLs: []string{c.url}})
			var open *broker.OpenError
			if !errors.As(err, &open) {
				t.Fatalf("error %v, want an *OpenError", err)
			}
			if !strings.Contains(err.Error(), c.words) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %q does not say %q in one line", err, c.words)
			}
			t.Log(err)
		})
	}
	if data, err := os.ReadFile(garbage); err != nil || !strings.HasPrefix(string(data), "this is no database") {
		t.Error("a file that is no database was changed")
	}
}

func TestURLsNameFiles(t *testing.T) {
	for url, want := range map[string]string{
		"sqlite://": "umbel.db", "sqlite://umbel.db": "umbel.db", "sqlite://data/my%20tasks.db?lease=5": "data/my tasks.db",
		"sqlite:///var/lib/umbel.db": "/var/lib/umbel.db", "sqlite://../x.db": "../x.db",
	} {
		s, err := parse(url, nil)
		if err != nil || s.path != want {
			t.Errorf("%s: path %q, %v; want %q", url, s.path, err, want)
		}
	}
	s, err := parse("sqlite://x.db?lock_timeout=2.5&max_pages=100", map[string]any{"lease": 5, "max_pages": 200})
	if err != nil || s.lease != 5*time.Second || s.options.LockTimeout != 2500*time.Millisecond || s.options.MaxPages != 200 {
		t.Errorf("settings %+v, %v", s, err)
	}
	if _, err := parse("sqlite://x.db", map[string]any{"visibility_timeout": 3600}); err == nil {
		t.Error("an unknown transport option was accepted")
	}
}

func TestFullFileRefusesAndHealsOnceThereIsRoom(t *testing.T) {
	b := openURL(t, "sqlite://"+filepath.Join(quick(t), "umbel.db")+"?max_pages=100")
	defer b.Close()
	declareCelery(t, b)
	big := text("celery", strings.Repeat("x", 20_000))
	sent := 0
	var err error
	for sent < 1000 {
		if err = b.Publish(t.Context(), big); err != nil {
			break
		}
		sent++
	}
	var refused *broker.RefusedError
	if !errors.As(err, &refused) || refused.Reason != broker.Full {
		t.Fatalf("after %d messages: %v, want a *RefusedError with reason full", sent, err)
	}
	t.Log(err)
	if !strings.Contains(err.Error(), "free space") {
		t.Errorf("error %q does not say what to do", err)
	}
	collect(t, b, 0)
	got := make(chan *broker.Delivery, 1000)
	c, err := b.Consume(t.Context(), broker.Subscription{Queue: "celery", Deliver: func(d *broker.Delivery) { got <- d }})
	if err != nil {
		t.Fatal(err)
	}
	for range sent { // what was confirmed is all there, and can be taken off a full file
		d := <-got
		if err := d.Ack(); err != nil {
			t.Error(err)
		}
	}
	if err := c.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := b.Publish(t.Context(), big); err != nil {
		t.Errorf("with room again: %v", err)
	}
	(<-got).Ack()
}

func TestDamagedFileIsAnErrorAndNotAPanic(t *testing.T) {
	path := filepath.Join(quick(t), "umbel.db")
	b := openURL(t, "sqlite://"+path)
	declareCelery(t, b)
	for range 200 {
		if err := b.Publish(t.Context(), text("celery", strings.Repeat("x", 2000))); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte(strings.Repeat("\xde\xad", 40_000)), 8192); err != nil {
		t.Fatal(err)
	}
	f.Close()
	c, err := broker.Open(t.Context(), broker.Config{URLs: []string{"sqlite://" + path}})
	if err == nil {
		err = c.Publish(t.Context(), text("celery", "x"))
		c.Close()
	}
	if err == nil || !strings.Contains(err.Error(), "restore a backup") {
		t.Errorf("error %v does not say what to do", err)
	}
	t.Log(err)
}

func TestWriteLockHeldTooLongIsToldApart(t *testing.T) {
	path := filepath.Join(quick(t), "umbel.db")
	b := openURL(t, "sqlite://"+path+"?lock_timeout=0.3")
	defer b.Close()
	declareCelery(t, b)
	other := apart(t, path)
	defer other.Close()
	held, leave := make(chan struct{}), make(chan struct{})
	done := make(chan error, 1)
	go func() { done <- holdLock(other, held, leave) }()
	<-held
	err := b.Publish(t.Context(), text("celery", "x"))
	if !errors.Is(err, broker.ErrNotSent) || !strings.Contains(err.Error(), "another process") {
		t.Errorf("error %v, want ErrNotSent that names the lock", err)
	}
	t.Log(err)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := b.Publish(ctx, text("celery", "x")); !errors.Is(err, broker.ErrNotSent) {
		t.Errorf("error %v, want ErrNotSent", err)
	}
	close(leave)
	if err := <-done; err != nil {
		t.Error(err)
	}
	if err := b.Publish(t.Context(), text("celery", "x")); err != nil {
		t.Errorf("after the lock was let go: %v", err)
	}
}
