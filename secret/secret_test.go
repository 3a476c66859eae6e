package secret

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestReferencesAreReadAsTheyAreWritten(t *testing.T) {
	const arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:shop/broker-AbCdEf"
	for text, want := range map[string]Reference{
		"secretsmanager://shop/broker#url":        {Scheme: "secretsmanager", Name: "shop/broker", Key: "url"},
		"secretsmanager://shop":                   {Scheme: "secretsmanager", Name: "shop"},
		"SecretsManager://shop":                   {Scheme: "secretsmanager", Name: "shop"},
		arn:                                       {Scheme: "secretsmanager", Name: arn},
		arn + "#url":                              {Scheme: "secretsmanager", Name: arn, Key: "url"},
		arn + ":url::":                            {Scheme: "secretsmanager", Name: arn, Key: "url"},
		arn + ":url:AWSPREVIOUS:":                 {Scheme: "secretsmanager", Name: arn, Key: "url", Stage: "AWSPREVIOUS"},
		arn + ":::d4e5":                           {Scheme: "secretsmanager", Name: arn, Version: "d4e5"},
		"secretsmanager://" + arn + ":url::":      {Scheme: "secretsmanager", Name: arn, Key: "url"},
		"ssm://redis-url":                         {Scheme: "ssm", Name: "redis-url"},
		"ssm:///shop/redis-url":                   {Scheme: "ssm", Name: "/shop/redis-url"},
		"arn:aws-cn:ssm:cn-north-1:1:parameter/a": {Scheme: "ssm", Name: "arn:aws-cn:ssm:cn-north-1:1:parameter/a"},
		"file:/run/secrets/broker":                {Scheme: "file", Name: "/run/secrets/broker"},
		"file:///run/secrets/broker#url":          {Scheme: "file", Name: "/run/secrets/broker", Key: "url"},
		"file:broker.json#url":                    {Scheme: "file", Name: "broker.json", Key: "url"},
	} {
		r, err := Parse(text)
		if err != nil || r != want {
			t.Errorf("%s: %+v, %v; want %+v", text, r, err, want)
		}
	}
	if r, _ := Parse(arn + ":url::"); r.Region() != "eu-west-1" {
		t.Errorf("region %q", r.Region())
	}
	for _, text := range []string{"secretsmanager://", "secretsmanager://#key", "ssm:///", "file:", "file:#key", "ssm://a#", arn + ":url::#url",
		"arn:aws:secretsmanager:eu-west-1:1:secret", "arn:aws:secretsmanager:eu-west-1:1:secret:a:b:c:d:e"} {
		if _, err := Parse(text); err == nil {
			t.Errorf("%s is taken", text)
		}
	}
	for _, text := range []string{"", "s3cret", "amqp://u:p@h//", "redis://h/0", "arn:aws:s3:::bucket", "ssm:x", "secretsmanager:x", "disabled"} {
		if Is(text) {
			t.Errorf("%q names a secret", text)
		}
		if got, err := Read(t.Context(), text); got != text || err != nil {
			t.Errorf("%q becomes %q, %v", text, got, err)
		}
		if _, err := Parse(text); text != "" && (err == nil || strings.Contains(err.Error(), text)) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestKeysOfAJSONSecret(t *testing.T) {
	const whole = ` {"url": "amqps://u:hush@h//", "port": 5671, "empty": "", "list": ["hush"], "none": null, "password": "hush"}`
	for key, want := range map[string]string{"url": "amqps://u:hush@h//", "port": "5671"} {
		if got, err := pick(whole, key); got != want || err != nil {
			t.Errorf("%s: %q, %v", key, got, err)
		}
	}
	for _, c := range []struct{ whole, key, want string }{
		{whole, "", "append # and one of its keys: it has empty, list, none, password, port, url"},
		{whole, "URL", `there is no key "URL": it has empty, list`},
		{whole, "empty", `key "empty" is empty`},
		{whole, "list", "neither text nor a number"},
		{whole, "none", `key "none" is empty`},
		{"{}", "url", "it has none"},
		{"hush", "url", "it is plain text and has no keys"},
		{`{"url": hush}`, "url", "it is plain text and has no keys"},
	} {
		_, err := pick(c.whole, c.key)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "hush") {
			t.Errorf("%s of %s: %v, want %q and no value", c.key, c.whole, err, c.want)
		}
	}
	if got, err := pick("p{l}ain\n", ""); got != "p{l}ain\n" || err != nil {
		t.Errorf("plain text: %q, %v", got, err)
	}
}

func TestFilesAreReadAnewEachTime(t *testing.T) {
	path := filepath.Join(t.TempDir(), "broker")
	for _, text := range []string{"first\n", "second\r\n"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := Read(t.Context(), "file:"+path); got != strings.TrimSpace(text) || err != nil {
			t.Errorf("%q, %v", got, err)
		}
	}
	for name, text := range map[string]string{"empty": "\n", "large": strings.Repeat("x", most+1)} {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Read(t.Context(), "file:"+path); err == nil {
			t.Errorf("a file that is %s is taken", name)
		}
	}
	if _, err := Read(t.Context(), "file:"+path+"-not-there"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
}

// store is a driver in memory.
type store struct {
	mu    sync.Mutex
	text  string
	err   error
	asked int
}

func (s *store) read(context.Context, Reference) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	return s.text, s.err
}

func (s *store) set(text string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.text, s.err = text, err
}

func (s *store) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

// use registers a store for one test, and leaves nothing kept.
func use(t *testing.T, s *store) {
	Register(s.read, "secretsmanager")
	t.Cleanup(func() {
		drivers.Lock()
		delete(drivers.m, "secretsmanager")
		drivers.Unlock()
		copies.Lock()
		copies.m = nil
		copies.Unlock()
	})
}

func TestWhatIsKeptIsReadAnewOnceItIsRefused(t *testing.T) {
	s := &store{text: `{"user": "shop", "password": "one"}`}
	use(t, s)
	ctx := t.Context()
	read := func(want string) {
		t.Helper()
		if got, err := Read(ctx, "secretsmanager://shop#password"); got != want || err != nil {
			t.Fatalf("%q, %v; want %q", got, err, want)
		}
	}
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() { read("one") })
	}
	all.Wait()
	if user, err := Read(ctx, "secretsmanager://shop#user"); user != "shop" || err != nil {
		t.Errorf("another key: %q, %v", user, err)
	}
	if s.count() != 1 {
		t.Errorf("the store was asked %d times for one secret", s.count())
	}
	s.set(`{"user": "shop", "password": "two"}`, nil)
	read("one") // nobody has been refused
	for range 20 {
		all.Go(func() {
			if got, err := Again(ctx, "secretsmanager://shop#password", "one"); got != "two" || err != nil {
				t.Errorf("again: %q, %v", got, err)
			}
		})
	}
	all.Wait()
	if s.count() != 2 {
		t.Errorf("the store was asked %d times, want once more", s.count())
	}
	read("two")
	// A store that is away does not keep anybody from what is known, and says so to who needs more.
	s.set("", errors.New("away"))
	read("two")
	if _, err := Again(ctx, "secretsmanager://shop#password", "two"); err == nil || !strings.Contains(err.Error(), "secretsmanager://shop#password: away") {
		t.Errorf("again, while the store is away: %v", err)
	}
	read("two")
	// A key that was added since is found without anybody being refused.
	s.set(`{"user": "shop", "password": "two", "url": "amqp://h"}`, nil)
	if got, err := Read(ctx, "secretsmanager://shop#url"); got != "amqp://h" || err != nil {
		t.Errorf("a new key: %q, %v", got, err)
	}
	if got, err := Whole(ctx, "secretsmanager://shop", false); got != s.text || err != nil {
		t.Errorf("whole: %q, %v", got, err)
	}
}

func TestASecretWithoutItsDriverNamesTheImport(t *testing.T) {
	for _, text := range []string{"secretsmanager://shop", "ssm://shop"} {
		if _, err := Read(t.Context(), text); err == nil || !strings.Contains(err.Error(), `import _ "github.com/umbel-go/umbel/secret/aws"`) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestAStoreThatDoesNotAnswerHoldsUpNobodyForLong(t *testing.T) {
	Register(func(ctx context.Context, _ Reference) (string, error) {
		<-ctx.Done()
		return "", ctx.Err()
	}, "secretsmanager")
	t.Cleanup(func() {
		drivers.Lock()
		delete(drivers.m, "secretsmanager")
		drivers.Unlock()
	})
	ctx, cancel := context.WithCancelCause(t.Context())
	first := make(chan error)
	go func() { _, err := Read(ctx, "secretsmanager://slow"); first <- err }()
	cancel(errors.New("the caller has left"))
	if err := <-first; err == nil || !strings.Contains(err.Error(), "the caller has left") {
		t.Errorf("%v", err)
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"secretsmanager://a#b", "ssm:///a", "file:a", "arn:aws:secretsmanager:r:1:secret:n:k::", "arn:aws:ssm:r:1:parameter/n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, err := Parse(text)
		if err != nil {
			return
		}
		again, err := Parse(r.String())
		if err != nil || again != r {
			t.Errorf("%q is %+v, written %q and read again %+v, %v", text, r, r, again, err)
		}
	})
}
