package render

// Systemd: of each kind of process a unit, workers as templates of which several may run, and a target for all.
// systemd.exec(5), systemd.service(5), systemd.kill(5).

import (
	"errors"
	"fmt"
	"path"
	"strconv"
	"strings"
)

// Systemd renders the plan as units for one host. Secrets are files that systemd hands over as credentials: their variables
// are told as NAME_FILE.
func (p Plan) Systemd() ([]File, error) {
	if err := errors.Join(p.check(), p.checkSystemd()); err != nil {
		return nil, err
	}
	var files []File
	var wants []string
	for _, q := range p.processes() {
		unit := p.Name + "-" + q.name
		if !q.worker {
			wants = append(wants, unit+".service")
			files = append(files, File{unit + ".service", p.unit(q, unit)})
			continue
		}
		for i := range q.max {
			wants = append(wants, fmt.Sprintf("%s@%d.service", unit, i+1))
		}
		files = append(files, File{unit + "@.service", p.unit(q, unit)})
	}
	target := fmt.Sprintf("[Unit]\nDescription=All of %s\nWants=%s\n\n[Install]\nWantedBy=multi-user.target\n", p.Name, strings.Join(wants, " \\\n    "))
	return append(files, File{p.Name + ".target", target}), nil
}

func (p *Plan) checkSystemd() error {
	var errs []error
	for _, s := range p.Secrets {
		if !path.IsAbs(s.From) || strings.ContainsAny(s.From, " \t\n%:") {
			errs = append(errs, fmt.Errorf("secret %s: %q: want the path of a file from the root", s.Name, s.From))
		}
	}
	for _, w := range p.Workers {
		if w.Max != w.Min {
			errs = append(errs, fmt.Errorf("worker %q: one host does not scale: say how many there are", w.Name))
		}
	}
	return errors.Join(append(errs, p.needed("/etc/"+p.Name+"/KEY"))...)
}

func (p *Plan) unit(q process, unit string) string {
	var b strings.Builder
	line := func(format string, a ...any) { fmt.Fprintf(&b, format+"\n", a...) }
	what, at := q.name, unit
	args := make([]string, len(q.args))
	for i, a := range q.args {
		if a == q.node+"@%h" && q.worker { // the host has one, two … of them
			args[i] = systemdWord(q.node+".") + "%i@%%h"
			continue
		}
		args[i] = systemdWord(a)
	}
	if q.worker {
		what, at = "worker of "+strings.Join(q.queues, ", ")+" (%i)", unit+"-%i"
	}
	if q.monitor && !p.gives("monitor_db") {
		for i, a := range args {
			if a == "/data/monitor.db" {
				args[i] = "/var/lib/" + unit + "/monitor.db"
			}
		}
	}
	line("[Unit]")
	line("Description=%s: %s", p.Name, what)
	line("PartOf=%s.target", p.Name)
	line("After=network-online.target")
	line("Wants=network-online.target")
	line("")
	line("[Service]")
	line("Type=exec")
	line("ExecStart=%s %s", systemdWord(p.Program), strings.Join(args, " "))
	for _, v := range q.variables {
		line("Environment=%s", systemdQuote(v.Name+"="+v.Value))
	}
	line("Environment=UMBEL_METRICS_ADDRESS=/run/%s/metrics.sock", at)
	for _, s := range q.secrets {
		line("LoadCredential=%s:%s", s.Name, s.From)
		line("Environment=%s_FILE=%%d/%s", s.Name, s.Name)
	}
	line("")
	line("# SIGTERM stops warmly; after that time systemd kills what is left, children of the process pool included.")
	line("KillSignal=SIGTERM")
	line("KillMode=mixed")
	line("TimeoutStopSec=%d", int(p.Grace.Seconds()))
	line("Restart=always")
	line("RestartSec=5")
	line("# A command line or settings that make no sense will make none in five seconds.")
	line("RestartPreventExitStatus=2 78")
	line("")
	line("RuntimeDirectory=%s", at)
	line("RuntimeDirectoryMode=0755")
	if q.monitor {
		line("StateDirectory=%s", unit)
	}
	line("MemoryHigh=%dM", q.memory*9/10)
	line("MemoryMax=%dM", q.memory)
	line("TasksMax=4096")
	line("LimitNOFILE=65536")
	line("")
	b.WriteString(hardening)
	if q.worker {
		line("\n[Install]\nWantedBy=%s.target\nDefaultInstance=1", p.Name)
	} else {
		line("\n[Install]\nWantedBy=%s.target", p.Name)
	}
	return b.String()
}

// hardening takes away what no process of a fleet needs. MemoryDenyWriteExecute stays out: a task may start an interpreter.
const hardening = `DynamicUser=yes
UMask=0077
NoNewPrivileges=yes
CapabilityBoundingSet=
AmbientCapabilities=
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
ProtectProc=invisible
ProtectClock=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectControlGroups=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
RemoveIPC=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM
`

// systemdWord is a word of ExecStart as it is meant.
func systemdWord(s string) string {
	quoted := strings.ReplaceAll(s, "$", "$$")
	if strings.ContainsAny(quoted, " \t\n\"'\\;") || quoted == "" {
		return systemdQuote(quoted)
	}
	return strings.ReplaceAll(quoted, "%", "%%")
}

// systemdQuote is text in quotes, as Environment takes it.
func systemdQuote(s string) string {
	return strings.ReplaceAll(strconv.QuoteToASCII(s), "%", "%%")
}
