package amazonmq

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2/hclparse"
	"github.com/hashicorp/hcl/v2/hclwrite"
)

// good is a plan that AWS takes.
func good() Plan {
	return Plan{Name: "myapp-rabbitmq-prod", Version: "4.2", Instance: "mq.m7g.large", Mode: Cluster, Public: new(false),
		Subnets: []string{"subnet-0a1b2c3d", "subnet-0a1b2c3d4e5f60718"}, SecurityGroups: []string{"sg-0a1b2c3d"}, User: "admin", Logs: true,
		Window: &Window{"SUNDAY", "02:00", "UTC"}, Tags: map[string]string{"Environment": "production", "Application": "myapp"}}
}

func TestWhatAWSRefusesIsRefused(t *testing.T) {
	many := func(n int, form string) []string {
		out := make([]string, n)
		for i := range out {
			out[i] = fmt.Sprintf(form, i)
		}
		return out
	}
	if r := good().Refused(); r != nil {
		t.Fatalf("a good plan is refused: %v", r)
	}
	if d := good().Doubts(Need{}); len(d) != 1 || d[0].Field != "subnet-ids" {
		t.Errorf("a good plan is doubted: %v", d)
	}
	for about, c := range map[string]struct {
		change func(*Plan)
		field  string // "" where it is taken
		what   string
	}{
		"no name":                       {func(p *Plan) { p.Name = "" }, "NAME", "needs one"},
		"a name of 50":                  {func(p *Plan) { p.Name = strings.Repeat("n", 50) }, "", ""},
		"a name of 51":                  {func(p *Plan) { p.Name = strings.Repeat("n", 51) }, "NAME", "51 characters, AWS takes 50"},
		"all that a name may hold":      {func(p *Plan) { p.Name = "aZ09-_.~" }, "", ""},
		"a blank in the name":           {func(p *Plan) { p.Name = "my broker" }, "NAME", "letters, digits"},
		"an umlaut in the name":         {func(p *Plan) { p.Name = "brökers" }, "NAME", "letters, digits"},
		"no version":                    {func(p *Plan) { p.Version = "" }, "engine-version", "needs one"},
		"3.11":                          {func(p *Plan) { p.Version = "3.11" }, "engine-version", "support ended on 17 February 2025"},
		"4.9":                           {func(p *Plan) { p.Version = "4.9" }, "engine-version", "has no RabbitMQ 4.9: 4.3, 4.2, 3.13"},
		"a patch":                       {func(p *Plan) { p.Version = "4.2.1" }, "engine-version", "names a patch"},
		"4.3":                           {func(p *Plan) { p.Version = "4.3" }, "", ""},
		"3.13":                          {func(p *Plan) { p.Version = "3.13" }, "", ""},
		"m5 on 3.13":                    {func(p *Plan) { p.Version, p.Instance = "3.13", "mq.m5.large" }, "", ""},
		"m5 on 4.2":                     {func(p *Plan) { p.Instance = "mq.m5.large" }, "host-instance-type", "RabbitMQ 4.2 does not run on mq.m5.large"},
		"no such type":                  {func(p *Plan) { p.Instance = "mq.m5.small" }, "host-instance-type", "has no mq.m5.small"},
		"no type":                       {func(p *Plan) { p.Instance = "" }, "host-instance-type", "needs a type"},
		"t3.micro on 4.2":               {func(p *Plan) { p.Instance = "mq.t3.micro" }, "host-instance-type", "does not run on"},
		"a cluster of t3.micro":         {func(p *Plan) { p.Version, p.Instance = "3.13", "mq.t3.micro" }, "host-instance-type", "cannot be part of a cluster"},
		"one t3.micro":                  {func(p *Plan) { p.Version, p.Instance, p.Mode, p.Subnets = "3.13", "mq.t3.micro", Single, p.Subnets[:1] }, "", ""},
		"ActiveMQ's mode":               {func(p *Plan) { p.Mode = "ACTIVE_STANDBY_MULTI_AZ" }, "deployment-mode", "no deployment mode"},
		"public or private is not said": {func(p *Plan) { p.Public = nil }, "publicly-accessible", "wants it to be said"},
		"private without subnets":       {func(p *Plan) { p.Subnets = nil }, "subnet-ids", "needs at least one"},
		"public without subnets":        {func(p *Plan) { p.Public, p.Subnets, p.SecurityGroups = new(true), nil, nil }, "", ""},
		"a single one in two subnets":   {func(p *Plan) { p.Mode = Single }, "subnet-ids", "one subnet, not in 2"},
		"no subnet's name":              {func(p *Plan) { p.Subnets = []string{"vpc-0a1b2c3d"} }, "subnet-ids", "is no subnet"},
		"a subnet twice":                {func(p *Plan) { p.Subnets = []string{"subnet-0a1b2c3d", "subnet-0a1b2c3d"} }, "subnet-ids", "there twice"},
		"groups of a public one":        {func(p *Plan) { p.Public = new(true) }, "security-groups", "takes none"},
		"five groups":                   {func(p *Plan) { p.SecurityGroups = many(5, "sg-0a1b2c3%d") }, "", ""},
		"six groups":                    {func(p *Plan) { p.SecurityGroups = many(6, "sg-0a1b2c3%d") }, "security-groups", "there are 6, AWS takes 5"},
		"no group's name":               {func(p *Plan) { p.SecurityGroups = []string{"default"} }, "security-groups", "is no security group"},
		"user guest":                    {func(p *Plan) { p.User = "guest" }, "user", "deletes"},
		"a user of one letter":          {func(p *Plan) { p.User = "a" }, "user", "2 to 100"},
		"a tilde in the user":           {func(p *Plan) { p.User = "a~b" }, "user", "letters, digits"},
		"a key by its ARN": {func(p *Plan) {
			p.KMSKey = "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
		}, "", ""},
		"no key":           {func(p *Plan) { p.KMSKey = "mine" }, "kms-key-id", "is no key"},
		"a configuration":  {func(p *Plan) { p.Configuration = "c-1234abcd-12ab-34cd-56ef-1234567890ab:3" }, "", ""},
		"no configuration": {func(p *Plan) { p.Configuration = "mine" }, "configuration", "is no configuration"},
		"fifty tags":       {func(p *Plan) { p.Tags = tags(50) }, "", ""},
		"fifty-one tags":   {func(p *Plan) { p.Tags = tags(51) }, "tags", "there are 51, AWS takes 50"},
		"a tag of AWS's":   {func(p *Plan) { p.Tags = map[string]string{"aws:x": "y"} }, "tags", "AWS's"},
		"a long tag":       {func(p *Plan) { p.Tags = map[string]string{"x": strings.Repeat("y", 257)} }, "tags", "at most 256"},
	} {
		p := good()
		c.change(&p)
		refused := p.Refused()
		switch {
		case c.field == "" && len(refused) > 0:
			t.Errorf("%s is refused: %v", about, refused)
		case c.field != "" && (len(refused) != 1 || refused[0].Field != c.field || !strings.Contains(refused[0].String(), c.what)):
			t.Errorf("%s: %v, want %s: %s", about, refused, c.field, c.what)
		}
	}
	// The guide's own broker: the dead version, its type, and nothing said of the Internet.
	guide := Plan{Name: "myapp-rabbitmq-prod", Version: "3.11", Instance: "mq.m5.large", Mode: Cluster, Subnets: good().Subnets, User: "admin", Logs: true}
	if r := guide.Refused(); len(r) != 2 || r[0].Field != "engine-version" || r[1].Field != "publicly-accessible" {
		t.Errorf("the guide's broker: %v", r)
	}
}

func tags(n int) map[string]string {
	out := make(map[string]string)
	for i := range n {
		out[fmt.Sprint(i)] = ""
	}
	return out
}

func TestDoubts(t *testing.T) {
	for about, c := range map[string]struct {
		change func(*Plan)
		need   Need
		field  string
		what   string
	}{
		"the 3 series":             {func(p *Plan) { p.Version = "3.13" }, Need{}, "engine-version", "last of the 3 series"},
		"a size for tests":         {func(p *Plan) { p.Instance = "mq.m7g.medium" }, Need{}, "host-instance-type", "for tests only"},
		"more than it takes":       {func(*Plan) {}, FleetNeed(3000, 0, 1, 1), "host-instance-type", "6000 of 5000 connections: more than it takes: mq.m7g.2xlarge"},
		"no room for a deployment": {func(*Plan) {}, FleetNeed(1500, 0, 1, 1), "host-instance-type", "3000 of 5000 connections: a deployment"},
		"one node":                 {func(p *Plan) { p.Mode, p.Subnets = Single, p.Subnets[:1] }, Need{}, "deployment-mode", "its queues have one copy"},
		"open to the Internet":     {func(p *Plan) { p.Public, p.SecurityGroups = new(true), nil }, Need{}, "publicly-accessible", "all that protects"},
		"the VPC's own group":      {func(p *Plan) { p.SecurityGroups = nil }, Need{}, "security-groups", "lets in itself only"},
		"no logs":                  {func(p *Plan) { p.Logs = false }, Need{}, "no-logs", "afterwards"},
		"no window":                {func(p *Plan) { p.Window = nil }, Need{}, "maintenance-window", "busiest"},
	} {
		p := good()
		c.change(&p)
		found := false
		for _, d := range p.Doubts(c.need) {
			found = found || d.Field == c.field && strings.Contains(d.String(), c.what)
		}
		if !found {
			t.Errorf("%s: %v, want %s: %s", about, p.Doubts(c.need), c.field, c.what)
		}
	}
}

func TestTheFleetIsPutBesideTheLimits(t *testing.T) {
	n := FleetNeed(100, 40, 5, 5)
	if n != (Need{Connections: 240, Channels: 880, Queues: 105}) {
		t.Errorf("%+v", n)
	}
	medium, _ := FindInstance("mq.m7g.medium")
	if !medium.Fits(n, 100) || medium.Fits(n, Headroom) {
		t.Errorf("%v", medium.Limits(n))
	}
	if i, ok := Smallest("4.2", n); !ok || i.Name != "mq.m7g.large" {
		t.Errorf("smallest is %s", i.Name)
	}
	if _, ok := Smallest("4.2", Need{Connections: 1e6}); ok {
		t.Error("a million connections fit")
	}
}

func TestWindows(t *testing.T) {
	w, err := ParseWindow("sunday 02:00 Europe/Berlin")
	if err != nil || w.String() != "SUNDAY 02:00 Europe/Berlin" {
		t.Errorf("%v, %v", w, err)
	}
	if w, err := ParseWindow("Monday 23:30"); err != nil || w.Zone != "UTC" {
		t.Errorf("%v, %v", w, err)
	}
	for _, text := range []string{"", "sunday", "someday 02:00", "sunday 2am", "sunday 25:00", "sunday 02:00 Mars/Base", "sunday 02:00 UTC x"} {
		if _, err := ParseWindow(text); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}

func TestPolicies(t *testing.T) {
	names := func(version, mode, instance string) string {
		var out []string
		for _, p := range Policies(version, mode, instance) {
			out = append(out, fmt.Sprintf("%s/%d", p.Name, p.Priority))
		}
		return strings.Join(out, " ")
	}
	for _, c := range [][4]string{
		{"4.2", Cluster, "mq.m7g.large", "AWS-DEFAULT-POLICY-CLUSTER/1 AWS-DEFAULT-QUORUM-QUEUES-POLICY-CLUSTER-MULTI-AZ/1 default_operator_policy_AWS_managed/0"},
		{"4.2", Single, "mq.m7g.large", "AWS-DEFAULT-POLICY-SINGLE-INSTANCE/0 default_operator_policy_AWS_managed/0"},
		{"3.13", Cluster, "mq.m5.large", "AWS-DEFAULT-POLICY-CLUSTER-MULTI-AZ/1 AWS-DEFAULT-QUORUM-QUEUES-POLICY-CLUSTER-MULTI-AZ/1 default_operator_policy_AWS_managed/0"},
		{"3.13", Single, "mq.t3.micro", "AWS-DEFAULT-POLICY-SINGLE-INSTANCE/0 default_operator_policy_AWS_managed/0"},
	} {
		if got := names(c[0], c[1], c[2]); got != c[3] {
			t.Errorf("%v: %s", c[:3], got)
		}
	}
	if p := Policies("3.13", Cluster, "mq.m5.large")[0]; p.Values["max-length"] != 8_000_000 || p.Values["overflow"] != "reject-publish" {
		t.Errorf("%+v", p)
	}
}

func TestConfigurationsAreReadForTheirKindOfBroker(t *testing.T) {
	const text = `
consumer_timeout = 3600000   # an hour
heartbeat=60
# connection_max = 1
[mq.m7g.large]
connection_max = 2000
[mq.m7g.xlarge]
connection_max = 4000
`
	got := ParseSettings(text, "mq.m7g.large", Cluster)
	if len(got) != 3 || got["consumer_timeout"] != "3600000" || got["heartbeat"] != "60" || got["connection_max"] != "2000" {
		t.Errorf("%v", got)
	}
}

func TestTerraform(t *testing.T) {
	for name, change := range map[string]func(*Plan){
		"broker.tf": func(*Plan) {},
		"small.tf": func(p *Plan) {
			p.Mode, p.Subnets, p.SecurityGroups, p.Window, p.Tags, p.Logs = Single, nil, nil, nil, map[string]string{"odd": `"${x}" %{y}`}, false
			p.Public, p.Configuration, p.KMSKey = new(true), "c-1234abcd-12ab-34cd-56ef-1234567890ab:3", "arn:aws:kms:eu-west-1:1:key/x"
		},
	} {
		p := good()
		change(&p)
		text := p.Terraform()
		if formatted := string(hclwrite.Format([]byte(text))); formatted != text {
			t.Errorf("%s is not as terraform fmt writes it:\n%s", name, formatted)
		}
		if _, diagnostics := hclparse.NewParser().ParseHCL([]byte(text), name); diagnostics.HasErrors() {
			t.Errorf("%s: %v", name, diagnostics)
		}
		path := filepath.Join("testdata", name)
		if os.Getenv("UPDATE") != "" {
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil || string(want) != text {
			t.Errorf("%s is not what it was (UPDATE=1 writes it): %v\n%s", name, err, text)
		}
	}
}
