package doctor

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// fixed is what --fix makes of a settings module: the settings, and the comments.
func fixed(t *testing.T, files ...string) (settings, notes string) {
	t.Helper()
	text, err := examine(t, files...).Settings()
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(strings.TrimSpace(string(text)), "\n")[1:] {
		if strings.HasPrefix(line, "#") {
			notes += line + "\n"
		} else if line != "" {
			settings += line + "\n"
		}
	}
	return settings, notes
}

func TestSettingsAreFollowedThroughTheWaysInWhichPythonWritesThem(t *testing.T) {
	for _, c := range []struct{ name, source, want string }{
		{"f-strings of what is known", "APP = 'shop'\nCELERY_TASK_DEFAULT_QUEUE = f'{APP}.default'\n", "task_default_queue: shop.default\n"},
		{"the percent sign", "APP = 'shop'\nCELERY_TASK_DEFAULT_QUEUE = '%s.%s' % (APP, 1)\n", "task_default_queue: shop.1\n"},
		{"arithmetic on names", "MINUTE = 60\nCELERY_TASK_TIME_LIMIT = 5 * MINUTE\n", "task_time_limit: 300\n"},
		{"dict()", "CELERY_TASK_ROUTES = dict(a=dict(queue='q'))\n", "task_routes:\n  a:\n    queue: q\n"},
		{"members of a class", "class Q:\n    A = 'a'\nCELERY_TASK_DEFAULT_QUEUE = Q.A\n", "task_default_queue: a\n"},
		{"members of an enum", "class Q(Enum):\n    A = 'a'\nCELERY_TASK_DEFAULT_QUEUE = Q.A.value\n", "task_default_queue: a\n"},
		{"an entry that is added", "CELERY_BEAT_SCHEDULE = {'a': {'task': 'x', 'schedule': 1}}\nCELERY_BEAT_SCHEDULE['b'] = {'task': 'z', 'schedule': 2}\n",
			"beat_schedule:\n  a:\n    schedule: 1\n    task: x\n  b:\n    schedule: 2\n    task: z\n"},
		{"entries that are added", "CELERY_BEAT_SCHEDULE = {}\nCELERY_BEAT_SCHEDULE.update({'b': {'task': 'z', 'schedule': 2}})\n",
			"beat_schedule:\n  b:\n    schedule: 2\n    task: z\n"},
		{"an app's schedule that is added to", "app.conf.beat_schedule['b'] = {'task': 'z', 'schedule': 2}\n", "beat_schedule:\n  b:\n    schedule: 2\n    task: z\n"},
		{"a list that grows", "CELERY_ACCEPT_CONTENT = ['json']\nCELERY_ACCEPT_CONTENT += ['yaml']\nCELERY_ACCEPT_CONTENT.append('msgpack')\n", "accept_content:\n- json\n- yaml\n- msgpack\n"},
		{"queues with computed names", "APP = 'shop'\nCELERY_TASK_QUEUES = (Queue(f'{APP}.a'), Queue(APP + '.b'),)\nCELERY_TASK_QUEUES += (Queue(name='c'),)\n",
			"task_queues:\n  c: {}\n  shop.a: {}\n  shop.b: {}\n"},
		{"a class that an app is given", "class Knobs:\n    task_acks_late = True\napp.config_from_object(Knobs)\n", "task_acks_late: true\n"},
		{"classes of django-configurations", "class Common(Configuration):\n    CELERY_TASK_ACKS_LATE = False\nclass Production(Common):\n    CELERY_TASK_ACKS_LATE = True\nclass Dev(Common):\n    CELERY_TASK_ACKS_LATE = False\n", "task_acks_late: true\n"},
		{"classes by whose names they are for", "class BaseConfig:\n    CELERY_TASK_TIME_LIMIT = 1\nclass ProductionConfig(BaseConfig):\n    CELERY_TASK_TIME_LIMIT = 2\nclass TestingConfig(BaseConfig):\n    CELERY_TASK_TIME_LIMIT = 3\n    CELERY_TASK_ALWAYS_EAGER = True\n", "task_time_limit: 2\n"},
		{"pickle is left out", "CELERY_ACCEPT_CONTENT = ['pickle', 'json']\nCELERY_TASK_SERIALIZER = 'pickle'\nCELERY_RESULT_SERIALIZER = 'json'\n", "accept_content:\n- json\nresult_serializer: json\n"},
		{"a match", "match MODE:\n    case 'a':\n        CELERY_TASK_ACKS_LATE = True\n", "task_acks_late: true\n"},
		{"a condition yields", "CELERY_TASK_ALWAYS_EAGER = False\nif os.environ.get('CI'):\n    CELERY_TASK_ALWAYS_EAGER = True\n", "task_always_eager: false\n"},
		{"a condition of production does not", "CELERY_TASK_TIME_LIMIT = 5\nif ENV == 'production':\n    CELERY_TASK_TIME_LIMIT = 50\n", "task_time_limit: 50\n"},
		{"a function's own is none", "def f():\n    CELERY_TASK_TIME_LIMIT = 5\nCELERY_TASK_TIME_LIMIT = 6\n", "task_time_limit: 6\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, notes := fixed(t, "settings.py", c.source)
			if d := cmp.Diff(c.want, got); d != "" {
				t.Errorf("%s%s", d, notes)
			}
		})
	}
}

func TestWhatCountsIsProductionsAndTheRestIsTold(t *testing.T) {
	got, notes := fixed(t, "settings/base.py", "CELERY_TASK_TIME_LIMIT = 1\nCELERY_TASK_ACKS_LATE = True\n",
		"settings/production.py", "CELERY_TASK_TIME_LIMIT = 2\n", "settings/test.py", "CELERY_TASK_TIME_LIMIT = 3\nCELERY_TASK_ALWAYS_EAGER = True\nif X:\n    CELERY_TASK_ACKS_LATE = False\n")
	if got != "task_acks_late: true\ntask_time_limit: 2\n" {
		t.Errorf("%s", got)
	}
	for _, want := range []string{"task_time_limit: what ", "production.py:1 says was taken, not ", "base.py:1, ", "test.py:1", "test.py:4 (under if X)", "task_always_eager is left out: only what is for tests or development sets it ("} {
		if !strings.Contains(notes, want) {
			t.Errorf("%q is missing in\n%s", want, notes)
		}
	}
}

// What cannot be told is said to be so; it never becomes a name of its own.
func TestWhatOnlyPythonKnowsIsNoName(t *testing.T) {
	got, notes := fixed(t, "celery.py", "CELERY_TASK_QUEUES = (Queue(name_of('x')), Queue('a', Exchange(other()), routing_key=KEY))\nCELERY_TASK_DEFAULT_QUEUE = other()\n"+
		"CELERY_BEAT_SCHEDULE = {other(): {'task': 'x', 'schedule': 1}}\nCELERY_BEAT_SCHEDULE.update(more())\nCELERY_TASK_ROUTES = {}\nCELERY_TASK_ROUTES |= more()\n")
	if d := cmp.Diff("task_queues:\n  a: {}\n", got); d != "" {
		t.Error(d)
	}
	for _, want := range []string{"task_queues: Queue(name_of('x')) is known only", "exchange or key of a is known only", "task_default_queue: other()", "beat_schedule: **more()", "task_routes: more() decides"} {
		if !strings.Contains(notes, want) {
			t.Errorf("%q is missing in\n%s", want, notes)
		}
	}
}

func TestTasksAreToldFromOthers(t *testing.T) {
	r := examine(t, "a/tasks.py", "from celery import shared_task as st\nfrom core import QUEUE\nNAME = 'x'\n@st(name=f'{NAME}.named', queue='q')\ndef one(): pass\n@st(name=other(), queue=QUEUE)\ndef two(): pass\n",
		"b/tasks.py", "from invoke import task\n@task\ndef build(c): pass\n", "c/tasks.py", "from huey import RedisHuey\nhuey = RedisHuey('x')\n@huey.task()\ndef job(): pass\n",
		"d/locustfile.py", "from locust import HttpUser, task\nclass U(HttpUser):\n    @task(3)\n    def x(self): pass\n")
	var got []string
	for _, task := range r.Tasks("") {
		got = append(got, fmt.Sprintf("%s %t %q", task.Function, task.Guessed, task.Queue))
		if task.Function == "one" && task.Name != "x.named" {
			t.Errorf("it is called %s", task.Name)
		}
	}
	if d := cmp.Diff([]string{`one false "q"`, `two true ""`}, got); d != "" {
		t.Error(d)
	}
}

// Names that stand for others twice, and these for others twice, would fill the memory of whoever walks through them.
func TestValuesThatDoubleAreGivenUp(t *testing.T) {
	var source strings.Builder
	source.WriteString("x0 = [1]\ns0 = 'a'\n")
	for i := range 60 {
		fmt.Fprintf(&source, "x%d = [x%d, x%d]\ny%d = x%d + x%d\ns%d = s%d + s%d\n", i+1, i, i, i, i, i, i+1, i, i)
	}
	source.WriteString("CELERY_BEAT_SCHEDULE = {'a': x60}\nCELERY_BEAT_SCHEDULE |= {'b': x60, 'c': s60}\nCELERY_TASK_TIME_LIMIT = 5\n")
	if got, _ := fixed(t, "settings.py", source.String()); !strings.Contains(got, "task_time_limit: 5\n") {
		t.Errorf("%.200s", got)
	}
}

func TestAFileThatIsNamedIsReadOrSaidNotToBe(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct{ name, text, why string }{
		{"empty.py", "", ""},
		{"syntax.py", "def x(:\n  broken\n", "colon is missing"},
		{"binary.py", "\x7fELF\x00\x01", "no text"},
		{"cut.json", `{"family": `, "did not find"},
		{"cut.tf", `resource "aws_mq_broker" {`, "no closing brace"},
		{"large.py", strings.Repeat("X = 1\n", maxFile/6+1), "larger than 4 MiB"},
	} {
		path := filepath.Join(dir, c.name)
		if err := os.WriteFile(path, []byte(c.text), 0o644); err != nil {
			t.Fatal(err)
		}
		r, err := Examine(path)
		switch {
		case err != nil:
			t.Errorf("%s: %v", c.name, err)
		case c.why == "" && (len(r.Read) != 1 || len(r.Unread) != 0):
			t.Errorf("%s: read %v, not %v", c.name, r.Read, r.Unread)
		case c.why != "" && (len(r.Read) != 0 || len(r.Unread) == 0 || !strings.Contains(r.Unread[0].Why, c.why)):
			t.Errorf("%s: read %v, not %v", c.name, r.Read, r.Unread)
		}
	}
}

// A place in Terraform is that of the file, in whichever way the containers are written.
func TestContainersInTerraformHaveTheirLines(t *testing.T) {
	r := examine(t, "a.tf", `resource "aws_ecs_task_definition" "a" {
  memory = 512
  container_definitions = jsonencode([
    {
      image = "x:latest"
    }
  ])
}

resource "aws_ecs_task_definition" "b" {
  memory                = 512
  container_definitions = <<-JSON
    [
      {"image": "y:latest"}
    ]
  JSON
}

resource "aws_ecs_task_definition" "c" {
  container_definitions = templatefile("x.json", {})
}
`)
	if d := cmp.Diff([]string{"ecs-refused low a.tf:5", "ecs-refused low a.tf:14"}, lines(r)); d != "" || len(r.Unread) > 0 {
		t.Errorf("%s%v", d, r.Unread)
	}
}
