package worker

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/codec"
)

// An About says which software this is, on what platform, with which settings.
type About struct {
	Software struct {
		Umbel string `json:"umbel"`
		Go    string `json:"go"`
	} `json:"software"`
	Platform struct {
		System string `json:"system"`
		Arch   string `json:"arch"`
		Kernel string `json:"kernel"`
	} `json:"platform"`
	Transport string `json:"transport"` // of the broker
	Results   string `json:"results"`   // URL of the result store, without its password

	// Settings are those that somebody has set, as JSON, without secrets.
	Settings map[string]json.RawMessage `json:"settings"`

	order []string // of Settings, the manual's
}

// AboutThis is about this program, with these settings.
func AboutThis(s *umbel.Config) *About {
	a := &About{Transport: "disabled", Results: "disabled", Settings: make(map[string]json.RawMessage)}
	a.Software.Umbel, a.Software.Go = buildVersion(), strings.TrimPrefix(runtime.Version(), "go")
	a.Platform.System, a.Platform.Arch, a.Platform.Kernel = systemName(), runtime.GOARCH, kernelVersion()
	if len(s.BrokerURL) > 0 {
		a.Transport, _, _ = strings.Cut(s.BrokerURL[0], "://")
	}
	if s.ResultBackend != "" {
		a.Results = broker.MaskURL(s.ResultBackend)
	}
	for _, e := range changed(s) {
		if text, err := censored(e).AppendJSON(nil); err == nil {
			a.Settings[e.Name] = text
			a.order = append(a.order, e.Name)
		}
	}
	return a
}

// Report is the text for people. Celery: report.
func Report(s *umbel.Config) string {
	var b strings.Builder
	a := AboutThis(s)
	fmt.Fprintf(&b, "\nsoftware -> umbel:%s go:%s\n", a.Software.Umbel, a.Software.Go)
	fmt.Fprintf(&b, "platform -> system:%s arch:%s\n            kernel version:%s imp:Go\n", a.Platform.System, a.Platform.Arch, a.Platform.Kernel)
	fmt.Fprintf(&b, "settings -> transport:%s results:%s\n\n", a.Transport, a.Results)
	for _, name := range a.order {
		fmt.Fprintf(&b, "%s: %s\n", name, codec.Repr(codec.JSON(a.Settings[name])))
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

// censored is a setting as Celery shows it to others: several URLs of a broker are one text.
func censored(e umbel.ConfigEntry) codec.Value {
	v := codec.JSON([]byte(e.Value))
	switch {
	case v.IsNull():
	case hidden.MatchString(e.Name):
		return codec.Of(stars)
	case strings.Contains(e.Name, "broker") && strings.HasSuffix(e.Name, "_url"):
		var urls []string
		if v.Decode(&urls) == nil {
			return codec.Of(strings.ReplaceAll(strings.Join(urls, ";"), ":**@", ":"+stars+"@"))
		}
	case strings.HasSuffix(e.Name, "backend"):
		var url string
		if v.Decode(&url) == nil {
			return codec.Of(strings.ReplaceAll(url, ":**@", ":"+stars+"@"))
		}
	}
	return v
}

// stars are what Celery writes in place of a secret.
const stars = "********"
