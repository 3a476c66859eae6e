package doctor

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// examine reads files that are given as name and text.
func examine(t *testing.T, files ...string) *Report {
	t.Helper()
	dir := t.TempDir()
	for i := 0; i < len(files); i += 2 {
		path := filepath.Join(dir, files[i])
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(files[i+1]), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	r, err := Examine(dir)
	if err != nil {
		t.Fatal(err)
	}
	for i := range r.Findings {
		r.Findings[i].Place.File, _ = filepath.Rel(dir, r.Findings[i].Place.File)
	}
	return r
}

// lines are findings as "rule severity file:line".
func lines(r *Report) []string {
	out := []string{}
	for _, f := range r.Findings {
		out = append(out, fmt.Sprintf("%s %s %s:%d", f.Rule, f.Severity, filepath.Base(f.Place.File), f.Place.Line))
	}
	return out
}

// The faults of the guide, by the damage they do.
func TestTheSeventeenFaultsOfTheGuideAreFound(t *testing.T) {
	r, err := Examine("testdata/guide")
	if err != nil {
		t.Fatal(err)
	}
	got := lines(r)
	for _, fault := range []struct {
		about string
		want  []string
	}{
		{"1 orders are lost in silence", []string{"route-binding critical deadletter.py:5"}},
		{"2 TLS options end every connection", []string{"tls-options critical celery.py:18", "tls-options critical tls.py:3"}},
		{"3 tasks without a route never run", []string{"default-queue critical rate.py:1"}},
		{"4 there is no dead-letter queue", []string{"route-dead-letter high deadletter.py:8"}},
		{"5 a task that kills its worker comes back for ever", []string{"worker-lost high celery.py:36", "worker-lost high acks.py:5"}},
		{"6 late acks and prefetch make duplicates", []string{"ack-timeout high celery.py:34"}},
		{"7 the broker cannot be created", []string{"broker-create critical create-broker.sh:4", "broker-create critical create-broker.sh:5",
			"broker-create critical create-broker.sh:1", "broker-create critical broker.tf:4", "broker-create critical broker.tf:5"}},
		{"8 the task definition is refused, and results are off", []string{"ecs-refused critical worker.json:4", "ecs-results high worker.json:4"}},
		{"9 purge empties another queue", []string{"purge-queues high tasks.sh:8"}},
		{"10 workers give up in under two minutes", []string{"connection-retries high celery.py:26", "connection-retries high connection.py:6"}},
		{"11 what is called CloudWatch is none", []string{"transport-options medium cloudwatch.py:4", "transport-options medium cloudwatch.py:10"}},
		{"12 rate limits are not what is claimed", []string{"rate-limit low rate.py:1", "rate-limit medium rate.py:6"}},
		{"13 routing keys and priorities do nothing", []string{"route-key low routes.py:8", "queue-priority low routes.py:9", "queue-priority medium routes.py:35"}},
		{"14 the countdown is ignored", []string{"retry-countdown medium retry.py:3"}},
		{"15 Redis is in clear, and has one database", []string{"plain-redis high production.env:3"}},
		{"16 there is no audit trail", []string{"audit-trail low celery.py:44"}},
		{"17 Flower has no authentication, and ignores its broker", []string{"monitor-exposed high flower.sh:2", "monitor-exposed low flower.sh:4"}},
	} {
		for _, want := range fault.want {
			if !slices.Contains(got, want) {
				t.Errorf("%s: %s is missing among\n%s", fault.about, want, strings.Join(got, "\n"))
			}
		}
	}
	for _, f := range r.Findings {
		if f.What == "" || f.Why == "" || f.Instead == "" || f.Verdict == "" {
			t.Errorf("%s says too little: %+v", f.Rule, f)
		}
	}
	if len(r.Unread) > 0 || r.Worst() != Critical {
		t.Errorf("unread %v, worst %s", r.Unread, r.Worst())
	}
}

func TestTheCorrectedGuideHasNoFault(t *testing.T) {
	for _, dir := range []string{"testdata/corrected", "testdata/umbel"} {
		r, err := Examine(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range r.Findings {
			t.Errorf("%s: %s: %s", f.Place, f.Rule, f.What)
		}
		if len(r.Unread) > 0 || r.Worst() != 0 {
			t.Errorf("unread %v, worst %d", r.Unread, r.Worst())
		}
	}
}

func TestAPageIsReadByItsBlocks(t *testing.T) {
	r := examine(t, "guide.md", "# Guide\n\n```python\nCELERY_BROKER_CONNECTION_MAX_RETRIES = 10\n```\n\n~~~ sh\ncelery -A app flower\n~~~\n```\nCELERY_BROKER_CONNECTION_RETRY = False\n```\n")
	want := []string{"connection-retries high guide.md:4", "monitor-exposed high guide.md:8"}
	if got := lines(r); !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestACommentExcusesARule(t *testing.T) {
	r := examine(t, "a.py", "# doctor: ignore connection-retries\nCELERY_BROKER_CONNECTION_MAX_RETRIES = 10\n\nCELERY_BROKER_CONNECTION_RETRY = False # doctor: ignore\n",
		"b.py", "# doctor: ignore tls-options\nCELERY_BROKER_CONNECTION_MAX_RETRIES = 10\n")
	if got := lines(r); !slices.Equal(got, []string{"connection-retries high b.py:2"}) {
		t.Errorf("%v", got)
	}
}

func TestWhatCannotBeReadIsSaid(t *testing.T) {
	if _, err := Examine("testdata/none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
	if _, err := Examine(t.TempDir()); !errors.Is(err, ErrNothing) {
		t.Errorf("an empty folder: %v", err)
	}
	if _, err := Examine("doctor_test.go"); err == nil || !strings.Contains(err.Error(), ".py") {
		t.Errorf("a Go file: %v", err)
	}
	r := examine(t, "celery.py", "CELERY_TIMEZONE = 'UTC'\nCELERY_TASK_ROUTES = {'a': = 1}\n", "x.tf", "resource \"aws_mq_broker\" \"b\" {\n  engine_version = \n}\n",
		"x.sh", "celery -A x worker 'oops\n", "x.json", "{\"containerDefinitions\": [\n")
	var unread []string
	for _, u := range r.Unread {
		unread = append(unread, fmt.Sprintf("%s:%d", filepath.Base(u.Place.File), u.Place.Line))
	}
	for _, want := range []string{"celery.py:2", "x.tf:2", "x.sh:1", "x.json:0"} {
		if !slices.Contains(unread, want) {
			t.Errorf("%s is not said to be unread: %v", want, r.Unread)
		}
	}
}

func TestNothingIsRun(t *testing.T) {
	touched := filepath.Join(t.TempDir(), "touched")
	examine(t, "celery.py", "import os\nCELERY_TIMEZONE = os.system('touch "+touched+"')\n", "run.sh", "X=$(touch "+touched+") celery worker `touch "+touched+"`\n")
	if _, err := os.Stat(touched); err == nil {
		t.Error("something was run")
	}
}

func TestSettingsAreWrittenForUmbel(t *testing.T) {
	for _, dir := range []string{"testdata/guide", "testdata/corrected"} {
		r, err := Examine(dir)
		if err != nil {
			t.Fatal(err)
		}
		text, err := r.Settings()
		if err != nil {
			t.Fatal(err)
		}
		want, err := os.ReadFile(dir + ".yaml")
		if os.Getenv("UPDATE") != "" {
			err = os.WriteFile(dir+".yaml", text, 0o644)
			want = text
		}
		if err != nil || string(text) != string(want) {
			t.Errorf("%s: written\n%s\nwant\n%s%v", dir, text, want, err)
		}
		again := examine(t, "umbel.yaml", string(text))
		for _, f := range again.Findings {
			if f.Severity >= High {
				t.Errorf("%s: what was written: %s: %s", dir, f.Rule, f.What)
			}
		}
	}
	if _, err := examine(t, "umbel.yaml", "timezone: UTC\n").Settings(); err == nil {
		t.Error("settings of Umbel's own were written anew")
	}
}

func TestAReportIsJSON(t *testing.T) {
	text, err := json.Marshal(examine(t, "a.py", "CELERY_BROKER_CONNECTION_RETRY = False\n"))
	if err != nil {
		t.Fatal(err)
	}
	var back Report
	if err := json.Unmarshal(text, &back); err != nil || len(back.Findings) != 1 || back.Findings[0].Severity != High {
		t.Errorf("%s: %v", text, err)
	}
}

func TestSecretsKeptElsewhereAreFine(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"umbel.yaml": "broker_url: secretsmanager://shop/broker#url\nresult_backend: arn:aws:secretsmanager:eu-west-1:123456789012:secret:shop-AbCdEf:results::\nredis_password: file:/run/secrets/redis\n",
		"worker.env": "CELERY_BROKER_URL=ssm:///shop/broker\nUMBEL_RESULT_BACKEND_FILE=/run/secrets/results\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r, err := Examine(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range r.Findings {
		t.Errorf("%s: %s: %s", f.Place, f.Rule, f.What)
	}
}
