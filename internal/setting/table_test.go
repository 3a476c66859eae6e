package setting

import (
	"os"
	"strings"
	"testing"
)

type celerySetting struct{ name, old, def string }

func celerySettings(t *testing.T) []celerySetting {
	t.Helper()
	text, err := os.ReadFile("testdata/celery_settings.tsv")
	if err != nil {
		t.Fatal(err)
	}
	var out []celerySetting
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(f) != 3 {
			t.Fatalf("testdata: %q has %d fields", line, len(f))
		}
		out = append(out, celerySetting{f[0], f[1], f[2]})
	}
	if len(out) != 198 {
		t.Fatalf("testdata holds %d settings, Celery has 198", len(out))
	}
	return out
}

func TestTableHoldsEverySettingOfCelery(t *testing.T) {
	want := celerySettings(t)
	known := make(map[string]bool)
	for _, c := range want {
		known[c.name] = true
		s, ok := Lookup(c.name)
		if !ok {
			t.Errorf("%s is missing", c.name)
			continue
		}
		if s.Name != c.name || s.Old != c.old || s.Celery != c.def || s.Own || s.Extra {
			t.Errorf("row %+v does not agree with Celery's %+v", *s, c)
		}
	}
	for _, s := range Table() {
		if !known[s.Name] && !s.Own && !s.Extra {
			t.Errorf("%s is no setting of Celery's table: is it Own or Extra?", s.Name)
		}
	}
}

func TestEveryRowIsComplete(t *testing.T) {
	seen := make(map[string]bool)
	for _, s := range Table() {
		if seen[s.Name] {
			t.Errorf("%s is in the table twice", s.Name)
		}
		seen[s.Name] = true
		if s.Doc == "" || !strings.HasSuffix(s.Doc, ".") {
			t.Errorf("%s: its meaning %q is not a sentence", s.Name, s.Doc)
		}
		if needs := s.Class == Accepted || s.Class == Refused; needs != (s.Why != "") {
			t.Errorf("%s: class %s and why %q do not go together", s.Name, s.Class, s.Why)
		}
		if SecretName(s.Name) && !s.Secret && s.Class != Accepted {
			t.Errorf("%s looks like a secret and is not marked as one", s.Name)
		}
		if s.Own && s.Celery != "" {
			t.Errorf("%s is Umbel's own and has a default in Celery", s.Name)
		}
	}
}

// Each spelling must mean one setting, or a file could set another than its author meant.
func TestNoSpellingMeansTwoSettings(t *testing.T) {
	spellings := make(map[string]string)
	for _, s := range Table() {
		for _, n := range []string{s.Name, s.Old, strings.ToUpper(s.Name), "CELERY_" + strings.ToUpper(s.Name)} {
			if before := spellings[n]; n != "" && before != "" && before != s.Name {
				t.Errorf("%s means %s and %s", n, before, s.Name)
			}
			spellings[n] = s.Name
		}
	}
}

func TestEverySpellingOfCelerysNamesIsUnderstood(t *testing.T) {
	for _, c := range celerySettings(t) {
		for _, n := range []string{c.name, c.old, strings.ToUpper(c.name), "CELERY_" + strings.ToUpper(c.name)} {
			if s, ok := Lookup(n); !ok || s.Name != c.name {
				t.Errorf("%s is not understood as %s", n, c.name)
			}
		}
	}
}

func TestMisspeltNamesAreAnsweredWithTheNearest(t *testing.T) {
	for name, want := range map[string]string{
		"broker_ulr":                  "broker_url",
		"task_ack_late":               "task_acks_late",
		"worker_prefetch_multiplyer":  "worker_prefetch_multiplier",
		"result_backends":             "result_backend",
		"accept_contents":             "accept_content",
		"CELERYD_CONCURENCY":          "CELERYD_CONCURRENCY",
		"CELERY_RESULT_BACKND":        "CELERY_RESULT_BACKEND",
		"BROKER_ULR":                  "BROKER_URL",
		"favourite_colour":            "",
		"x":                           "",
		strings.Repeat("broker_", 99): "",
	} {
		if got := suggest(name); got != want {
			t.Errorf("%s: suggested %q, want %q", name, got, want)
		}
	}
}
