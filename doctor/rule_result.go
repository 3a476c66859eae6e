package doctor

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
)

func keysOf[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// An address is a URL of Redis that was found somewhere.
type address struct {
	name, text string
	Place
}

// redis are the URLs of Redis among settings and variables.
func (s *system) redis() []address {
	var out []address
	for _, name := range keysOf(s.variables) {
		if v := s.variables[name]; strings.HasPrefix(v.text, "redis") {
			out = append(out, address{name, v.text, v.Place})
		}
	}
	for _, name := range []string{"broker_url", "result_backend"} {
		s.each(name, func(a assigned) {
			for _, known := range out {
				if known.text == a.Text {
					return
				}
			}
			if strings.HasPrefix(a.Text, "redis") {
				out = append(out, address{a.spelt, a.Text, a.Place})
			}
		})
	}
	return out
}

func plainRedis(s *system, report func(Finding)) {
	for _, a := range s.redis() {
		u, err := url.Parse(a.text)
		if err != nil || here(u.Hostname()) {
			continue
		}
		host, database := u.Hostname(), strings.Trim(u.Path, "/")
		_, password := u.User.Password()
		var wrong, why []string
		if u.Scheme == "redis" {
			wrong, why = append(wrong, "no TLS"), append(why, "results and the password travel in clear")
		}
		if !password && u.Scheme == "redis" {
			wrong, why = append(wrong, "no password"), append(why, "whoever reaches the port reads and forges results")
		}
		cluster := strings.Contains(host, "cluster") || strings.HasPrefix(host, "clustercfg.")
		if cluster && database != "" && database != "0" {
			wrong = append(wrong, "database "+database+" of what is named a cluster")
			why = append(why, "a Redis cluster has database 0 only, and Celery does not speak to clusters at all")
		}
		if len(wrong) == 0 {
			continue
		}
		report(Finding{
			Severity: High, Verdict: Dangerous, Place: a.Place,
			What:    fmt.Sprintf("%s: Redis at %s with %s", a.name, host, strings.Join(wrong, ", ")),
			Why:     strings.Join(why, "; ") + ".",
			Instead: fmt.Sprintf("rediss://:PASSWORD@%s/0?ssl_cert_reqs=required, on ElastiCache with encryption in transit, AUTH, and cluster mode disabled", u.Host),
		})
	}
}

// shortest is how long results should be kept if nothing else records what ran, in seconds.
const shortest = 86400

func auditTrail(s *system, report func(Finding)) {
	v, ok := s.get("result_expires")
	seconds, number := v.Node.Number()
	if _, kept := s.get("audit_file"); !ok || !number || seconds <= 0 || seconds >= shortest || kept || !s.celery {
		return
	}
	report(Finding{
		Severity: Low, Verdict: Dangerous, Place: v.Place,
		What:    fmt.Sprintf("after %v seconds no trace of a task is left", v.Node),
		Why:     "results are the only record here, and they expire. Celery's events are no audit trail: they are sent without confirmation, and nobody keeps them.",
		Instead: "write what must be kept to your own database, in the transaction that does the work; umbel monitor keeps a history of every task",
	})
}
