package render

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/umbel-go/umbel/internal/amazonmq"
)

const versionsTF = `terraform {
required_version = ">= 1.5"

required_providers {
aws = {
source = "hashicorp/aws"
version = ">= 5.0"
}
}
}
`

// formatted is text as terraform fmt writes it.
func formatted(text string) string { return string(hclwrite.Format([]byte(text))) }

// literal is a value as Terraform reads it: no part of a text is an expression.
func literal(v any) string { return string(hclwrite.TokensForValue(ctyOf(v)).Bytes()) }

// readable is a text, as Terraform's own objects and lists where it is JSON of some: routes and queues are meant to be reviewed.
func readable(text string) string {
	if !strings.HasPrefix(text, "{") && !strings.HasPrefix(text, "[") {
		return literal(text)
	}
	var v ctyjson.SimpleJSONValue
	if err := v.UnmarshalJSON([]byte(text)); err != nil {
		return literal(text)
	}
	return "jsonencode(" + string(hclwrite.TokensForValue(v.Value).Bytes()) + ")"
}

func ctyOf(v any) cty.Value {
	switch v := v.(type) {
	case nil:
		return cty.NullVal(cty.DynamicPseudoType)
	case string:
		return cty.StringVal(v)
	case int:
		return cty.NumberIntVal(int64(v))
	case bool:
		return cty.BoolVal(v)
	case []string:
		list := make([]cty.Value, len(v))
		for i := range v {
			list[i] = cty.StringVal(v[i])
		}
		return cty.TupleVal(list)
	case map[string]any:
		fields := make(map[string]cty.Value, len(v))
		for k := range v {
			fields[k] = ctyOf(v[k])
		}
		return cty.ObjectVal(fields)
	}
	panic(fmt.Sprintf("render: %T has no place in Terraform", v))
}

// A writer writes blocks. Each writes its attributes as they come; formatted sees to blanks.
type writer struct{ strings.Builder }

func (b *writer) line(format string, a ...any) { fmt.Fprintf(b, format+"\n", a...) }

// block writes a block; rows are pairs of a name and what it is, as Terraform reads it. A row without a name is a blank line, or a comment.
func (b *writer) block(head string, rows ...[2]string) {
	b.line("\n%s {", head)
	for _, r := range rows {
		if r[0] == "" {
			b.line("%s", r[1])
			continue
		}
		b.line("%s = %s", r[0], r[1])
	}
	b.line("}")
}

func (r *root) module(b *writer, name, of string, rows ...[2]string) {
	b.block("module "+strconv.Quote(name), append([][2]string{{"source", r.source(of)}}, rows...)...)
}

// main is what is made.
func (r *root) main() string {
	var b writer
	b.line("# %s on AWS, whole: broker, result store, secrets, a service for each kind of process%s.", r.Name, map[bool]string{true: ", alarms, a dashboard"}[r.Monitor])
	b.line("# Of umbel render terraform: review it, and keep it beside the code.")
	b.line("\nprovider \"aws\" {\nregion = var.region\n\ndefault_tags {\ntags = local.tags\n}\n}")
	r.locals(&b)
	r.servers(&b)
	r.services(&b)
	if r.Monitor {
		r.alarms(&b)
	}
	return b.String()
}

func (r *root) locals(b *writer) {
	tags := make(map[string]any)
	for k, v := range r.o.Broker.Tags {
		tags[k] = v
	}
	b.line("\nlocals {\nname = %s\ntags = %s\n", literal(r.Name), literal(tags))
	b.line("# What every process is told. Secrets are not among it.\nsettings = %s\n", cmp.Or(r.settings(false), "{}"))
	b.line("workers = %s", literal(r.workers()))
	if r.Monitor {
		queues, _ := r.watched()
		b.line("\n# The same on every metric, as the monitor tells them.\ndimensions = %s", literal(r.told()))
		b.line("\n# What alarms look at. slots: how many messages workers may hold at once.\nqueues = %s", literal(queues))
	}
	b.line("}")
}

// servers are what workers need.
func (r *root) servers(b *writer) {
	br := &r.o.Broker
	r.module(b, "network", "network", [2]string{"name", "local.name"}, [2]string{"vpc_id", "var.vpc_id"}, [2]string{"publishers", "var.publishers"}, [2]string{"operators", "var.operators"})
	encryption := "null"
	if br.KMSKey != "" {
		encryption = literal(map[string]any{"kms_key_id": br.KMSKey})
	}
	b.line("\n# At rest all is encrypted, by a key that AWS owns unless another is given here: that is decided once, for ever.")
	b.line("# Later passwords of the administrator are the management API's affair. A data source, aws_secretsmanager_secret_version, is")
	b.line("# the better place for the first one, too: what a variable holds is in the state.")
	text := writer{}
	r.module(&text, "broker", "broker",
		[2]string{"name", literal(br.Name)}, [2]string{"engine_version", literal(br.Version)}, [2]string{"instance_type", literal(br.Instance)}, [2]string{"deployment_mode", literal(br.Mode)},
		[2]string{"subnet_ids", "var.private_subnet_ids"}, [2]string{"security_group_ids", "[module.network.broker]"},
		[2]string{"admin", fmt.Sprintf("{ username = %s, password = var.broker_admin_password }", literal(br.User))},
		[2]string{"encryption", encryption},
		[2]string{"maintenance", fmt.Sprintf("{ day = %s, time = %s, zone = %s }", literal(br.Window.Day), literal(br.Window.Time), literal(br.Window.Zone))},
		[2]string{"tags", "local.tags"})
	b.WriteString(strings.TrimPrefix(text.String(), "\n"))
	replicas := [2]string{"replicas", "1"}
	if br.Mode == amazonmq.Single {
		replicas[1] = "0"
	}
	r.module(b, "results", "results", [2]string{"name", literal(r.Name + "-results")}, [2]string{"subnet_ids", "var.private_subnet_ids"}, [2]string{"security_group_ids", "[module.network.results]"},
		[2]string{"auth_token", "var.redis_token"}, replicas)
	policies := "{}"
	if r.o.Bucket != "" {
		rows := [][2]string{{"name", literal(r.o.Bucket)}}
		if r.o.Prefix != "" {
			rows = append(rows, [2]string{"prefix", literal(r.o.Prefix)})
		}
		r.module(b, "storage", "storage", rows...)
		policies = "{ storage = module.storage.policy }"
	}
	rows := [][2]string{{"name", "local.name"}, {"result_backend", "module.results.url"}}
	if extra := r.extra(); extra != "" {
		rows = append(rows, [2]string{"extra", extra})
	}
	r.module(b, "secrets", "secrets", append(rows, [2]string{"", ""}, [2]string{"broker", "{\nendpoint = module.broker.endpoint\nusername = var.broker_user.username\npassword = var.broker_user.password\n}"})...)
	arns := "[module.secrets.arn]"
	if f := r.foreign(); len(f) > 0 {
		arns = "concat([module.secrets.arn], " + literal(f) + ")"
	}
	r.module(b, "cluster", "cluster", [2]string{"name", "local.name"}, [2]string{"secret_arns", arns}, [2]string{"worker_policies", policies})
}

// extra are the further keys of the secret: what variables of Terraform hold.
func (r *root) extra() string {
	var keys []string
	for _, s := range r.Secrets {
		if terraformVariable.MatchString(s.From) {
			keys = append(keys, s.Name+" = "+s.From)
		}
	}
	if len(keys) == 0 {
		return ""
	}
	return "{\n" + strings.Join(keys, "\n") + "\n}"
}

// merged is one of Terraform's maps with more in it.
func merged(of string, more [][2]string) string {
	if len(more) == 0 {
		return of
	}
	var rows []string
	for _, m := range more {
		rows = append(rows, m[0]+" = "+m[1])
	}
	return "merge(" + of + ", {\n" + strings.Join(rows, "\n") + "\n})"
}

// services are the processes.
func (r *root) services(b *writer) {
	architecture := "X86_64"
	if r.o.ARM {
		architecture = "ARM64"
	}
	shared := func(role, secrets string) [][2]string {
		return [][2]string{{"", ""}, {"image", "var.image"}, {"program", literal(r.Program)}, {"architecture", literal(architecture)}, {"stop_timeout", strconv.Itoa(int(r.Grace.Seconds()))},
			{"secrets", secrets}, {"cluster", "module.cluster.name"}, {"execution_role_arn", "module.cluster.execution_role_arn"}, {"task_role_arn", "module.cluster." + role},
			{"log_group", "module.cluster.log_group"}, {"region", "var.region"}, {"subnet_ids", "var.private_subnet_ids"}, {"security_group_ids", "[module.network.workers]"}}
	}
	secrets := merged("module.secrets.refs", r.secrets(false))
	rows := [][2]string{{"for_each", "local.workers"}, {"", ""}, {"fleet", "local.name"}, {"name", "each.key"}}
	for _, name := range []string{"queues", "concurrency", "pool", "max_tasks_per_child", "cpu", "memory", "min", "max", "backlog", "spot"} {
		rows = append(rows, [2]string{name, "each.value." + name})
	}
	rows = append(rows, [2]string{"environment", "local.settings"})
	if r.Monitor {
		rows = append(rows, [2]string{"dimensions", "local.dimensions"})
	}
	r.module(b, "workers", "service", append(rows, shared("worker_role_arn", secrets)...)...)
	if r.Beat {
		b.line("\n# One leads, and the other takes over within seconds.")
		text := writer{}
		r.module(&text, "beat", "service", append([][2]string{{"fleet", "local.name"}, {"name", literal("beat")}, {"command", `["beat"]`}, {"min", strconv.Itoa(beats)},
			{"environment", "local.settings"}}, shared("worker_role_arn", secrets)...)...)
		b.WriteString(strings.TrimPrefix(text.String(), "\n"))
	}
	if !r.Monitor {
		return
	}
	b.line("\n# It tells CloudWatch what workers scale on: without it they stay as many as they are, and an alarm says so.")
	args := r.monitorArgs()
	if !r.gives("monitor_cloudwatch") {
		args = append(args, "--cloudwatch", "api")
	}
	for _, k := range []string{"Application", "Environment"} {
		if v, ok := r.told()[k]; ok {
			args = append(args, "--cloudwatch_dimensions="+k+"="+v.(string))
		}
	}
	environment := "local.settings"
	if own := r.settings(true); own != "" {
		environment = "merge(local.settings, " + own + ")"
	}
	rows = [][2]string{{"fleet", "local.name"}, {"name", literal("monitor")}, {"command", literal(args)}, {"cpu", "512"}, {"memory", "1024"}, {"environment", environment}}
	if !r.gives("monitor_db") { // its history, which ends with the task
		rows = append(rows, [2]string{"data_path", literal("/data")})
	}
	if r.open() {
		rows = append(rows, [2]string{"port", strconv.Itoa(monitorPort)})
	}
	text := writer{}
	r.module(&text, "monitor", "service", append(rows, shared("monitor_role_arn", merged("merge(module.secrets.refs, module.secrets.monitor_refs)", append(r.secrets(false), r.secrets(true)...)))...)...)
	b.WriteString(strings.TrimPrefix(text.String(), "\n"))
}

// alarms are those of CloudWatch, and what shows it all. Metrics bear the name of the broker's cluster, which nobody knows before
// it is there.
func (r *root) alarms(b *writer) {
	_, dead := r.watched()
	count := [2]string{"count", `var.broker_cluster_name == "" ? 0 : 1`}
	r.module(b, "alarms", "alarms", count, [2]string{"", ""}, [2]string{"name", "local.name"}, [2]string{"broker", "var.broker_cluster_name"}, [2]string{"nodes", "var.broker_nodes"},
		[2]string{"memory_limit_bytes", "var.broker_memory_limit_bytes"}, [2]string{"dimensions", "local.dimensions"}, [2]string{"queues", "local.queues"}, [2]string{"tasks", "var.task_failures"},
		[2]string{"topics", "var.alarm_topics"})
	r.module(b, "dashboard", "dashboard", count, [2]string{"", ""}, [2]string{"name", "local.name"}, [2]string{"region", "var.region"}, [2]string{"dimensions", "local.dimensions"},
		[2]string{"queues", "keys(local.queues)"}, [2]string{"dead_letters", literal(dead)}, [2]string{"tasks", "keys(var.task_failures)"}, [2]string{"broker", "var.broker_cluster_name"},
		[2]string{"nodes", "tolist(var.broker_nodes)"})
}

// outputs are what others ask for.
func (r *root) outputs() string {
	var b writer
	output := func(name, says, value string) {
		b.block("output "+strconv.Quote(name), [2]string{"description", literal(says)}, [2]string{"value", value})
	}
	output("broker", "Host and port of the broker, and its console.", "{ endpoint = module.broker.endpoint, console = module.broker.console }")
	one := ""
	if r.Beat {
		one += ", module.beat.name"
	}
	if r.Monitor {
		one += ", module.monitor.name"
	}
	output("services", "Names of the services.", "concat([for w in module.workers : w.name], ["+strings.TrimPrefix(one, ", ")+"])")
	output("secret", "ARN of the secret that web application and workers read.", "module.secrets.arn")
	if r.Monitor {
		output("alarms", "ARNs of all alarms.", "flatten(module.alarms[*].alarms)")
	}
	return strings.TrimPrefix(b.String(), "\n")
}
