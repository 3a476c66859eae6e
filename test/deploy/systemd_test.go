package deploy

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// directives are those of systemd 252 that units may use here, by section.
var directives = map[string][]string{
	"Unit":    {"Description", "PartOf", "After", "Wants"},
	"Install": {"WantedBy", "DefaultInstance"},
	"Service": {"Type", "ExecStart", "Environment", "LoadCredential", "KillSignal", "KillMode", "TimeoutStopSec", "Restart", "RestartSec", "RestartPreventExitStatus",
		"RuntimeDirectory", "RuntimeDirectoryMode", "StateDirectory", "MemoryHigh", "MemoryMax", "TasksMax", "LimitNOFILE", "DynamicUser", "UMask", "NoNewPrivileges",
		"CapabilityBoundingSet", "AmbientCapabilities", "ProtectSystem", "ProtectHome", "PrivateTmp", "PrivateDevices", "ProtectProc", "ProtectClock", "ProtectHostname",
		"ProtectKernelLogs", "ProtectKernelModules", "ProtectKernelTunables", "ProtectControlGroups", "RestrictAddressFamilies", "RestrictNamespaces", "RestrictRealtime",
		"RestrictSUIDSGID", "LockPersonality", "RemoveIPC", "SystemCallArchitectures", "SystemCallFilter", "SystemCallErrorNumber"},
}

var repeated = []string{"Environment", "LoadCredential"}

// unit reads a unit file as systemd.syntax(7) has it, and refuses what it does not know.
func unit(t *testing.T, name string, text []byte) map[string][]string {
	t.Helper()
	out := make(map[string][]string)
	section := ""
	for i, line := range strings.Split(strings.ReplaceAll(string(text), "\\\n", " "), "\n") {
		switch {
		case line == "" || line[0] == '#':
		case line[0] == '[':
			section = strings.Trim(line, "[]")
			if directives[section] == nil {
				t.Errorf("%s:%d: section %s", name, i+1, section)
			}
		default:
			key, value, ok := strings.Cut(line, "=")
			if !ok || !slices.Contains(directives[section], key) {
				t.Errorf("%s:%d: %q is no directive of [%s]", name, i+1, line, section)
			}
			if len(out[key]) > 0 && !slices.Contains(repeated, key) {
				t.Errorf("%s:%d: %s is there twice", name, i+1, key)
			}
			out[key] = append(out[key], value)
		}
	}
	return out
}

func TestUnitsHoldTogether(t *testing.T) {
	t.Parallel()
	files := golden(t, "systemd")
	wanted := strings.Fields(unit(t, "shop.target", files["shop.target"])["Wants"][0])
	for name, text := range files {
		u := unit(t, name, text)
		if strings.HasSuffix(name, ".target") {
			continue
		}
		first, rest, template := strings.Cut(strings.TrimSuffix(name, ".service"), "@")
		if n := len(slices.DeleteFunc(slices.Clone(wanted), func(w string) bool { return w != name && (!template || !strings.HasPrefix(w, first+"@")) })); n == 0 || rest != "" {
			t.Errorf("the target wants no %s", name)
		}
		if u["KillSignal"][0] != "SIGTERM" || u["TimeoutStopSec"][0] != "90" || u["KillMode"][0] != "mixed" || u["DynamicUser"][0] != "yes" || u["NoNewPrivileges"][0] != "yes" {
			t.Errorf("%s: %v", name, u)
		}
		if !slices.Contains(u["LoadCredential"], "CELERY_BROKER_URL:/etc/shop/broker_url") || !slices.Contains(u["Environment"], "CELERY_BROKER_URL_FILE=%d/CELERY_BROKER_URL") {
			t.Errorf("%s: secrets %v, %v", name, u["LoadCredential"], u["Environment"])
		}
		if template && !strings.HasSuffix(u["ExecStart"][0], ".%i@%%h") {
			t.Errorf("%s: two would have one name: %s", name, u["ExecStart"][0])
		}
	}
}

// What systemd itself says; every line that it prints is a complaint.
func TestUnitsAreWhatSystemdTakes(t *testing.T) {
	t.Parallel()
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("there is no systemd-analyze on this machine:", err)
	}
	program, err := exec.LookPath("true")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	var units []string
	for name, text := range golden(t, "systemd") {
		text = []byte(strings.ReplaceAll(string(text), "/usr/local/bin/shop", program))
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			t.Fatal(err)
		}
		units = append(units, filepath.Join(dir, strings.Replace(name, "@.", "@1.", 1)))
		if strings.Contains(name, "@.") { // an instance is a link to its template, as systemctl enable makes it
			if err := os.Symlink(name, filepath.Join(dir, strings.Replace(name, "@.", "@1.", 1))); err != nil {
				t.Fatal(err)
			}
		}
	}
	cmd := exec.Command(analyze, append([]string{"verify", "--recursive-errors=no", "--man=no"}, units...)...)
	cmd.Env = append(os.Environ(), "SYSTEMD_UNIT_PATH="+dir+":")
	out, err := cmd.CombinedOutput()
	ours := regexp.MustCompile(`(?m)^.*(shop|`+regexp.QuoteMeta(dir)+`).*$`).FindAllString(string(out), -1)
	if err != nil || len(ours) > 0 {
		t.Errorf("systemd-analyze: %v\n%s", err, out)
	}
}
