package render

// Amazon ECS: of each kind of process a task definition, as RegisterTaskDefinition takes it, and a service, as CreateService
// takes it. docs.aws.amazon.com/AmazonECS/latest/developerguide: task_definition_parameters.

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"time"
)

// ECS is what Amazon ECS wants to know beside the plan.
type ECS struct {
	ExecutionRole string // ARN of the role that pulls the image, reads the secrets and writes the log. Required
	TaskRole      string // ARN of the role that tasks have; "" for none
	Region        string // of the log. Required
	LogGroup      string // defaults to /ecs/ and the fleet's name
	EC2           bool   // on instances of one's own instead of Fargate
	ARM           bool   // on Graviton
	Spot          bool   // workers beyond the first run on Fargate Spot

	// With all three services are rendered, too.
	Cluster         string
	Subnets, Groups []string
}

// fargateStop is how long Fargate waits before it kills.
const (
	fargateStop = 120 * time.Second
	fargateNote = "Fargate kills after 120 s: a task that runs longer than 108 s into a stop is cancelled, and goes back to its queue if it is acknowledged late"
)

var (
	roleARN   = regexp.MustCompile(`^arn:aws[a-z-]*:iam::\d{12}:role/\S+$`)
	secretARN = regexp.MustCompile(`^arn:aws[a-z-]*:(secretsmanager:[a-z0-9-]+:\d{12}:secret:\S+|ssm:[a-z0-9-]+:\d{12}:parameter/\S+)$`)
	parameter = regexp.MustCompile(`^/?[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*$`) // of the task's own region
)

// ECS renders the plan for Amazon ECS. notes are what whoever rolls it out should be told.
func (p Plan) ECS(o ECS) (files []File, notes []string, err error) {
	if o.LogGroup == "" {
		o.LogGroup = "/ecs/" + p.Name
	}
	if !o.EC2 && p.Grace > fargateStop {
		notes = append(notes, fargateNote)
		p.Grace = fargateStop
	}
	if err := errors.Join(p.check(), p.checkECS(o)); err != nil {
		return nil, nil, err
	}
	service := o.Cluster != ""
	for _, q := range p.processes(Variable{"UMBEL_METRICS_ADDRESS", "127.0.0.1:" + strconv.Itoa(metricsPort)}) {
		if q.monitor && !p.gives("monitor_cloudwatch") { // services scale on what it tells
			q.args = append(q.args, "--cloudwatch", "api")
		}
		definition, err := p.taskDefinition(o, q)
		if err != nil {
			return nil, nil, err
		}
		files = append(files, File{q.name + ".task.json", encodeJSON(definition)})
		if service {
			files = append(files, File{q.name + ".service.json", encodeJSON(p.service(o, q))})
		}
		if q.max > q.min && q.worker {
			notes = append(notes, fmt.Sprintf("%s: from %d to %d by deploy/terraform/modules/service, which scales on BacklogPerWorker", q.name, q.min, q.max))
		}
	}
	return files, notes, nil
}

func (p *Plan) checkECS(o ECS) error {
	var errs []error
	bad := func(format string, a ...any) { errs = append(errs, fmt.Errorf(format, a...)) }
	if p.Image == "" {
		bad("an image is missing: --image 123456789012.dkr.ecr.eu-west-1.amazonaws.com/shop@sha256:…")
	}
	if !roleARN.MatchString(o.ExecutionRole) {
		bad("execution role %q: want its ARN, such as arn:aws:iam::123456789012:role/shop-execution: it reads the secrets and writes the log", o.ExecutionRole)
	}
	if o.TaskRole != "" && !roleARN.MatchString(o.TaskRole) {
		bad("task role %q: want its ARN", o.TaskRole)
	}
	if o.Region == "" {
		bad("a region is missing, where the log is kept: --region eu-west-1, or AWS_REGION")
	}
	for _, s := range p.Secrets {
		if !secretARN.MatchString(s.From) && !parameter.MatchString(s.From) {
			bad("secret %s: %q is no ARN of Secrets Manager (…:secret:NAME-SUFFIX:KEY:: takes one key of its JSON), and no parameter of Systems Manager", s.Name, s.From)
		}
	}
	if n := len(o.Subnets) + len(o.Groups); (o.Cluster == "") != (n == 0) || n > 0 && (len(o.Subnets) == 0 || len(o.Groups) == 0) {
		bad("a service wants cluster, subnets and security groups: give all three or none")
	}
	if o.Spot && o.EC2 {
		bad("on instances of your own the capacity provider decides about Spot")
	}
	return errors.Join(append(errs, p.needed("arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME-SUFFIX:KEY::"))...)
}

func (p *Plan) taskDefinition(o ECS, q process) (object, error) {
	cpu, memory := int(q.cpu*1024), q.memory
	if !o.EC2 {
		var ok bool
		if cpu, memory, ok = fargateSize(cpu, memory); !ok {
			return nil, fmt.Errorf("worker %q: Fargate has no task of %g processors and %d MiB", q.name, q.cpu, q.memory)
		}
	}
	launch, architecture := "FARGATE", "X86_64"
	if o.EC2 {
		launch = "EC2"
	}
	if o.ARM {
		architecture = "ARM64"
	}
	d := object{
		{"family", p.Name + "-" + q.name},
		{"requiresCompatibilities", []string{launch}},
		{"networkMode", "awsvpc"},
		{"cpu", strconv.Itoa(max(cpu, 128))},
		{"memory", strconv.Itoa(memory)},
		{"runtimePlatform", object{{"operatingSystemFamily", "LINUX"}, {"cpuArchitecture", architecture}}},
		{"executionRoleArn", o.ExecutionRole},
	}
	if o.TaskRole != "" {
		d = append(d, field{"taskRoleArn", o.TaskRole})
	}
	c := object{
		{"name", q.name},
		{"image", p.Image},
		{"essential", true},
		{"entryPoint", []string{p.Program}},
		{"command", q.args},
		{"environment", pairs(q.variables)},
		{"secrets", ecsSecrets(q.secrets)},
		{"user", "65532:65532"},
		{"readonlyRootFilesystem", true},
		{"linuxParameters", object{{"initProcessEnabled", true}, {"capabilities", object{{"drop", []string{"ALL"}}}}}},
	}
	if q.monitor && p.open() {
		c = append(c, field{"portMappings", []object{{{"containerPort", monitorPort}, {"protocol", "tcp"}}}})
	}
	if q.monitor && !p.gives("monitor_db") { // its history, which ends with the task
		d = append(d, field{"volumes", []object{{{"name", "history"}}}})
		c = append(c, field{"mountPoints", []object{{{"sourceVolume", "history"}, {"containerPath", "/data"}, {"readOnly", false}}}})
	}
	stop := int(min(p.Grace, 24*time.Hour).Seconds())
	c = append(c,
		field{"stopTimeout", stop},
		// Alive, not ready: ECS replaces what is unhealthy, and a worker that waits for its broker would be no better for it.
		field{"healthCheck", object{{"command", []string{"CMD", p.Program, "healthcheck", "--live"}}, {"interval", 15}, {"timeout", 5}, {"retries", 3}, {"startPeriod", 30}}},
		field{"logConfiguration", object{{"logDriver", "awslogs"}, {"options", object{
			{"awslogs-group", o.LogGroup}, {"awslogs-region", o.Region}, {"awslogs-stream-prefix", q.name},
			{"mode", "non-blocking"}, {"max-buffer-size", "4m"}, // a log that is not taken stops no task
		}}}},
	)
	return append(d, field{"containerDefinitions", []object{c}}, field{"tags", []object{{{"key", "Application"}, {"value", p.Name}}}}), nil
}

// fargateSizes are what a Fargate task may have: memory from, to and in steps, in MiB, by units of processor.
var fargateSizes = []struct{ cpu, from, to, step int }{
	{256, 512, 1024, 512}, {256, 2048, 2048, 1024}, {512, 1024, 4096, 1024}, {1024, 2048, 8192, 1024}, {2048, 4096, 16384, 1024},
	{4096, 8192, 30720, 1024}, {8192, 16384, 61440, 4096}, {16384, 32768, 122880, 8192},
}

// fargateSize is the smallest task that has so much.
func fargateSize(cpu, memory int) (int, int, bool) {
	for _, s := range fargateSizes {
		if s.cpu < cpu || s.to < memory {
			continue
		}
		m := s.from
		for m < memory {
			m += s.step
		}
		return s.cpu, m, true
	}
	return 0, 0, false
}

// pairs are variables as ECS lists them.
func pairs(list []Variable) []object {
	out := make([]object, len(list))
	for i, v := range list {
		out[i] = object{{"name", v.Name}, {"value", v.Value}}
	}
	return out
}

func ecsSecrets(list []Secret) []object {
	out := make([]object, len(list))
	for i, s := range list {
		out[i] = object{{"name", s.Name}, {"valueFrom", s.From}}
	}
	return out
}

func (p *Plan) service(o ECS, q process) object {
	s := object{
		{"cluster", o.Cluster},
		{"serviceName", p.Name + "-" + q.name},
		{"taskDefinition", p.Name + "-" + q.name},
		{"desiredCount", q.min},
	}
	switch {
	case o.EC2:
		s = append(s, field{"launchType", "EC2"})
	case o.Spot && q.worker: // the first is always there
		s = append(s, field{"capacityProviderStrategy", []object{
			{{"capacityProvider", "FARGATE"}, {"base", 1}},
			{{"capacityProvider", "FARGATE_SPOT"}, {"weight", 1}},
		}})
	default:
		s = append(s, field{"launchType", "FARGATE"})
	}
	network := object{{"subnets", o.Subnets}, {"securityGroups", o.Groups}}
	if !o.EC2 {
		network = append(network, field{"assignPublicIp", "DISABLED"})
	}
	s = append(s,
		field{"networkConfiguration", object{{"awsvpcConfiguration", network}}},
		field{"deploymentConfiguration", object{
			{"minimumHealthyPercent", 100}, {"maximumPercent", 200},
			{"deploymentCircuitBreaker", object{{"enable", true}, {"rollback", true}}},
		}},
		field{"propagateTags", "TASK_DEFINITION"},
		field{"enableECSManagedTags", true},
	)
	return s
}
