package worker

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"regexp"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/codec"
	"github.com/umbel-go/umbel/control"
)

func (p *panel) ping(context.Context, arguments) (any, error) { return control.Done("pong"), nil }

// clockNow is the clock that events are ordered by.
func (p *panel) clockNow() int64 { return p.worker.clock.Value() }

func (p *panel) clock(context.Context, arguments) (any, error) {
	return object("clock", p.clockNow()), nil
}

// hello answers a worker of Python's that starts (mingle), and takes what it knows to be revoked. Times are seconds on a
// clock of the sender's own, which say nothing here.
func (p *panel) hello(_ context.Context, a arguments) (any, error) {
	w := p.worker
	if a.text("from_node") == w.node {
		return nil, nil
	}
	x, _ := a.Argument("revoked").Any()
	if theirs, ok := x.(map[string]any); ok && len(theirs) <= umbel.RevokedMost {
		names := make([]string, 0, len(theirs))
		for id := range theirs {
			names = append(names, umbel.RevokedID(id))
		}
		slices.Sort(names)
		w.revoked.add(time.Now(), names...)
	}
	ids := w.revoked.ids()
	revoked := make([]codec.NamedValue, len(ids))
	now := monotonic()
	for i, id := range ids {
		revoked[i] = codec.NamedValue{Name: id, Value: codec.Of([]any{now, id})}
	}
	return object("revoked", revoked, "clock", p.clockNow()), nil
}

// election is gossip's, among Python's workers. Umbel's do not stand for election.
func (p *panel) election(context.Context, arguments) (any, error) { return nil, nil }

// monotonic is a time of this host's clock since it was started, in seconds, as Python's worker sends one.
func monotonic() float64 {
	var up float64
	if data, err := os.ReadFile("/proc/uptime"); err == nil {
		if _, err := fmt.Sscan(string(data), &up); err == nil {
			return up
		}
	}
	return float64(time.Now().Unix())
}

func (p *panel) report(context.Context, arguments) (any, error) {
	w := p.worker
	return control.Done(Report(w.settings)), nil
}

// Report says which software this is, on what platform, with which settings: a text for people. Celery: report.
func Report(s *umbel.Config) string {
	var b strings.Builder
	transport, results := "disabled", "disabled"
	if len(s.BrokerURL) > 0 {
		transport, _, _ = strings.Cut(s.BrokerURL[0], "://")
	}
	if s.ResultBackend != "" {
		results = broker.MaskURL(s.ResultBackend)
	}
	fmt.Fprintf(&b, "\nsoftware -> umbel:%s go:%s\n", buildVersion(), strings.TrimPrefix(runtime.Version(), "go"))
	fmt.Fprintf(&b, "platform -> system:%s arch:%s\n            kernel version:%s imp:Go\n", systemName(), runtime.GOARCH, kernelVersion())
	fmt.Fprintf(&b, "settings -> transport:%s results:%s\n\n", transport, results)
	for _, e := range changed(s) {
		fmt.Fprintf(&b, "%s: %s\n", e.Name, codec.Repr(censored(e)))
	}
	return b.String()
}

// systemName is the platform as Python names it.
func systemName() string {
	return strings.ToUpper(runtime.GOOS[:1]) + runtime.GOOS[1:]
}

func kernelVersion() string {
	v, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return "unknown"
	}
	return string(bytes.TrimSpace(v))
}

// buildVersion is this module's version as the program was built with it.
func buildVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, m := range append([]*debug.Module{&info.Main}, info.Deps...) {
		if m.Path == "github.com/umbel-go/umbel" && m.Version != "" {
			return m.Version
		}
	}
	return "(devel)"
}

// conf is the settings that are set, or all of them.
func (p *panel) conf(_ context.Context, a arguments) (any, error) {
	entries := p.worker.settings.Entries()
	if !a.flag("with_defaults") {
		entries = changed(p.worker.settings)
	}
	out := make([]codec.NamedValue, len(entries))
	for i, e := range entries {
		out[i] = codec.NamedValue{Name: e.Name, Value: censored(e)}
	}
	return out, nil
}

// changed are the settings that somebody has set, or that differ from their defaults.
func changed(s *umbel.Config) []umbel.ConfigEntry {
	usual := make(map[string]string)
	for _, e := range (umbel.Config{}).Entries() {
		usual[e.Name] = e.Value
	}
	return slices.DeleteFunc(s.Entries(), func(e umbel.ConfigEntry) bool {
		return e.Source == "default" || e.Source == "code" && usual[e.Name] == e.Value
	})
}

// hidden are the settings whose values Celery shows to nobody, by their names.
var hidden = regexp.MustCompile(`(?i)API|TOKEN|KEY|SECRET|PASS|PROFANITIES_LIST|SIGNATURE|DATABASE|BEAT_DBURI`)

func censored(e umbel.ConfigEntry) codec.Value {
	v := codec.JSON([]byte(e.Value))
	if hidden.MatchString(e.Name) && !v.IsNull() {
		return codec.Of("********")
	}
	return v
}

func (p *panel) memsample(context.Context, arguments) (any, error) {
	if m := residentMemory(); m != "" {
		return m, nil
	}
	return nil, nil
}

// memdump shows the memory now, as its last line: samples of earlier requests are not kept.
func (p *panel) memdump(context.Context, arguments) (any, error) {
	m := residentMemory()
	if m == "" {
		return "- rss: unknown on this system\n", nil
	}
	return fmt.Sprintf("- rss (sample):\n-    > %s,\n- rss (end): %s.\n", m, m), nil
}

// residentMemory is the memory of this process that is in RAM, "" where the system does not say so.
func residentMemory() string {
	data, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return ""
	}
	var size, resident int64
	if _, err := fmt.Sscan(string(data), &size, &resident); err != nil {
		return ""
	}
	return fmt.Sprintf("%.3fMB", float64(resident*int64(os.Getpagesize()))/(1<<20))
}

func (p *panel) shutdown(context.Context, arguments) (any, error) {
	p.worker.log.Warn("worker: told to shut down by remote control")
	p.worker.Stop(Warm)
	return nil, control.ErrNoReply
}
