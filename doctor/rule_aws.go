package doctor

import (
	"fmt"
	"slices"
	"strings"

	"github.com/umbel-go/umbel/internal/amazonmq"
)

func brokerCreate(s *system, report func(Finding)) {
	for _, b := range s.creations {
		version := b.version
		if v, patch, known := amazonmq.FindVersion(b.version); b.version != "" {
			f := Finding{Severity: Critical, Verdict: Wrong, Place: b.place("version"), Instead: fmt.Sprintf("%q, or 3.13 while its clients need it", "4.2")}
			switch {
			case !known:
				f.What = fmt.Sprintf("Amazon MQ has no RabbitMQ %s", b.version)
				f.Why = "it offers " + strings.Join(amazonmq.Supported(), ", ") + "."
				report(f)
			case !v.End.IsZero():
				f.What = fmt.Sprintf("RabbitMQ %s cannot be created any more", v.Name)
				f.Why = fmt.Sprintf("its support ended on %s.", v.End.Format("2 January 2006"))
				report(f)
				version = "4.2"
			case patch:
				f.Severity, f.What = Medium, fmt.Sprintf("RabbitMQ %s names a patch", b.version)
				f.Why, f.Instead = "AWS applies patches by itself, and takes major and minor only.", fmt.Sprintf("%q", v.Name)
				report(f)
			}
		}
		s.checkInstance(b, version, report)
		if b.public == "" && !b.fromFile {
			report(Finding{
				Severity: Critical, Verdict: Wrong, Place: b.Place,
				What: "aws mq create-broker without --publicly-accessible or --no-publicly-accessible", Why: "one of the two is mandatory: the command fails.",
				Instead: "--no-publicly-accessible",
			})
		}
		if b.public == "true" {
			report(Finding{
				Severity: High, Verdict: Dangerous, Place: b.place("public"),
				What: "the broker is open to the Internet", Why: "its password is all that protects it, and it cannot be made private later.",
				Instead: "a private broker, reached by VPN or bastion",
			})
		}
		if b.password != "" {
			f := Finding{
				Severity: Medium, Verdict: Dangerous, Place: b.place("password"),
				What: "the broker's password is written out", Why: "shell history, process list or repository have it.",
				Instead: "--cli-input-json from a file that is not kept, or a secret store; and a user of its own for workers, without the tag administrator",
			}
			if why := amazonmq.CheckPassword(b.password); why != "" {
				f.What += ", and AWS refuses it: " + why
				f.Severity = Critical
			}
			report(f)
		}
	}
}

// checkInstance finds types that a version does not run on, and modes that there are not.
func (s *system) checkInstance(b creation, version string, report func(Finding)) {
	i, known := amazonmq.FindInstance(b.instance)
	f := Finding{Severity: Critical, Verdict: Wrong, Place: b.place("instance"), Instead: `"mq.m7g.large", or "mq.m7g.medium" for tests`}
	switch {
	case b.instance == "":
	case !known:
		f.What = fmt.Sprintf("Amazon MQ for RabbitMQ has no instance type %s", b.instance)
		f.Why = "it is refused."
		report(f)
	case version != "" && !i.Runs(version):
		f.What = fmt.Sprintf("RabbitMQ %s does not run on %s", version, b.instance)
		f.Why = "the 4 series runs on mq.m7g only."
		report(f)
	case i.Single && strings.HasPrefix(b.mode, "CLUSTER"):
		f.What = fmt.Sprintf("%s cannot be part of a cluster", b.instance)
		f.Why = "it is refused."
		report(f)
	}
	if b.mode != "" && !slices.Contains(amazonmq.Modes, b.mode) {
		report(Finding{
			Severity: Critical, Verdict: Wrong, Place: b.place("mode"),
			What: fmt.Sprintf("RabbitMQ has no deployment mode %s", b.mode), Why: "it is refused.", Instead: strings.Join(amazonmq.Modes, " or "),
		})
	}
}

func brokerUpkeep(s *system, report func(Finding)) {
	for _, b := range s.creations {
		if b.terraform && b.patches != "true" {
			report(Finding{
				Severity: Low, Verdict: Wrong, Place: b.Place,
				What: "auto_minor_version_upgrade is not true", Why: "from 3.13 on AWS manages patches by itself, and Terraform will see a difference that it cannot mend.",
				Instead: "auto_minor_version_upgrade = true",
			})
		}
		if b.terraform && !b.window {
			report(Finding{
				Severity: Low, Verdict: Wrong, Place: b.Place,
				What: "no maintenance window is chosen", Why: "AWS chooses one, and restarts the broker's nodes in it: it may be your busiest hour.",
				Instead: "maintenance_window_start_time { … }",
			})
		}
	}
}
