package umbel_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/umbel-go/umbel"
)

// sourceOf is where a setting comes from.
func sourceOf(t *testing.T, c umbel.Config, name string) (value, source string) {
	t.Helper()
	for _, e := range c.Entries() {
		if e.Name == name {
			return e.Value, e.Source
		}
	}
	t.Fatalf("there is no entry %s", name)
	return "", ""
}

func TestFlagsGoOverSettingsInCode(t *testing.T) {
	app := umbel.New("t", umbel.WithConfig(umbel.Config{BrokerURL: []string{"sqlite://a.db"}, WorkerConcurrency: 3, TaskAcksLate: true}))
	c, err := app.Load(umbel.LoadOptions{Flags: map[string]string{"broker_url": "amqp://b//", "worker_concurrency": "5"}})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string][2]string{
		"broker_url": {`["amqp://b//"]`, "flag broker_url"}, "worker_concurrency": {"5", "flag worker_concurrency"},
		"task_acks_late": {"true", "code"}, "result_backend": {`"disabled"`, "default"},
	} {
		if value, source := sourceOf(t, c, name); value != want[0] || source != want[1] {
			t.Errorf("%s is %s from %s, want %s from %s", name, value, source, want[0], want[1])
		}
	}
	in, err := app.Config()
	if err != nil {
		t.Fatal(err)
	}
	if in.WorkerConcurrency != 5 || !in.TaskAcksLate || in.BrokerURL[0] != "amqp://b//" {
		t.Errorf("in force are %d, %t, %v", in.WorkerConcurrency, in.TaskAcksLate, in.BrokerURL)
	}
}

func TestLoadReadsAFileUnlessSettingsAreInCode(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "umbel.yaml"), []byte("worker_concurrency: 9\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	where := umbel.LoadOptions{Dir: dir, Environ: []string{}}
	if c, err := umbel.New("t").Load(where); err != nil || c.WorkerConcurrency != 9 {
		t.Errorf("from the file: %d, %v", c.WorkerConcurrency, err)
	}
	if c, err := umbel.New("t", umbel.WithConfig(umbel.Config{WorkerConcurrency: 2})).Load(where); err != nil || c.WorkerConcurrency != 2 {
		t.Errorf("in code: %d, %v", c.WorkerConcurrency, err)
	}
}

func TestLoadSaysWhatIsWrongWithFlags(t *testing.T) {
	for _, app := range []*umbel.App{umbel.New("t"), umbel.New("t", umbel.WithConfig(umbel.Config{}))} {
		_, err := app.Load(umbel.LoadOptions{Environ: []string{}, Flags: map[string]string{"worker_concurency": "5", "task_acks_late": "perhaps"}})
		var config *umbel.ConfigError
		if !errors.As(err, &config) || len(config.Problems) != 2 || !strings.Contains(err.Error(), "worker_concurrency") {
			t.Errorf("got %v", err)
		}
	}
}

func TestLoadComesBeforeUse(t *testing.T) {
	app := umbel.New("t", umbel.WithConfig(umbel.Config{}))
	if _, err := app.Queues(); err != nil {
		t.Fatal(err)
	}
	if _, err := app.Load(umbel.LoadOptions{}); err == nil {
		t.Error("settings were replaced that were in use")
	}
}
