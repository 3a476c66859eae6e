package render

// Terraform: a root module that wires the modules of deploy/terraform. What is known is written out; what only the account knows,
// and every password, is a variable.

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/umbel-go/umbel/internal/amazonmq"
)

// Terraform is what a root module wants to know beside the plan.
type Terraform struct {
	Modules string            // where the modules are: a folder, or an address with "?ref=VERSION" behind it
	Broker  amazonmq.Plan     // its subnets are those of the fleet, its security group is made
	Senders int               // processes that only send
	Region  string            // "" asks for it
	VPC     string            // "" asks for it
	Bucket  string            // of S3; "" for none
	Prefix  string            // of the keys in it
	ARM     bool              // images for Graviton
	Spot    bool              // workers beyond the first run on Fargate Spot
	Queues  map[string]string // of the settings, each with the queue of its dead letters; "" for none
	Ahead   int               // messages that a worker holds for each slot beside those that run; negative: nobody can say
}

// beats is how many schedulers run: one leads, and the other takes over.
const beats = 2

var (
	terraformVariable = regexp.MustCompile(`^var\.([a-z][a-z0-9_]*)$`)
	bucketName        = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)
	vpcID             = regexp.MustCompile(`^vpc-[0-9a-f]{8,17}$`)
	digested          = regexp.MustCompile(`(@sha256:[0-9a-f]{64}|:[^/:@]+)$`)
)

// Terraform renders the plan as a root module of Terraform. notes are what whoever applies it should be told.
func (p Plan) Terraform(o Terraform) (files []File, notes []string, err error) {
	if p.Grace > fargateStop {
		p.Grace = fargateStop
		notes = append(notes, fargateNote)
	}
	o.Broker.Public, o.Broker.SecurityGroups, o.Broker.Logs = new(false), nil, true
	if o.Broker.Window == nil {
		o.Broker.Window = &amazonmq.Window{Day: "SUNDAY", Time: "04:00", Zone: "UTC"}
	}
	if err := errors.Join(p.check(), p.checkTerraform(&o)); err != nil {
		return nil, nil, err
	}
	for i := range p.Workers {
		w := &p.Workers[i]
		cpu, memory, ok := fargateSize(int(w.CPU*1024), w.Memory)
		if !ok {
			return nil, nil, fmt.Errorf("worker %q: Fargate has no task of %g processors and %d MiB", w.Name, w.CPU, w.Memory)
		}
		w.CPU, w.Memory = float64(cpu)/1024, memory
	}
	for _, d := range o.Broker.Doubts(p.need(&o)) {
		if d.Field != "security-groups" { // which is made
			notes = append(notes, "doubt: "+d.String())
		}
	}
	r := root{Plan: &p, o: &o}
	variables := r.variables()
	for _, f := range []File{{"main.tf", r.main()}, {"variables.tf", variableBlocks(variables)}, {"outputs.tf", r.outputs()}, {"versions.tf", versionsTF}} {
		files = append(files, File{f.Name, formatted(f.Text)})
	}
	var asked []string
	for _, v := range variables {
		if v.value == "" {
			asked = append(asked, v.name)
		}
	}
	notes = append(notes, "terraform asks for "+strings.Join(asked, ", "))
	if p.Monitor {
		notes = append(notes, "alarms and the dashboard come when broker_cluster_name is known: the monitor's page on the broker shows it")
	}
	return files, notes, nil
}

// need is what the fleet asks of the broker.
func (p *Plan) need(o *Terraform) amazonmq.Need {
	workers, consumed := 0, 1
	for _, w := range p.Workers {
		workers += w.Max
		consumed = max(consumed, len(w.Queues))
	}
	if p.Beat {
		o.Senders += beats
	}
	if p.Monitor {
		o.Senders++
	}
	queues := 0
	for _, dead := range o.Queues {
		if queues++; dead != "" {
			queues++
		}
	}
	return amazonmq.FleetNeed(workers, o.Senders, consumed, queues)
}

func (p *Plan) checkTerraform(o *Terraform) error {
	var errs []error
	bad := func(format string, a ...any) { errs = append(errs, fmt.Errorf(format, a...)) }
	broker := o.Broker
	switch {
	case len(broker.Subnets) == 0:
		broker.Subnets = []string{"subnet-00000000"} // asked for later
	case broker.Mode == amazonmq.Single:
		broker.Subnets = broker.Subnets[:1] // the rest is the fleet's
	case broker.Mode == amazonmq.Cluster && len(broker.Subnets) == 1:
		bad("subnet-ids: a cluster wants subnets of several availability zones: one more, at least")
	}
	for _, r := range broker.Refused() {
		bad("%s", r)
	}
	if p.Image != "" && (Floating(p.Image) || !digested.MatchString(p.Image)) {
		bad("image %q is whatever is latest: give its digest, or a tag other than latest", p.Image)
	}
	if o.VPC != "" && !vpcID.MatchString(o.VPC) {
		bad("vpc-id: %q is no VPC: vpc-…", o.VPC)
	}
	if o.Bucket != "" && !bucketName.MatchString(o.Bucket) {
		bad("bucket %q: want 3 to 63 lower case letters, digits, dashes and dots", o.Bucket)
	}
	if o.Senders < 0 {
		bad("senders: %d is no number of processes", o.Senders)
	}
	for _, setting := range []string{"broker_url", "result_backend"} {
		if p.gives(setting) {
			bad("%s: the module makes the server and the secret with its URL: leave it out, or take umbel render ecs for servers that are there", setting)
		}
	}
	own := []string{"CELERY_BROKER_URL", "CELERY_RESULT_BACKEND", "UMBEL_MONITOR_BROKER_API"}
	for _, s := range p.Secrets {
		switch arn := strings.Split(s.From, ":"); {
		case slices.Contains(own, s.Name):
			bad("secret %s: the module makes it", s.Name)
		case s.Name == "BROKER_URL" || s.Name == "BROKER_API" || s.Name == "RESULT_BACKEND":
			bad("secret %s: that is a key of the secret already: give the variable another name", s.Name)
		case terraformVariable.MatchString(s.From):
		case !secretARN.MatchString(s.From) || arn[2] != "secretsmanager":
			bad("secret %s: %q: want var.NAME, a variable of Terraform's, or the ARN of a secret in Secrets Manager (…:secret:NAME-SUFFIX:KEY:: takes one key of its JSON)", s.Name, s.From)
		}
	}
	for _, w := range p.Workers {
		if !p.Monitor && w.Max > w.Min {
			bad("worker %q: services scale on what the monitor tells: say how many there are, or leave the monitor in", w.Name)
		}
	}
	return errors.Join(errs...)
}

// An input is a variable of the root module.
type input struct {
	name, kind, says string
	sensitive        bool
	value            string // as Terraform reads it; "" asks for it
}

// A root is a root module in the making.
type root struct {
	*Plan
	o *Terraform
}

func (r *root) variables() []input {
	known := func(text string) string {
		if text == "" {
			return ""
		}
		return literal(text)
	}
	subnets := ""
	if len(r.o.Broker.Subnets) > 0 {
		subnets = literal(r.o.Broker.Subnets)
	}
	list := []input{
		{"region", "string", "AWS region.", false, known(r.o.Region)},
		{"vpc_id", "string", "The VPC.", false, known(r.o.VPC)},
		{"private_subnet_ids", "list(string)", "Private subnets in several availability zones, with a way to ECR, Secrets Manager and CloudWatch.", false, subnets},
		{"publishers", "map(string)", "Security groups that send tasks and read results, such as that of the web application, by a name for each.", false, "{}"},
		{"operators", "map(string)", "Security groups from which the broker's console may be opened, such as that of a bastion, by a name for each.", false, "{}"},
		{"image", "string", "The program's image, best by its digest.", false, known(r.Image)},
		{"broker_admin_password", "string", "Password of the broker's administrator: at least 12 characters, 4 of them different, none of , : =", true, ""},
		{"broker_user", "object({ username = string, password = string })", "The broker's user for workers and publishers, which umbel topology apply makes.", true, ""},
		{"redis_token", "string", "Password of the result store: 16 to 128 characters, none of @ \" /", true, ""},
	}
	for _, s := range r.Secrets {
		if m := terraformVariable.FindStringSubmatch(s.From); m != nil && !slices.ContainsFunc(list, func(v input) bool { return v.name == m[1] }) {
			list = append(list, input{m[1], "string", "What " + s.Name + " holds.", true, ""})
		}
	}
	if r.Monitor {
		limit := 0
		if i, ok := amazonmq.FindInstance(r.o.Broker.Instance); ok {
			limit = i.GiB << 30 / 10 * 4
		}
		list = append(list,
			input{"broker_cluster_name", "string", "Name of the broker's cluster, as the monitor's page on the broker shows it; empty until it is there: no alarms and no dashboard.", false, literal("")},
			input{"broker_nodes", "set(string)", "Names of the broker's nodes, as that page shows them.", false, "[]"},
			input{"broker_memory_limit_bytes", "number", "Memory at which a node takes no more messages, as that page shows it. The default is 40 % of what " + r.o.Broker.Instance + " has.", false, strconv.Itoa(limit)},
			input{"task_failures", "map(number)", "Tasks to watch: how many failures within five minutes are an alarm.", false, "{}"},
			input{"alarm_topics", "list(string)", "ARNs of the SNS topics that are told of alarms.", false, "[]"},
		)
	}
	return list
}

func variableBlocks(list []input) string {
	var b strings.Builder
	for i, v := range list {
		if i > 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "variable %s {\ntype = %s\ndescription = %s\n", strconv.Quote(v.name), v.kind, literal(v.says))
		if v.sensitive {
			b.WriteString("sensitive = true\n")
		}
		if v.value != "" {
			fmt.Fprintf(&b, "default = %s\n", v.value)
		}
		b.WriteString("}\n")
	}
	return b.String()
}

// source is where a module is.
func (r *root) source(module string) string {
	at, query, has := strings.Cut(r.o.Modules, "?")
	if has {
		query = "?" + query
	}
	return literal(strings.TrimSuffix(at, "/") + "/" + module + query)
}

// told are the tags that every metric bears as dimensions, too.
func (r *root) told() map[string]any {
	out := make(map[string]any)
	for _, k := range []string{"Application", "Environment"} {
		if v := r.o.Broker.Tags[k]; v != "" {
			out[k] = v
		}
	}
	return out
}

// settings are variables of all processes, or those of the monitor alone: "" for none.
func (r *root) settings(monitor bool) string {
	var rows []string
	for _, v := range r.Variables {
		if forMonitor(v.Name) == monitor {
			rows = append(rows, v.Name+" = "+readable(v.Value))
		}
	}
	if len(rows) == 0 {
		return ""
	}
	slices.Sort(rows)
	return "{\n" + strings.Join(rows, "\n") + "\n}"
}

// workers are the kinds of workers, by name.
func (r *root) workers() map[string]any {
	out := make(map[string]any)
	for _, w := range r.Workers {
		one := map[string]any{"queues": w.Queues, "concurrency": w.Concurrency, "pool": nil, "max_tasks_per_child": nil, "cpu": int(w.CPU * 1024), "memory": w.Memory,
			"min": w.Min, "max": w.Max, "backlog": w.Backlog, "spot": r.o.Spot && w.Max > 1}
		if w.Pool != "" {
			one["pool"] = w.Pool
		}
		if w.MaxTasks > 0 {
			one["max_tasks_per_child"] = w.MaxTasks
		}
		out[w.Name] = one
	}
	return out
}

// watched are the queues that alarms look at, and the queues of their dead letters.
func (r *root) watched() (queues map[string]any, dead []string) {
	queues = make(map[string]any)
	for _, w := range r.Workers {
		for _, q := range w.Queues {
			one := map[string]any{"depth": 1000}
			if r.o.Ahead >= 0 {
				one["slots"] = w.Max * w.Concurrency * (1 + r.o.Ahead)
			}
			if d := r.o.Queues[q]; d != "" {
				one["dead_letter"] = d
				dead = append(dead, d)
			}
			queues[q] = one
		}
	}
	slices.Sort(dead)
	return queues, slices.Compact(dead)
}

// secrets are what a process gets beside the URLs of broker and result store: references, by variable.
func (r *root) secrets(monitor bool) (out [][2]string) {
	for _, s := range r.Secrets {
		if forMonitor(s.Name) != monitor {
			continue
		}
		if terraformVariable.MatchString(s.From) {
			out = append(out, [2]string{s.Name, "module.secrets.extra_refs[" + literal(s.Name) + "]"})
		} else {
			out = append(out, [2]string{s.Name, literal(s.From)})
		}
	}
	return out
}

// foreign are the ARNs of secrets that others made, without keys and versions.
func (r *root) foreign() []string {
	arns := make(map[string]bool)
	for _, s := range r.Secrets {
		if parts := strings.Split(s.From, ":"); len(parts) >= 7 {
			arns[strings.Join(parts[:7], ":")] = true
		}
	}
	return slices.Sorted(maps.Keys(arns))
}
