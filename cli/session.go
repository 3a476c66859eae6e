package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/backend"
	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/worker"
)

// settings loads the settings and puts them in force; flags are those of the command itself. It returns them as they
// were given, without defaults.
func (p *program) settings(flags map[string]string) (*umbel.Config, error) {
	return p.settingsFor(umbel.LoadOptions{Flags: flags})
}

// settingsFor is settings with what else is to be heeded.
func (p *program) settingsFor(o umbel.LoadOptions) (*umbel.Config, error) {
	if p.given != nil {
		return p.given, nil
	}
	file, note := p.global.settingsFile()
	if note != "" && !p.global.quiet && !worker.InChild() {
		fmt.Fprintln(p.Err, note)
	}
	all := p.global.flags()
	maps.Copy(all, o.Flags)
	o.File, o.Flags = file, all
	c, err := p.app.Load(o)
	if err != nil {
		return nil, settingsFault(err)
	}
	if file != "" && c.File() == "" {
		return nil, &fault{code: exitUsage, err: fmt.Errorf("this program has its settings in code, and reads no settings file %s", file)}
	}
	p.given = &c
	return p.given, nil
}

// settingsFault tells settings that are wrong on the command line, which is misuse, from those that are wrong elsewhere.
func settingsFault(err error) error {
	var c *umbel.ConfigError
	if errors.As(err, &c) && !slices.ContainsFunc(c.Problems, func(s string) bool { return !strings.HasPrefix(s, "flag ") }) {
		return &fault{code: exitUsage, err: err}
	}
	return &fault{code: exitConfig, err: err}
}

// prepare loads the settings for a command that connects and ends soon: only warnings are logged.
func (p *program) prepare() error { return p.prepareWith(nil) }

// prepareWith is prepare with settings that were given as options.
func (p *program) prepareWith(flags map[string]string) error {
	first := p.given == nil
	c, err := p.settings(flags)
	if err != nil {
		return err
	}
	level := slog.LevelWarn
	if p.global.quiet {
		level = levelCritical
	} else if first && embedded(c) {
		fmt.Fprintln(p.Err, "broker_url is not set: using the embedded broker sqlite://umbel.db")
	}
	p.app.SetLogger(slog.New(textHandler(p.Err, level, p.ink.on)))
	return nil
}

// embedded reports whether nobody has said which broker to use.
func embedded(c *umbel.Config) bool {
	return len(c.BrokerURL) == 0 && len(c.BrokerWriteURL) == 0 && c.BrokerHost == ""
}

// connect opens the broker.
func (p *program) connect(ctx context.Context) (broker.Broker, error) {
	if err := p.prepare(); err != nil {
		return nil, err
	}
	b, err := p.app.Broker(ctx)
	return b, connectFault(err)
}

// connectFault tells settings that cannot be right from a broker that does not answer.
func connectFault(err error) error {
	var open *broker.OpenError
	if err == nil || errors.As(err, &open) || code(err) != exitFailure {
		return err
	}
	return &fault{code: exitConfig, err: err}
}

// results opens the result store.
func (p *program) results(ctx context.Context) (backend.Backend, error) {
	if _, err := p.connect(ctx); err != nil {
		return nil, err
	}
	b, err := p.app.Backend(ctx)
	return b, unavailable(err)
}
