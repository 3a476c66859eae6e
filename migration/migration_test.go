package migration

import (
	"bytes"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/umbel-go/umbel/doctor"
	"github.com/umbel-go/umbel/internal/setting"
)

var update = flag.Bool("update", false, "write what is expected anew")

// projects are those of testdata: the guide's text, and three shapes of Django projects written from their documentation.
//
//	cookiecutter  cookiecutter-django: config/celery_app.py, settings split, my_site/users/tasks.py
//	single        Celery's own Django example: proj/celery.py, shared_task across apps
//	split         settings/base.py and production.py with decouple's config(), kombu's Queue, a router function
var projects = []string{"guide", "cookiecutter", "single", "split"}

func examine(t *testing.T, project string, live ...string) (*doctor.Report, *Migration) {
	t.Helper()
	root := filepath.Join("testdata", project, "python")
	r, err := doctor.Examine(root)
	if err != nil {
		t.Fatal(err)
	}
	m, err := New(r, Config{Root: root, Live: live, Package: "github.com/umbel-go/umbel/migration/testdata/" + project + "/go/tasks"})
	if err != nil {
		t.Fatal(err)
	}
	return r, m
}

func TestProjectsAreMovedAsExpected(t *testing.T) {
	for _, project := range projects {
		t.Run(project, func(t *testing.T) {
			r, m := examine(t, project)
			dir := filepath.Join("testdata", project, "go")
			if *update {
				if err := os.RemoveAll(dir); err != nil {
					t.Fatal(err)
				}
			}
			var names []string
			for _, f := range m.Files {
				path := filepath.Join(dir, f.Name)
				names = append(names, path)
				if *update {
					if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
						t.Fatal(err)
					}
					if err := os.WriteFile(path, f.Text, 0o644); err != nil {
						t.Fatal(err)
					}
				}
				want, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				if d := cmp.Diff(string(want), string(f.Text)); d != "" {
					t.Errorf("%s: %s", f.Name, d)
				}
				if f.Name == "umbel.yaml" { // one writer, and a file that Umbel loads
					fixed, err := r.Settings()
					if err != nil || !bytes.Equal(fixed, f.Text) {
						t.Errorf("umbel.yaml is not what doctor --fix writes: %v", err)
					}
					if _, err := setting.Parse("umbel.yaml", f.Text); err != nil {
						t.Error(err)
					}
				}
			}
			err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
				if err == nil && !d.IsDir() && !slices.Contains(names, path) {
					t.Errorf("%s is not written any more", path)
				}
				return err
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
}

// What is written compiles, and go vet has nothing to say of it.
func TestStubsCompile(t *testing.T) {
	args := []string{"vet"}
	for _, project := range projects {
		args = append(args, "./testdata/"+project+"/go", "./testdata/"+project+"/go/tasks")
	}
	if out, err := exec.CommandContext(t.Context(), "go", args...).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestNothingOfATaskIsDropped(t *testing.T) {
	_, m := examine(t, "single")
	for _, want := range []string{
		"reports.import_rows: option serializer='pickle'", "reports.build: option base=Audited", "reports.tasks.send: it takes report_id, *recipients, **options",
		"reports.import_rows: argument rows is a 'list[Row]'", "reports.import_rows: argument user is a 'auth.User'", "demoapp.tasks.add: argument x has no annotation",
		": class Audited is a task", ": a periodic task is added", ": setup_periodic_tasks hears the signal on_after_configure", "it is retried for (ConnectionError, TimeoutError) only",
	} {
		found := false
		for _, i := range m.Items() {
			found = found || strings.Contains(i.Task+": "+i.What, want)
		}
		if !found {
			t.Errorf("not told: %s", want)
		}
	}
	_, m = examine(t, "split")
	for _, want := range []string{"it expects (ValueError,)", "option options=", "a task is made by a call", "tell hears the signal task_failure", "connect_pool hears the signal worker_process_init"} {
		if !slices.ContainsFunc(m.Items(), func(i Item) bool { return strings.Contains(i.What, want) }) {
			t.Errorf("not told: %s", want)
		}
	}
	for _, want := range []string{"task_routes: route decides when Python runs", "entry odd", "name it UMBEL_WORKER_CONCURRENCY"} {
		if !slices.ContainsFunc(m.Notes, func(n string) bool { return strings.Contains(n, want) }) {
			t.Errorf("not told of the settings: %s", want)
		}
	}
	if slices.ContainsFunc(m.Items(), func(i Item) bool { return strings.HasPrefix(i.What, "could not be read") }) {
		t.Errorf("%+v", m.Items())
	}
}

// Workers know the true names: a guess from the folders gives way to them, and what has no source takes any arguments.
func TestNamesOfLiveWorkersCount(t *testing.T) {
	_, m := examine(t, "single", "project.demoapp.tasks.add", "reports.build", "legacy.sync", "celery.backend_cleanup")
	got := make(map[string]*Task)
	for i := range m.Tasks {
		got[m.Tasks[i].Name] = &m.Tasks[i]
	}
	if one := got["project.demoapp.tasks.add"]; one == nil || !one.Live || !one.Source || len(one.input.fields) != 2 {
		t.Errorf("%+v", one)
	}
	if one := got["legacy.sync"]; one == nil || one.Source || !one.input.raw {
		t.Errorf("%+v", one)
	}
	if got["celery.backend_cleanup"] != nil {
		t.Error("a task of Celery's own is moved")
	}
	if one := got["demoapp.tasks.mul"]; one == nil || len(one.hand) == 0 || !strings.Contains(one.hand[len(one.hand)-1].What, "no live worker") {
		t.Errorf("%+v", one)
	}
}

func TestNothingToMoveIsAnError(t *testing.T) {
	if _, err := New(doctor.Nothing(), Config{}); err == nil {
		t.Error("it moved nothing")
	}
}

// What Celery does without being told is said in Go, and what only looks like a policy is none.
func TestRetriesMeanWhatTheyMeanInPython(t *testing.T) {
	for _, c := range []struct{ options, want string }{
		{"max_retries=5", "umbel.Retry{Max: 5, OnFunc: ByHand}"},
		{"max_retries=None, default_retry_delay=60", "umbel.Retry{Max: umbel.NoLimit, Delay: time.Minute, OnFunc: ByHand}"},
		{"autoretry_for=(OSError,)", "umbel.Retry{}"},
		{"autoretry_for=(OSError,), retry_backoff=True", "umbel.Retry{Backoff: time.Second, Jitter: true}"},
		{"autoretry_for=(OSError,), retry_backoff=5, retry_jitter=False", "umbel.Retry{Backoff: 5 * time.Second}"},
		{"autoretry_for=(OSError,), retry_kwargs=dict(max_retries=2), retry_backoff=True, retry_jitter=True", "umbel.Retry{Max: 2, Backoff: time.Second, Jitter: true}"},
		{"autoretry_for=(OSError,), default_retry_delay=5 * 60", "umbel.Retry{Delay: 5 * time.Minute}"},
		{"acks_late=True", ""},
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "tasks.py"), []byte("from celery import shared_task as st\n@st("+c.options+")\ndef x(): pass\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		r, err := doctor.Examine(dir)
		if err != nil {
			t.Fatal(err)
		}
		m, err := New(r, Config{Root: dir})
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, o := range m.Tasks[0].options {
			if strings.HasPrefix(o, "umbel.Retry") {
				got = o
			}
		}
		if got != c.want {
			t.Errorf("%s: %s, want %s", c.options, got, c.want)
		}
		i := slices.IndexFunc(m.Files, func(f File) bool { return f.Name == "tasks/app.go" })
		if said := strings.Contains(string(m.Files[i].Text), "func ByHand"); said != strings.Contains(c.want, "ByHand") {
			t.Errorf("%s: ByHand is written: %t", c.options, said)
		}
	}
}

// A name or a queue that only Python knows is said to be so: a task is not moved under a guess.
func TestNamesAndQueuesThatOnlyPythonKnowsNeedAHand(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "tasks.py"), []byte("@shared_task(name=PREFIX + 'x', queue=QUEUE)\ndef x(): pass\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	r, err := doctor.Examine(dir)
	if err != nil {
		t.Fatal(err)
	}
	m, err := New(r, Config{Root: dir})
	if err != nil {
		t.Fatal(err)
	}
	var items []string
	for _, i := range m.Items() {
		items = append(items, i.What)
	}
	want := []string{"its name is PREFIX + 'x', which only Python knows", "its queue is QUEUE, which only Python knows"}
	if d := cmp.Diff(want, items); d != "" || m.Tasks[0].Queue != "" {
		t.Errorf("%s%q", d, m.Tasks[0].Queue)
	}
	i := slices.IndexFunc(m.Files, func(f File) bool { return f.Name == "MIGRATION.md" })
	if page := string(m.Files[i].Text); !strings.Contains(page, "Queue "+unsure) || strings.Contains(page, "-Q  ") {
		t.Error(page)
	}
}
