package doctor

import (
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"

	"github.com/umbel-go/umbel/internal/python"
	"github.com/umbel-go/umbel/secret"
)

// scheme is what a URL begins with, "" if it is not known.
func scheme(text string) string {
	before, _, ok := strings.Cut(text, "://")
	if !ok {
		return ""
	}
	return strings.ToLower(before)
}

// amqp tells whether the broker is RabbitMQ, as far as is known: it is unless something says otherwise. A URL that is kept elsewhere
// says nothing.
func (s *system) amqp() bool {
	if secret.Is(s.text("broker_url")) {
		return true
	}
	switch scheme(s.text("broker_url")) {
	case "", "amqp", "amqps", "pyamqp", "pyamqps":
		return true
	}
	return false
}

func tlsOptions(s *system, report func(Finding)) {
	for _, name := range []string{"broker_use_ssl", "redis_backend_use_ssl"} {
		redis := name == "redis_backend_use_ssl" || strings.HasPrefix(scheme(s.text("broker_url")), "redis")
		s.each(name, func(a assigned) {
			if a.Kind != python.Dict || !a.celery {
				return
			}
			var wrong, right []string
			var at *python.Node
			for _, p := range a.Pairs {
				if p.Key == nil || p.Key.Kind != python.String {
					continue
				}
				bare, long := strings.CutPrefix(p.Key.Text, "ssl_")
				tlsUnchecked(a, p, bare, report)
				if long == redis || bare == "version" && long {
					continue
				}
				if at == nil {
					at = p.Key
				}
				wrong = append(wrong, p.Key.Text)
				spelt := bare
				if redis {
					spelt = "ssl_" + bare
				}
				v := p.Value.String()
				if bare == "cert_reqs" && p.Value.Kind == python.String && !redis {
					v = "ssl." + p.Value.Text
				}
				right = append(right, fmt.Sprintf("%q: %s", spelt, v))
			}
			if at == nil {
				return
			}
			library, other := "py-amqp", "redis-py"
			if redis {
				library, other = other, library
			}
			report(Finding{
				Severity: Critical, Verdict: Wrong, Place: a.at(at),
				What:    fmt.Sprintf("%s: %s is %s's spelling, and %s fails on it", a.spelt, strings.Join(wrong, " and "), other, library),
				Why:     "its TLS function takes fixed names: every attempt to connect ends with a TypeError, and no worker ever starts.",
				Instead: fmt.Sprintf("%s = {%s}", a.spelt, strings.Join(right, ", ")),
			})
		})
	}
}

// tlsUnchecked finds options that switch verification off.
func tlsUnchecked(a assigned, p python.Pair, bare string, report func(Finding)) {
	text := p.Value.String()
	if bare == "cert_reqs" && (p.Value.Kind == python.None || strings.Contains(text, "CERT_NONE")) || bare == "check_hostname" && text == "False" {
		report(Finding{
			Severity: High, Verdict: Dangerous, Place: a.at(p.Key),
			What:    fmt.Sprintf("%s: %s lets anybody pose as the broker", a.spelt, p.Key.Text),
			Why:     "the connection is encrypted and its other end is not checked: whoever sits between reads the password and every task.",
			Instead: `"cert_reqs": ssl.CERT_REQUIRED, with "ca_certs" if the system's roots do not do`,
		})
	}
}

// giveUp is after how many seconds Celery stops to reconnect: it waits 2, 4, 6 … seconds, at most 30.
func giveUp(tries int64) int64 {
	var total int64
	for i := range min(tries, 100_000) {
		total += min(2+2*i, 30)
	}
	return total
}

// restart is how long a broker of a single instance may be away when it restarts, in seconds.
const restart = 600

func connectionRetries(s *system, report func(Finding)) {
	s.each("broker_connection_max_retries", func(a assigned) {
		if a.Kind == python.Int && a.Int > 0 && giveUp(a.Int) < restart {
			report(Finding{
				Severity: High, Verdict: Dangerous, Place: a.Place,
				What:    fmt.Sprintf("workers give up %d seconds after they lost the broker", giveUp(a.Int)),
				Why:     "a broker that is restarted, patched or fails over can be away for longer. The workers have exited by then, and come back only if something starts them again.",
				Instead: a.spelt + " = 0",
			})
		}
	})
	s.each("broker_connection_retry", func(a assigned) {
		if a.Kind == python.Bool && !a.Bool {
			report(Finding{
				Severity: High, Verdict: Dangerous, Place: a.Place,
				What: "workers end when they lose the broker", Why: "each restart of the broker, and each cut of the network, is the end of the fleet.",
				Instead: a.spelt + " = True",
			})
		}
	})
}

func brokerMissing(s *system, report func(Finding)) {
	seen := make(map[string]bool)
	s.each("broker_url", func(a assigned) {
		name, fallback, ok := environment(a.source)
		if !ok || fallback != nil || a.source.Kind == python.Index || seen[name] || !a.celery {
			return
		}
		seen[name] = true
		report(Finding{
			Severity: Medium, Verdict: Dangerous, Place: a.Place,
			What:    fmt.Sprintf("without the variable %s the broker is localhost", name),
			Why:     "a missing variable gives None, and Celery takes None for amqp://guest@localhost: the process starts, and publishes and waits where nobody is.",
			Instead: fmt.Sprintf("os.environ[%q], which fails with the variable's name", name),
		})
	})
}

func publishConfirm(s *system, report func(Finding)) {
	v, ok := s.get("broker_url")
	if !s.celery || !ok || !s.amqp() {
		return
	}
	if o, ok := s.get("broker_transport_options"); ok {
		if confirm := o.Get("confirm_publish"); confirm != nil && confirm.Kind == python.Bool && confirm.Bool {
			return
		}
		v = o
	}
	report(Finding{
		Severity: High, Verdict: Dangerous, Place: v.Place,
		What:    "messages are published without the broker's confirmation",
		Why:     "what the broker refuses (a queue that is full under reject-publish, which Amazon MQ sets on clusters) or loses as the connection breaks is gone, and delay() has returned an id.",
		Instead: `broker_transport_options = {"confirm_publish": True}`,
	})
}

// foreign are options of transports other than AMQP, by transport.
var foreign = map[string]string{
	"region": "SQS", "queue_name_prefix": "SQS", "polling_interval": "SQS", "wait_time_seconds": "SQS", "predefined_queues": "SQS",
	"visibility_timeout": "Redis and SQS", "master_name": "Redis Sentinel", "sentinel_kwargs": "Redis Sentinel", "fanout_prefix": "Redis",
	"fanout_patterns": "Redis", "global_keyprefix": "Redis", "priority_steps": "Redis", "sep": "Redis", "queue_order_strategy": "Redis",
}

func transportOptions(s *system, report func(Finding)) {
	if s.amqp() {
		s.strange("broker_transport_options", "AMQP", func(string) bool { return false }, report)
	}
	back := scheme(s.text("result_backend"))
	if !strings.Contains(back, "sentinel") {
		s.strange("result_backend_transport_options", "this result store", func(owner string) bool { return owner != "Redis Sentinel" && owner != "SQS" }, report)
	}
}

// strange finds the options that a transport does not know.
func (s *system) strange(name, transport string, fits func(owner string) bool, report func(Finding)) {
	s.each(name, func(a assigned) {
		var keys []string
		var owners []string
		var at *python.Node
		for _, p := range a.Pairs {
			if p.Key == nil {
				continue
			}
			owner := foreign[p.Key.Text]
			if owner == "" || fits(owner) {
				continue
			}
			if at == nil {
				at = p.Key
			}
			keys = append(keys, p.Key.Text)
			if !slices.Contains(owners, owner) {
				owners = append(owners, owner)
			}
		}
		if at == nil {
			return
		}
		report(Finding{
			Severity: Medium, Verdict: Ignored, Place: a.at(at),
			What:    fmt.Sprintf("%s: %s belongs to %s, and has no effect with %s", a.spelt, strings.Join(keys, " and "), strings.Join(owners, " and "), transport),
			Why:     "transports pass over options that they do not know: nothing is renamed, joined or measured by them. CloudWatch's metrics need no setting of Celery's.",
			Instead: "take it away; for metrics in CloudWatch see the exporter of umbel monitor",
		})
	})
}

// secretURL is a URL that holds a password, or nil.
func secretURL(text string) *url.URL {
	u, err := url.Parse(text)
	if err != nil || u.User == nil || u.Host == "" {
		return nil
	}
	password, ok := u.User.Password()
	if !ok || password == "" || strings.HasPrefix(password, "$") {
		return nil
	}
	return u
}

// here tells whether a host is this machine.
func here(host string) bool {
	ip := net.ParseIP(host)
	return host == "" || host == "localhost" || ip != nil && ip.IsLoopback()
}

func secretInText(s *system, report func(Finding)) {
	for _, name := range keysOf(s.variables) {
		v := s.variables[name]
		if u := secretURL(v.text); u != nil && !here(u.Hostname()) {
			report(Finding{
				Severity: Medium, Verdict: Dangerous, Place: v.Place,
				What:    fmt.Sprintf("%s holds the password of %s in clear", v.name, u.Hostname()),
				Why:     "a file of variables is copied, committed and printed. A special character in the password (#, /, @) also has to be percent-encoded, which is forgotten when it changes.",
				Instead: fmt.Sprintf("keep it in a secret store and give the process %s or %s_FILE from there; Umbel also reads %s=secretsmanager://NAME#KEY, ssm://NAME or file:PATH", v.name, v.name, v.name),
			})
		}
	}
	for _, name := range []string{"broker_url", "result_backend"} {
		s.each(name, func(a assigned) {
			if u := secretURL(a.Text); a.Kind == python.String && u != nil && !here(u.Hostname()) && a.at(a.Node) == a.Place {
				if _, fromVariable := s.variables["CELERY_"+strings.ToUpper(name)]; fromVariable {
					return
				}
				report(Finding{
					Severity: High, Verdict: Dangerous, Place: a.Place,
					What:    fmt.Sprintf("%s holds the password of %s in the source", a.spelt, u.Hostname()),
					Why:     "everybody who reads the code has it, and it cannot be changed without a release.",
					Instead: fmt.Sprintf("os.environ[%q], filled from a secret store", "CELERY_"+strings.ToUpper(name)),
				})
			}
		})
	}
}
