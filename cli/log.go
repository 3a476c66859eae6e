package cli

import (
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/lmittmann/tint"
)

// levelCritical is beyond errors: Celery's CRITICAL and FATAL.
const levelCritical = slog.LevelError + 4

// levels are Celery's names, as worker_loglevel allows them.
var levels = map[string]slog.Level{
	"debug": slog.LevelDebug, "info": slog.LevelInfo, "warning": slog.LevelWarn, "error": slog.LevelError,
	"critical": levelCritical, "fatal": levelCritical,
}

// setLogLevel changes the level of the log of the command that runs, by Celery's name.
func (p *program) setLogLevel(name string) error {
	level, known := levels[strings.ToLower(name)]
	if !known {
		return fmt.Errorf("%q is no log level: want debug, info, warning, error, critical or fatal", name)
	}
	p.level.Set(level)
	return nil
}

// levelName is Celery's name of a level.
func levelName(l slog.Level) string {
	switch {
	case l >= levelCritical:
		return "CRITICAL"
	case l >= slog.LevelError:
		return "ERROR"
	case l >= slog.LevelWarn:
		return "WARNING"
	case l >= slog.LevelInfo:
		return "INFO"
	}
	return "DEBUG"
}

// textHandler writes "time level message key=value", in colours for a terminal.
func textHandler(w io.Writer, level slog.Leveler, colour bool) slog.Handler {
	options := &tint.Options{Level: level, TimeFormat: time.TimeOnly}
	if !colour {
		options = &tint.Options{Level: level, TimeFormat: "2006-01-02T15:04:05.000Z07:00", NoColor: true, ReplaceAttr: nameLevel}
	}
	return newUnfold(w, func(w io.Writer) slog.Handler { return tint.NewTextHandler(w, options) })
}

// jsonHandler writes one object per line.
func jsonHandler(w io.Writer, level slog.Leveler) slog.Handler {
	return slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level, ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
		if a.Value.Kind() == slog.KindDuration {
			return slog.Float64(a.Key, a.Value.Duration().Seconds())
		}
		return nameLevel(groups, a)
	}})
}

func nameLevel(groups []string, a slog.Attr) slog.Attr {
	if l, ok := a.Value.Any().(slog.Level); ok && len(groups) == 0 && a.Key == slog.LevelKey {
		return slog.String(slog.LevelKey, levelName(l))
	}
	return a
}
