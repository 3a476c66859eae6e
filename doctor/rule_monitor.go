package doctor

import (
	"strings"
)

func monitorExposed(s *system, report func(Finding)) {
	for _, c := range s.commands {
		if c.program != "celery" && c.program != "flower" || c.program == "celery" && c.sub() != "flower" {
			continue
		}
		at := c.index()
		for i, w := range c.words {
			if i > at && at >= 0 && (w.text == "--broker" || w.text == "-b" || strings.HasPrefix(w.text, "--broker=")) {
				report(Finding{
					Severity: Low, Verdict: Ignored, Place: w.Place,
					What:    "--broker after flower is ignored",
					Why:     "it is an option of celery, and flower only warns. What it shows is the broker of -A, which may be another one.",
					Instead: "celery -A … --broker=… flower; queue lengths need --broker_api, too",
				})
			}
		}
		auth, basic := c.option("--basic_auth", "--basic-auth")
		switch {
		case basic && strings.Contains(auth.text, ":") && !strings.Contains(auth.text, "$"):
			report(Finding{
				Severity: Medium, Verdict: Dangerous, Place: auth.Place,
				What:    "Flower's password stands on the command line",
				Why:     "every process list and shell history has it, Flower speaks plain HTTP, and whoever is in can stop workers.",
				Instead: "FLOWER_BASIC_AUTH from a secret store, behind TLS; or umbel monitor, with hashed passwords, roles and an audit log",
			})
		case !basic && !c.flag("--auth", "--auth_provider", "--auth-provider"):
			report(Finding{
				Severity: High, Verdict: Dangerous, Place: c.Place,
				What:    "Flower runs without authentication",
				Why:     "it listens on every address: whoever reaches the port sees arguments and results, revokes tasks and stops workers.",
				Instead: "--auth with OAuth, behind TLS; or umbel monitor, which does not listen beyond this machine without authentication",
			})
		}
	}
}
