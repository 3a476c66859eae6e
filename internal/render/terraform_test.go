package render

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"

	"github.com/umbel-go/umbel/internal/amazonmq"
)

// What AWS would refuse of the broker, what a module would, and what nobody could run is said before anything is written.
func TestWhatTerraformCouldNotMakeIsRefused(t *testing.T) {
	t.Parallel()
	plan := func() (Plan, Terraform) {
		p := guide()
		p.Secrets = []Secret{{"SHOP_DATABASE_URL", "var.database_url"}}
		return p, onAmazon()
	}
	p, o := plan()
	if _, _, err := p.Terraform(o); err != nil {
		t.Fatal(err)
	}
	for want, change := range map[string]func(*Plan, *Terraform){
		"RabbitMQ 3.11 cannot be created any more":               func(_ *Plan, o *Terraform) { o.Broker.Version = "3.11" },
		"RabbitMQ 4.2 does not run on mq.m5.large":               func(_ *Plan, o *Terraform) { o.Broker.Instance = "mq.m5.large" },
		"mq.t3.micro cannot be part of a cluster":                func(_ *Plan, o *Terraform) { o.Broker.Version, o.Broker.Instance = "3.13", "mq.t3.micro" },
		"no deployment mode \"ACTIVE_STANDBY_MULTI_AZ\"":         func(_ *Plan, o *Terraform) { o.Broker.Mode = "ACTIVE_STANDBY_MULTI_AZ" },
		"subnet-0a1b2c3d is there twice":                         func(_ *Plan, o *Terraform) { o.Broker.Subnets = []string{"subnet-0a1b2c3d", "subnet-0a1b2c3d"} },
		"a cluster wants subnets of several availability zones":  func(_ *Plan, o *Terraform) { o.Broker.Subnets = o.Broker.Subnets[:1] },
		"AWS deletes the user guest":                             func(_ *Plan, o *Terraform) { o.Broker.User = "guest" },
		"keys that begin with aws: are AWS's":                    func(_ *Plan, o *Terraform) { o.Broker.Tags = map[string]string{"aws:x": "y"} },
		"\"10.0.0.0/16\" is no VPC":                              func(_ *Plan, o *Terraform) { o.VPC = "10.0.0.0/16" },
		"bucket \"Reports_1\": want":                             func(_ *Plan, o *Terraform) { o.Bucket = "Reports_1" },
		"image \"shop\" is whatever is latest":                   func(p *Plan, _ *Terraform) { p.Image = "shop" },
		"broker_url: the module makes the server":                func(p *Plan, _ *Terraform) { p.Variables = []Variable{{"CELERY_BROKER_URL", "amqps://b"}} },
		"result_backend: the module makes the server":            func(p *Plan, _ *Terraform) { p.Secrets = []Secret{{"CELERY_RESULT_BACKEND", amazon("REDIS")}} },
		"secret UMBEL_MONITOR_BROKER_API: the module makes it":   func(p *Plan, _ *Terraform) { p.Secrets = []Secret{{"UMBEL_MONITOR_BROKER_API", "var.api"}} },
		"secret BROKER_URL: that is a key of the secret already": func(p *Plan, _ *Terraform) { p.Secrets = []Secret{{"BROKER_URL", "var.url"}} },
		"secret KEY: \"local.key\": want var.NAME":               func(p *Plan, _ *Terraform) { p.Secrets = []Secret{{"KEY", "local.key"}} },
		"secret KEY: \"arn:aws:ssm:eu-west-1:123456789012:paramet": func(p *Plan, _ *Terraform) {
			p.Secrets = []Secret{{"KEY", "arn:aws:ssm:eu-west-1:123456789012:parameter/x"}}
		},
		"worker \"high_priority\": services scale on what": func(p *Plan, _ *Terraform) { p.Monitor = false },
		"Fargate has no task of 32 processors":             func(p *Plan, _ *Terraform) { p.Workers[0].CPU = 32 },
		"queue \"default\" is given to two workers":        func(p *Plan, _ *Terraform) { p.Workers[0].Queues = []string{"default"} },
	} {
		p, o := plan()
		change(&p, &o)
		if files, _, err := p.Terraform(o); err == nil || !strings.Contains(err.Error(), want) || files != nil {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}

// What is worth a second thought is told: the fleet beside the limits of its broker, what Terraform will ask for.
func TestWhatTerraformIsToldOf(t *testing.T) {
	t.Parallel()
	p, o := guide(), onAmazon()
	p.Grace = 10 * time.Minute
	o.Broker.Instance, o.Senders = "mq.m7g.medium", 200
	o.Broker.Window, o.Broker.Subnets = nil, nil
	files, notes, err := p.Terraform(o)
	if err != nil {
		t.Fatal(err)
	}
	told := strings.Join(notes, "\n")
	for _, want := range []string{"Fargate kills after 120 s", "doubt: host-instance-type: AWS names mq.m7g.medium for tests only", "of 300 connections",
		"terraform asks for private_subnet_ids, broker_admin_password, broker_user, redis_token", "when broker_cluster_name is known"} {
		if !strings.Contains(told, want) {
			t.Errorf("not told of: %s\n%s", want, told)
		}
	}
	for _, not := range []string{"maintenance-window", "security-groups"} {
		if strings.Contains(told, not) {
			t.Errorf("told of %s, which is set", not)
		}
	}
	if text := files[0].Text; !strings.Contains(text, "stop_timeout       = 120") && !strings.Contains(text, "stop_timeout = 120") {
		t.Error("the worker is told of more than Fargate gives")
	}
	o = onAmazon()
	o.Modules = "github.com/umbel-go/umbel//deploy/terraform/modules?ref=v1.2.3"
	if files, _, err := guide().Terraform(o); err != nil || !strings.Contains(files[0].Text, `"github.com/umbel-go/umbel//deploy/terraform/modules/network?ref=v1.2.3"`) {
		t.Errorf("where are the modules? %v", err)
	}
}

// No part of a setting is an expression of Terraform's.
func TestTextsStayTexts(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"${var.x}", "%{ if true }", "a \"b\" \\ c\nd\te", "\a\x7fé", "$${x}"} {
		p := small()
		p.Variables = []Variable{{"TEXT", text}}
		files, _, err := p.Terraform(Terraform{Modules: "../m", Broker: amazonmq.Plan{Name: "x", Version: "4.2", Instance: "mq.m7g.medium", Mode: amazonmq.Single, User: "admin"}, Ahead: -1})
		if err != nil {
			t.Fatal(err)
		}
		if got := setting(t, files[0].Text, "TEXT"); got != text {
			t.Errorf("%q became %q", text, got)
		}
	}
}

// JSON of a setting is written as what it means, and means what it was.
func TestJSONIsWrittenToBeReviewed(t *testing.T) {
	t.Parallel()
	for text, shown := range map[string]string{
		`[{"apps.orders.*":{"queue":"orders","priority":5}},{"re:^mail\\.":{"queue":"a.b"}}]`: "priority = 5",
		`{"x":{"a":null,"b":[1,2.5,true],"${c}":"%{d}<&>"}}`:                                  "b       = [1, 2.5, true]",
		`[1, 2`:          `"[1, 2"`,
		`{not json}`:     `"{not json}"`,
		`{"a":1,"a":2} `: "",
	} {
		p := small()
		p.Variables = []Variable{{"TEXT", text}}
		files, _, err := p.Terraform(Terraform{Modules: "../m", Broker: amazonmq.Plan{Name: "x", Version: "4.2", Instance: "mq.m7g.medium", Mode: amazonmq.Single, User: "admin"}, Ahead: -1})
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(files[0].Text, shown) {
			t.Errorf("%s is not shown as %s:\n%s", text, shown, files[0].Text)
		}
		var want, got any
		if json.Unmarshal([]byte(text), &want) != nil {
			want = text
		}
		held := setting(t, files[0].Text, "TEXT")
		if json.Unmarshal([]byte(held), &got) != nil {
			got = held
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s became %s:\n%s", text, held, diff)
		}
	}
}

// setting reads one of local.settings as Terraform does.
func setting(t *testing.T, text, name string) string {
	t.Helper()
	f, diags := hclsyntax.ParseConfig([]byte(text), "main.tf", hcl.InitialPos)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	for _, b := range f.Body.(*hclsyntax.Body).Blocks {
		if b.Type == "locals" {
			v, diags := b.Body.Attributes["settings"].Expr.Value(&hcl.EvalContext{Functions: map[string]function.Function{"jsonencode": stdlib.JSONEncodeFunc}})
			if diags.HasErrors() {
				t.Fatal(diags)
			}
			return v.GetAttr(name).AsString()
		}
	}
	t.Fatal("no locals")
	return ""
}
