package cli

import (
	"cmp"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/umbel-go/umbel/internal/render"
	"github.com/umbel-go/umbel/internal/version"
)

func (p *program) renderTerraformCommand() *cobra.Command {
	var f renderFlags
	var b brokerFlags
	var o render.Terraform
	var arch string
	cmd := &cobra.Command{
		Use:   "terraform",
		Short: "a root module of Terraform: broker, result store, services, alarms on AWS",
		Long: `Write a root module of Terraform that makes everything on AWS: RabbitMQ on Amazon
MQ, security groups, Redis on ElastiCache, one secret with their URLs, an ECS
service for each kind of process, alarms and a dashboard; with --bucket one on S3.
It calls the modules of deploy/terraform.

The broker is held to what "umbel broker plan" knows: what AWS would refuse is
refused, and the fleet is put beside the limits of its instance type. What only the
account knows is a variable with what is given here as its default. Passwords are
variables, and never written.

A secret is var.NAME, a variable that Terraform asks for and keeps in the fleet's
secret, or the ARN of a secret that is there.`,
		Example: `  umbel render terraform -o deploy --region eu-west-1 --vpc-id vpc-0a1b2c3d
      --subnet-ids subnet-0a1b2c3d,subnet-1a2b3c4d --image 123456789012.dkr.ecr.eu-west-1.amazonaws.com/shop@sha256:…
      --worker high_priority,concurrency=8,replicas=2-10 --spot --bucket shop-reports
      --secret SHOP_DATABASE_URL=var.database_url
  cd deploy && terraform init && terraform plan`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			if o.ARM, err = isARM(cmd, arch); err != nil {
				return err
			}
			plan, err := p.plan(cmd, &f)
			if err != nil {
				return err
			}
			if err := p.terraform(cmd, &plan, &f, &b, &o); err != nil {
				return err
			}
			files, notes, err := plan.Terraform(o)
			if err != nil {
				return rendered(cmd, err)
			}
			p.remark(&plan, notes)
			return p.deliver(&f, files)
		},
	}
	f.add(p, cmd, "/")
	b.bindKind(p, cmd)
	fl := cmd.Flags()
	fl.StringVar(&o.Broker.Name, "broker-name", "", "`NAME` of the broker; default: that of the fleet, and its environment")
	fl.StringVar(&o.Region, "region", os.Getenv("AWS_REGION"), "AWS `REGION`")
	fl.StringVar(&o.VPC, "vpc-id", "", "the `VPC` of it all")
	fl.Lookup("subnet-ids").Usage = "private `SUBNETS` of several availability zones, with commas between"
	fl.StringVar(&o.Bucket, "bucket", "", "make this `BUCKET` for what tasks write")
	fl.StringVar(&o.Prefix, "bucket-prefix", "", "`PREFIX` of the keys that workers use there and that expire")
	fl.StringVar(&arch, "arch", "amd64", "`ARCHITECTURE` of the image: amd64 or arm64")
	fl.BoolVar(&o.Spot, "spot", false, "workers beyond the first on Fargate Spot")
	fl.StringVar(&o.Modules, "modules", modulesAt(), "`WHERE` the modules are: a folder, or an address with ?ref=VERSION behind it")
	p.completeWords(cmd, "arch", "amd64", "arm64")
	return cmd
}

var released = regexp.MustCompile(`^v\d+\.\d+\.\d+$`)

// modulesAt is where the modules of this version are.
func modulesAt() string {
	at := "github.com/umbel-go/umbel//deploy/terraform/modules"
	if v, _ := version.Get(); released.MatchString(v) {
		at += "?ref=" + v
	}
	return at
}

// terraform completes what Terraform is told from settings and options.
func (p *program) terraform(cmd *cobra.Command, plan *render.Plan, f *renderFlags, b *brokerFlags, o *render.Terraform) error {
	name := o.Broker.Name
	broker, _, err := b.read(p, cmd, name)
	if err != nil {
		return err
	}
	if broker.Tags == nil {
		broker.Tags = make(map[string]string)
	}
	broker.Tags["Application"] = cmp.Or(broker.Tags["Application"], plan.Name)
	broker.Tags["Environment"] = cmp.Or(broker.Tags["Environment"], b.purpose)
	broker.Name = cmp.Or(name, plan.Name+"-"+render.Slug(broker.Tags["Environment"]))
	o.Broker, o.Senders = broker, b.senders
	c, err := p.settings(nil)
	if err != nil {
		return err
	}
	o.Ahead = -1
	if n := c.WithDefaults().WorkerPrefetchMultiplier; n > 0 {
		o.Ahead = n
	}
	queues, err := p.app.RoutedQueues()
	if err != nil {
		return &fault{code: exitConfig, err: err}
	}
	o.Queues = make(map[string]string)
	for _, q := range queues {
		o.Queues[q.Name] = q.DeadLetter
	}
	plan.Variables = slices.DeleteFunc(plan.Variables, func(v render.Variable) bool {
		asked := slices.ContainsFunc(f.variables, func(text string) bool { return strings.HasPrefix(text, v.Name+"=") })
		return madeHere(v.Name) && !asked // by the settings, which speak of another server
	})
	return nil
}

// madeHere reports whether a variable holds a URL of which Terraform makes the server: the settings' own is that of another one.
func madeHere(name string) bool {
	_, setting, _ := strings.Cut(name, "_")
	return (strings.HasPrefix(name, "UMBEL_") || strings.HasPrefix(name, "CELERY_")) && (setting == "BROKER_URL" || setting == "RESULT_BACKEND")
}
