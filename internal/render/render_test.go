package render

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v4"

	"github.com/umbel-go/umbel/internal/amazonmq"
)

var update = flag.Bool("update", false, "write what is rendered into testdata")

// guide is the fleet of the guide: four kinds of workers, a scheduler and the monitor.
func guide() Plan {
	worker := func(queue string, concurrency, least, most int) Worker {
		return Worker{Name: queue, Queues: []string{queue}, Concurrency: concurrency, Min: least, Max: most, Memory: 512, CPU: 0.25, Backlog: 10 * concurrency}
	}
	high, reports := worker("high_priority", 8, 2, 10), worker("reports", 2, 1, 1)
	high.MaxTasks, high.Memory, high.CPU = 100, 1024, 0.5
	reports.Pool, reports.MaxTasks = "process", 50
	return Plan{
		Name: "shop", Image: "123456789012.dkr.ecr.eu-west-1.amazonaws.com/shop@sha256:" + strings.Repeat("5f", 32), Program: "/shop",
		Workers: []Worker{high, worker("default", 4, 2, 2), reports, worker("maintenance", 1, 1, 1)},
		Beat:    true, Monitor: true,
		Variables: []Variable{
			{"UMBEL_TASK_ACKS_LATE", "true"},
			{"UMBEL_TASK_ROUTES", `[{"apps.orders.tasks.*":{"queue":"high_priority"}}]`},
			{"MOTD", "100 % of $(HOME) and ${HOME}, \"quoted\" \\ and <&>"},
			{"UMBEL_MONITOR_MAX_AGE", "720h"},
		},
		Grace: 90 * time.Second,
	}
}

func secrets(from func(key string) string) []Secret {
	return []Secret{{"CELERY_BROKER_URL", from("BROKER_URL")}, {"CELERY_RESULT_BACKEND", from("REDIS_URL")}}
}

func amazon(key string) string {
	return "arn:aws:secretsmanager:eu-west-1:123456789012:secret:shop-Ab1cdE:" + key + "::"
}

func aws() ECS {
	return ECS{ExecutionRole: "arn:aws:iam::123456789012:role/shop-execution", TaskRole: "arn:aws:iam::123456789012:role/shop-task", Region: "eu-west-1",
		Cluster: "shop", Subnets: []string{"subnet-0a1b2c3d4e5f60718", "subnet-0a1b2c3d4e5f60719"}, Groups: []string{"sg-0a1b2c3d4e5f60718"}, Spot: true}
}

// modules is where the modules are, from the folders of testdata.
const modules = "../../../../deploy/terraform/modules"

// onAmazon is the guide's broker as it should be, and all that belongs to it.
func onAmazon() Terraform {
	return Terraform{Modules: modules, Region: "eu-west-1", VPC: "vpc-0a1b2c3d", Bucket: "shop-reports", Prefix: "reports/", Spot: true, ARM: true, Senders: 20, Ahead: 4,
		Broker: amazonmq.Plan{Name: "myapp-rabbitmq-prod", Version: "4.2", Instance: "mq.m7g.large", Mode: amazonmq.Cluster, User: "admin",
			Subnets: []string{"subnet-0a1b2c3d4e5f60718", "subnet-0a1b2c3d4e5f60719"}, Window: &amazonmq.Window{Day: "MONDAY", Time: "03:30", Zone: "Europe/Rome"},
			Tags: map[string]string{"Environment": "production", "Application": "myapp", "cost:center": "7 ${x}"}},
		Queues: map[string]string{"high_priority": "high_priority.dlq", "default": "dead", "reports": "dead", "maintenance": ""}}
}

// small is a fleet of one worker with a name that only a node may have.
func small() Plan {
	return Plan{Name: "x", Program: "/umbel", Grace: time.Minute,
		Workers: []Worker{{Name: "all.of-it", Queues: []string{"a.b", "c"}, Concurrency: 1, Min: 1, Max: 1, Memory: 512, CPU: 0.25, Backlog: 10}}}
}

// rendered are the files of every platform, for the fleet of the guide, beneath the names of their folders.
func rendered(t *testing.T) map[string][]File {
	t.Helper()
	out := make(map[string][]File)
	keep := func(folder string, files []File, err error) {
		if err != nil {
			t.Fatalf("%s: %v", folder, err)
		}
		out[folder] = files
	}
	p := guide()
	p.Secrets = secrets(amazon)
	files, _, err := p.ECS(aws())
	keep("ecs", files, err)

	p.Secrets = []Secret{{"SHOP_DATABASE_URL", "var.database_url"}, {"STRIPE_KEY", amazon("STRIPE")}, {"UMBEL_MONITOR_BASIC_AUTH", "var.monitor_login"}}
	files, _, err = p.Terraform(onAmazon())
	keep("terraform", files, err)
	files, _, err = small().Terraform(Terraform{Modules: modules, Broker: amazonmq.Plan{Name: "x", Version: "3.13", Instance: "mq.t3.micro", Mode: amazonmq.Single, User: "admin",
		KMSKey: "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"}, Ahead: -1})
	keep("terraform-small", files, err)

	p.Secrets = append(secrets(func(key string) string { return "shop#" + strings.ToLower(key) }), Secret{"UMBEL_MONITOR_BASIC_AUTH", "shop#monitor"})
	files, err = p.Kubernetes(Kubernetes{Namespace: "shop", Scaler: ScaleHPA})
	keep("hpa", files, err)
	files, err = p.Kubernetes(Kubernetes{Scaler: ScaleKEDA, Prometheus: "http://prometheus.monitoring.svc:9090"})
	keep("keda", files, err)

	p = guide()
	p.Program, p.Image, p.Workers[0].Max = "/usr/local/bin/shop", "", 2
	p.Secrets = secrets(func(key string) string { return "/etc/shop/" + strings.ToLower(key) })
	files, err = p.Systemd()
	keep("systemd", files, err)

	p = guide()
	p.Image = "shop:1.0"
	files, err = p.Compose()
	keep("compose", files, err)
	p.Secrets = append(secrets(func(key string) string { return "./" + strings.ToLower(key) }), Secret{"UMBEL_MONITOR_DB", "./monitor_db"}, Secret{"UMBEL_MONITOR_BASIC_AUTH", "./monitor"})
	files, err = p.Compose()
	keep("compose-servers-elsewhere", files, err)
	return out
}

// What is kept in testdata is read by the parsers and schemas of the platforms themselves in test/deploy.
func TestGolden(t *testing.T) {
	all := rendered(t)
	for folder, files := range all {
		dir := filepath.Join("testdata", folder)
		if *update {
			if err := os.RemoveAll(dir); err != nil {
				t.Fatal(err)
			}
			if err := os.MkdirAll(dir, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		var names []string
		for _, f := range files {
			names = append(names, f.Name)
			path := filepath.Join(dir, f.Name)
			if *update {
				if err := os.WriteFile(path, []byte(f.Text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), f.Text); diff != "" {
				t.Errorf("%s (go test ./internal/render -update writes it anew):\n%s", path, diff)
			}
		}
		kept, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range kept {
			if !slices.Contains(names, e.Name()) {
				t.Errorf("%s is not rendered any more", filepath.Join(dir, e.Name()))
			}
		}
	}
}

// No process gets what is another's: the monitor's options, or a password in clear.
func TestSecretsGoWhereTheyAreNeeded(t *testing.T) {
	t.Parallel()
	for _, f := range rendered(t)["ecs"] {
		if strings.Contains(f.Name, ".task.") && strings.Contains(f.Text, "UMBEL_MONITOR_MAX_AGE") != strings.HasPrefix(f.Name, "monitor") {
			t.Errorf("%s: who has the monitor's option?", f.Name)
		}
	}
	for folder, files := range rendered(t) {
		for _, f := range files {
			if folder != "compose" && strings.Contains(f.Text, "://shop:") {
				t.Errorf("%s/%s holds a URL with a password", folder, f.Name)
			}
		}
	}
}

func TestStopTimeoutIsTheGraceThatTheWorkerIsTold(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		grace time.Duration
		ec2   bool
		want  int
		noted bool
	}{{30 * time.Second, false, 30, false}, {120 * time.Second, false, 120, false}, {10 * time.Minute, false, 120, true}, {10 * time.Minute, true, 600, false}} {
		p, o := guide(), aws()
		p.Secrets, p.Grace, o.EC2, o.Spot = secrets(amazon), c.grace, c.ec2, false
		files, notes, err := p.ECS(o)
		if err != nil {
			t.Fatal(err)
		}
		if told := slices.ContainsFunc(notes, func(n string) bool { return strings.Contains(n, "Fargate kills after 120 s") }); told != c.noted {
			t.Errorf("grace %v, EC2 %v: notes %q", c.grace, c.ec2, notes)
		}
		var d struct {
			ContainerDefinitions []struct {
				StopTimeout int
				Environment []struct{ Name, Value string }
			}
		}
		if err := json.Unmarshal([]byte(files[0].Text), &d); err != nil {
			t.Fatal(err)
		}
		told := ""
		for _, v := range d.ContainerDefinitions[0].Environment {
			if v.Name == "UMBEL_WORKER_SHUTDOWN_GRACE" {
				told = v.Value
			}
		}
		if got := d.ContainerDefinitions[0].StopTimeout; got != c.want || told != jsonInt(c.want) {
			t.Errorf("grace %v, EC2 %v: stopTimeout %d, worker told %s; want %d", c.grace, c.ec2, got, told, c.want)
		}
	}
}

func jsonInt(n int) string { b, _ := json.Marshal(n); return string(b) }

func TestFargateSizes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ cpu, memory, wantCPU, wantMemory int }{
		{256, 512, 256, 512}, {256, 513, 256, 1024}, {256, 1500, 256, 2048}, {256, 3000, 512, 3072}, {300, 512, 512, 1024}, {4096, 1, 4096, 8192},
		{8192, 16385, 8192, 20480}, {16384, 122880, 16384, 122880}, {16385, 1, 0, 0}, {1, 122881, 0, 0},
	} {
		cpu, memory, ok := fargateSize(c.cpu, c.memory)
		if cpu != c.wantCPU || memory != c.wantMemory || ok != (c.wantCPU > 0) {
			t.Errorf("%d units, %d MiB: %d, %d, %v", c.cpu, c.memory, cpu, memory, ok)
		}
	}
}

func TestMistakesAreAllToldAtOnce(t *testing.T) {
	t.Parallel()
	p := guide()
	p.Name, p.Program, p.Grace = "Shop", "shop", time.Second
	p.Workers = append(p.Workers, Worker{Name: "high-priority", Queues: []string{"reports"}})
	p.Variables = append(p.Variables, Variable{"MOTD", "again"}, Variable{"not a name", ""})
	_, _, err := p.ECS(ECS{Cluster: "shop"})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{`name "Shop"`, `program "shop"`, "grace 1s", `workers "high_priority" and "high-priority" have one name`, `queue "reports" is given to two workers`,
		"concurrency 0", "memory 0 MiB", "MOTD is given twice", `variable "not a name"`, "execution role", "a region is missing", "cluster, subnets and security groups",
		"broker_url is missing: --secret CELERY_BROKER_URL=arn:aws:secretsmanager", "result_backend is missing"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not say %q:\n%v", want, err)
		}
	}
}

func TestWhatOnePlatformCannotDo(t *testing.T) {
	t.Parallel()
	p := guide()
	p.Secrets = secrets(func(key string) string { return "shop#" + key })
	p.Workers[0].Min = 0
	if _, err := p.Kubernetes(Kubernetes{Scaler: ScaleHPA}); err == nil || !strings.Contains(err.Error(), "use keda") {
		t.Errorf("hpa from 0: %v", err)
	}
	if _, err := p.Kubernetes(Kubernetes{Scaler: ScaleKEDA}); err == nil || !strings.Contains(err.Error(), "--prometheus") {
		t.Errorf("keda without Prometheus: %v", err)
	}
	if _, err := p.Kubernetes(Kubernetes{Scaler: ScaleKEDA, Prometheus: "http://p"}); err != nil {
		t.Errorf("keda from 0: %v", err)
	}
	if _, err := p.Systemd(); err == nil || !strings.Contains(err.Error(), "one host does not scale") || !strings.Contains(err.Error(), `"shop#BROKER_URL": want the path of a file`) {
		t.Errorf("systemd: %v", err)
	}
	p.Secrets[0].From = "shop"
	if _, err := p.Kubernetes(Kubernetes{Scaler: ScaleHPA}); err == nil || !strings.Contains(err.Error(), "a Secret and a key") {
		t.Errorf("a secret without key: %v", err)
	}
}

func TestImagesThatFloat(t *testing.T) {
	t.Parallel()
	for image, want := range map[string]bool{
		"shop": true, "shop:latest": true, "registry.example:5000/shop": true, "registry.example:5000/shop:latest": true, "shop:1.0": false,
		"registry.example:5000/team/shop:1.0": false, "shop@sha256:5f": false, "registry.example/shop:latest@sha256:5f": false,
	} {
		if Floating(image) != want {
			t.Errorf("%s: %v", image, !want)
		}
	}
}

// Names of queues may be anything that AMQP takes; what platforms make of them is theirs.
func TestNamesBecomeNamesOfPlatforms(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{"high_priority": "high-priority", "Orders.EU": "orders-eu", "__x__": "x", "é": "", "a--b": "a-b"} {
		if got := Slug(name); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
	q := process{queues: []string{"a.b", "c"}}
	if got := q.backlogQuery(); !strings.Contains(got, `{queue=~"a\\.b|c",state="ready"}`) {
		t.Error(got)
	}
}

// Every text comes out of YAML and JSON as it went in.
func TestTextsSurvive(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"", "yes", "on", "null", "~", "0123", "1e3", "2026-11-26", "a: b", "# no", "- x", "'", "\"", "\\", "%", "@", "`", "|", "line\nbreak", " blank ", "<&>", "é\u2028", "=", "<<", "*a", "&a", "!x", "{}", "[a]", "0x10", ".inf"} {
		text, err := encodeYAML(object{{"k", s}, {"l", []string{s}}})
		if err != nil {
			t.Fatal(err)
		}
		var back struct {
			K string
			L []string
		}
		if err := yaml.Load([]byte(text), &back); err != nil || back.K != s || back.L[0] != s {
			t.Errorf("YAML of %q: %q, %v\n%s", s, back, err, text)
		}
		var again struct {
			K string
			L []string
		}
		if err := json.Unmarshal([]byte(encodeJSON(object{{"k", s}, {"l", []string{s}}})), &again); err != nil || again.K != s || again.L[0] != s {
			t.Errorf("JSON of %q: %q, %v", s, again, err)
		}
	}
}
