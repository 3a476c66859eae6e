package render

// Compose: the fleet on one machine, with the servers that it needs. docs.docker.com/reference/compose-file.

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Compose renders the plan as a compose file. Servers that no secret or variable names are in it. Secrets are files.
func (p Plan) Compose() ([]File, error) {
	var errs []error
	if p.Image == "" {
		errs = append(errs, errors.New("an image is missing: --image shop:1.0"))
	}
	for _, s := range p.Secrets {
		if strings.ContainsAny(s.From, "\n$") {
			errs = append(errs, fmt.Errorf("secret %s: %q is no file", s.Name, s.From))
		}
	}
	s := servers{}
	if !p.gives("broker_url") {
		s.rabbitmq = true
		p.Variables = append(p.Variables, Variable{"CELERY_BROKER_URL", "amqp://" + p.Name + ":${RABBITMQ_PASSWORD}@rabbitmq:5672//"})
		if p.Monitor && !p.gives("monitor_broker_api") {
			p.Variables = append(p.Variables, Variable{"UMBEL_MONITOR_BROKER_API", "http://" + p.Name + ":${RABBITMQ_PASSWORD}@rabbitmq:15672/api/"})
		}
	}
	if !p.gives("result_backend") {
		s.redis = true
		p.Variables = append(p.Variables, Variable{"CELERY_RESULT_BACKEND", "redis://:${REDIS_PASSWORD}@redis:6379/0"})
	}
	if p.Monitor {
		if !p.gives("monitor_db") {
			s.postgres = true
			p.Variables = append(p.Variables, Variable{"UMBEL_MONITOR_DB", "postgres://" + p.Name + ":${POSTGRES_PASSWORD}@postgres:5432/" + p.Name})
		}
		if !p.open() {
			p.Variables = append(p.Variables, Variable{"UMBEL_MONITOR_BASIC_AUTH", "admin:${MONITOR_PASSWORD}"})
		}
	}
	if err := errors.Join(append(errs, p.check())...); err != nil {
		return nil, err
	}
	text, err := encodeYAML(p.compose(s))
	if err != nil {
		return nil, err
	}
	return []File{{"compose.yaml", p.composeHead(s) + text}}, nil
}

// servers are those that the fleet brings along.
type servers struct{ rabbitmq, redis, postgres bool }

func (p *Plan) composeHead(s servers) string {
	var names []string
	for _, v := range []struct {
		wanted bool
		name   string
	}{{s.rabbitmq, "RABBITMQ_PASSWORD"}, {s.redis, "REDIS_PASSWORD"}, {s.postgres, "POSTGRES_PASSWORD"},
		{slices.ContainsFunc(p.Variables, func(v Variable) bool { return strings.Contains(v.Value, "${MONITOR_PASSWORD}") }), "MONITOR_PASSWORD"}} {
		if v.wanted {
			names = append(names, v.name)
		}
	}
	if len(names) == 0 {
		return ""
	}
	return "# Passwords come from the file .env beside this one:\n#   for n in " + strings.Join(names, " ") + "; do echo $n=$(openssl rand -hex 16); done > .env\n\n"
}

func (p *Plan) compose(s servers) object {
	all := p.processes(Variable{"UMBEL_METRICS_ADDRESS", "127.0.0.1:" + strconv.Itoa(metricsPort)})
	shared := sharedBy(all)
	environment := func(list []Variable, secrets []Secret) (o object) {
		for _, v := range list {
			o = append(o, field{v.Name, composeValue(v.Value)})
		}
		for _, x := range secrets {
			o = append(o, field{x.Name + "_FILE", "/run/secrets/" + x.Name})
		}
		return o
	}
	depends := object{}
	for _, d := range []struct {
		there bool
		name  string
	}{{s.rabbitmq, "rabbitmq"}, {s.redis, "redis"}, {s.postgres, "postgres"}} {
		if d.there {
			depends = append(depends, field{d.name, object{{"condition", "service_healthy"}}})
		}
	}
	process := object{
		{"image", p.Image},
		{"entrypoint", []string{p.Program}},
		{"user", "65532:65532"},
		{"read_only", true},
		{"tmpfs", []string{"/tmp"}},
		{"cap_drop", []string{"ALL"}},
		{"security_opt", []string{"no-new-privileges:true"}},
		{"init", true},
		{"restart", "unless-stopped"},
		{"stop_grace_period", strconv.Itoa(int(p.Grace.Seconds())) + "s"},
		{"healthcheck", object{{"test", []string{"CMD", p.Program, "healthcheck"}}, {"interval", "15s"}, {"timeout", "5s"}, {"start_period", "30s"}}},
	}
	if len(depends) > 0 {
		process = append(process, field{"depends_on", depends})
	}
	services := object{}
	for _, q := range all {
		mine := slices.DeleteFunc(slices.Clone(q.variables), func(v Variable) bool { return slices.Contains(shared, v) })
		env := append(object{{"<<", same("settings")}}, environment(mine, q.secrets)...)
		o := object{{"<<", same("process")}, {"command", composeWords(q.args)}, {"environment", env}}
		var secrets []string
		for _, x := range q.secrets {
			secrets = append(secrets, x.Name)
		}
		if len(secrets) > 0 {
			o = append(o, field{"secrets", secrets})
		}
		deploy := object{}
		if q.min != 1 {
			deploy = append(deploy, field{"replicas", max(q.min, 1)})
		}
		o = append(o, field{"deploy", append(deploy, field{"resources", object{{"limits", object{{"memory", strconv.Itoa(q.memory) + "M"}}}}})})
		if q.monitor {
			o = append(o, field{"ports", []string{fmt.Sprintf("127.0.0.1:%d:%d", monitorPort, monitorPort)}})
		}
		services = append(services, field{q.name, o})
	}
	services, volumes := p.serve(s, services)
	out := object{
		{"name", p.Name},
		{"x-settings", named{"settings", environment(shared, nil)}},
		{"x-process", named{"process", process}},
		{"services", services},
	}
	if len(p.Secrets) > 0 {
		list := object{}
		for _, x := range p.Secrets {
			list = append(list, field{x.Name, object{{"file", x.From}}})
		}
		out = append(out, field{"secrets", list})
	}
	if len(volumes) > 0 {
		out = append(out, field{"volumes", volumes})
	}
	return out
}

// serve adds the servers, and the volumes of what they keep.
func (p *Plan) serve(s servers, services object) (object, object) {
	volumes := object{}
	add := func(name, image, at string, test []string, rest ...field) {
		o := append(object{{"image", image}}, rest...)
		services = append(services, field{name, append(o,
			field{"volumes", []string{name + ":" + at}},
			field{"healthcheck", object{{"test", test}, {"interval", "5s"}, {"timeout", "10s"}, {"retries", 24}}},
			field{"restart", "unless-stopped"})})
		volumes = append(volumes, field{name, object{}})
	}
	if s.rabbitmq {
		add("rabbitmq", "rabbitmq:4.2-management", "/var/lib/rabbitmq", []string{"CMD", "rabbitmq-diagnostics", "-q", "check_port_connectivity"},
			field{"hostname", noted{"Its data belongs to this name.", "rabbitmq"}},
			field{"environment", object{{"RABBITMQ_DEFAULT_USER", p.Name}, {"RABBITMQ_DEFAULT_PASS", "${RABBITMQ_PASSWORD:?}"}}},
			field{"ports", []string{"127.0.0.1:15672:15672"}})
	}
	if s.redis {
		add("redis", "redis:7.4-alpine", "/data", []string{"CMD-SHELL", `redis-cli -a "$$REDIS_PASSWORD" --no-auth-warning ping | grep -q PONG`},
			field{"command", []string{"sh", "-c", `exec redis-server --requirepass "$$REDIS_PASSWORD" --appendonly yes`}},
			field{"environment", object{{"REDIS_PASSWORD", "${REDIS_PASSWORD:?}"}}})
	}
	if s.postgres {
		add("postgres", "postgres:17-alpine", "/var/lib/postgresql/data", []string{"CMD", "pg_isready", "-U", p.Name},
			field{"environment", object{{"POSTGRES_USER", p.Name}, {"POSTGRES_PASSWORD", "${POSTGRES_PASSWORD:?}"}}})
	}
	return services, volumes
}

// ours are the passwords that Compose puts in.
var ours = []string{"${RABBITMQ_PASSWORD}", "${REDIS_PASSWORD}", "${POSTGRES_PASSWORD}", "${MONITOR_PASSWORD}"}

// composeValue keeps Compose from putting variables into a value, but for our passwords, which must be there.
func composeValue(s string) string {
	s = strings.ReplaceAll(s, "$", "$$")
	for _, name := range ours {
		s = strings.ReplaceAll(s, "$"+name, strings.TrimSuffix(name, "}")+":?}")
	}
	return s
}

func composeWords(words []string) []string {
	out := make([]string, len(words))
	for i := range words {
		out[i] = strings.ReplaceAll(words[i], "$", "$$")
	}
	return out
}
