package cli

import (
	"log/slog"
	"strings"
	"testing"
)

func TestTracebacksAreWrittenBelowTheirLine(t *testing.T) {
	var out strings.Builder
	log := slog.New(textHandler(&out, slog.LevelInfo, false)).With("id", "7")
	log.Error("task failed", "traceback", "one\n\n  two\n", "queue", "celery")
	log.Info("next")
	log.Debug("unseen")
	lines := strings.Split(out.String(), "\n")
	want := []string{"ERROR task failed id=7 queue=celery", "    one", "", "      two", "INFO next id=7", ""}
	if len(lines) != len(want) {
		t.Fatalf("got %q", lines)
	}
	for i := range want {
		got := lines[i]
		if i == 0 || i == 4 {
			_, got, _ = strings.Cut(got, " ") // the time
		}
		if got != want[i] {
			t.Errorf("line %d is %q, want %q", i, got, want[i])
		}
	}
}

func TestEveryLevelHasCelerysName(t *testing.T) {
	for name, level := range levels {
		want := strings.ToUpper(name)
		if name == "fatal" {
			want = "CRITICAL"
		}
		if got := levelName(level); got != want {
			t.Errorf("%s is called %s", name, got)
		}
	}
}
