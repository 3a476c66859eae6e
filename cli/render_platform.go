package cli

import (
	"os"

	"github.com/spf13/cobra"

	"github.com/umbel-go/umbel/internal/render"
)

func (p *program) renderECSCommand() *cobra.Command {
	var f renderFlags
	var o render.ECS
	var launch, arch string
	cmd := &cobra.Command{
		Use:   "ecs",
		Short: "task definitions of Amazon ECS, and services",
		Long: `Write a task definition for each kind of process, as "aws ecs
register-task-definition --cli-input-json" takes it, and with --cluster, --subnets
and --security-groups the service that runs it.

A secret is kept in Secrets Manager or Systems Manager: its ARN; with :KEY:: behind
it one key of the JSON that it holds. The monitor tells CloudWatch of queues, so
that services can follow them (deploy/terraform).`,
		Example: `  umbel render ecs -o ecs --image 123456789012.dkr.ecr.eu-west-1.amazonaws.com/shop@sha256:…
      --execution-role arn:aws:iam::123456789012:role/shop-execution
      --secret CELERY_BROKER_URL=arn:aws:secretsmanager:eu-west-1:123456789012:secret:shop-Ab1cdE:BROKER_URL::
      --secret CELERY_RESULT_BACKEND=arn:aws:secretsmanager:eu-west-1:123456789012:secret:shop-Ab1cdE:REDIS_URL::
      --worker high_priority,concurrency=8,replicas=4`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch launch {
			case "fargate", "ec2":
				o.EC2 = launch == "ec2"
			default:
				return misuse(cmd, "--launch %s: want fargate or ec2", launch)
			}
			var err error
			if o.ARM, err = isARM(cmd, arch); err != nil {
				return err
			}
			plan, err := p.plan(cmd, &f)
			if err != nil {
				return err
			}
			files, notes, err := plan.ECS(o)
			if err != nil {
				return rendered(cmd, err)
			}
			p.remark(&plan, notes)
			return p.deliver(&f, files)
		},
	}
	f.add(p, cmd, "/")
	fl := cmd.Flags()
	fl.StringVar(&o.ExecutionRole, "execution-role", "", "`ARN` of the role that pulls the image, reads secrets and writes the log")
	fl.StringVar(&o.TaskRole, "task-role", "", "`ARN` of the role that tasks have; default: none")
	fl.StringVar(&o.Region, "region", os.Getenv("AWS_REGION"), "`REGION` of the log")
	fl.StringVar(&o.LogGroup, "log-group", "", "`GROUP` of CloudWatch Logs; default /ecs/NAME")
	fl.StringVar(&launch, "launch", "fargate", "`WHERE` tasks run: fargate or ec2")
	fl.StringVar(&arch, "arch", "amd64", "`ARCHITECTURE` of the image: amd64 or arm64")
	fl.BoolVar(&o.Spot, "spot", false, "workers beyond the first on Fargate Spot")
	fl.StringVar(&o.Cluster, "cluster", "", "`CLUSTER` of the services")
	fl.StringSliceVar(&o.Subnets, "subnets", nil, "`SUBNETS` of the services, with commas between them")
	fl.StringSliceVar(&o.Groups, "security-groups", nil, "security `GROUPS` of the services")
	p.completeWords(cmd, "launch", "fargate", "ec2")
	p.completeWords(cmd, "arch", "amd64", "arm64")
	return cmd
}

func (p *program) renderKubernetesCommand() *cobra.Command {
	var f renderFlags
	var o render.Kubernetes
	cmd := &cobra.Command{
		Use:   "kubernetes",
		Short: "objects of Kubernetes",
		Long: `Write a Deployment and a PodDisruptionBudget for each kind of process, the settings
as a ConfigMap, and for workers with a range of replicas what scales them: a
HorizontalPodAutoscaler, or KEDA's ScaledObject. Both count running tasks as well
as waiting messages.

A secret is SECRET#KEY: a key of a Secret of the namespace.`,
		Example: `  umbel render kubernetes --image registry.example/shop@sha256:… --replicas 2-10
      --secret CELERY_BROKER_URL=shop#broker_url --secret CELERY_RESULT_BACKEND=shop#redis_url | kubectl apply -f -`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			plan, err := p.plan(cmd, &f)
			if err != nil {
				return err
			}
			files, err := plan.Kubernetes(o)
			if err != nil {
				return rendered(cmd, err)
			}
			p.remark(&plan, nil)
			return p.deliver(&f, files)
		},
	}
	f.add(p, cmd, "/")
	fl := cmd.Flags()
	fl.StringVar(&o.Namespace, "namespace", "", "`NAMESPACE` of all objects; default: kubectl's")
	fl.StringVar(&o.Scaler, "autoscale", render.ScaleHPA, "`WHAT` scales workers with a range of replicas: hpa or keda")
	fl.StringVar(&o.Prometheus, "prometheus", "", "`URL` of the Prometheus that KEDA asks")
	p.completeWords(cmd, "autoscale", render.ScaleHPA, render.ScaleKEDA)
	return cmd
}

func (p *program) renderSystemdCommand() *cobra.Command {
	var f renderFlags
	cmd := &cobra.Command{
		Use:   "systemd",
		Short: "units of systemd, for one host",
		Long: `Write a unit for each kind of process, as a template of which --replicas run, and
a target that starts and stops all. Each unit runs as a user of its own that may
write nowhere but into its own folders.

A secret is a file of the host that root alone may read; the process gets it as a
credential of systemd.`,
		Example: `  umbel render systemd -o /etc/systemd/system --secret CELERY_BROKER_URL=/etc/shop/broker_url
      --secret CELERY_RESULT_BACKEND=/etc/shop/redis_url
  systemctl daemon-reload && systemctl enable --now shop.target`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			plan, err := p.plan(cmd, &f)
			if err != nil {
				return err
			}
			files, err := plan.Systemd()
			if err != nil {
				return rendered(cmd, err)
			}
			return p.deliver(&f, files)
		},
	}
	f.add(p, cmd, "/usr/local/bin/")
	return cmd
}

func (p *program) renderComposeCommand() *cobra.Command {
	var f renderFlags
	cmd := &cobra.Command{
		Use:   "compose",
		Short: "a compose file, with RabbitMQ, Redis and PostgreSQL",
		Long: `Write a compose file that runs the fleet on one machine with the servers that it
needs: RabbitMQ, Redis for results, PostgreSQL for the monitor's history. A server
whose URL is given as a secret or variable is left out.

A secret is a file beside the compose file.`,
		Example: `  umbel render compose --image shop:1.0 > compose.yaml && docker compose up`,
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			plan, err := p.plan(cmd, &f)
			if err != nil {
				return err
			}
			files, err := plan.Compose()
			if err != nil {
				return rendered(cmd, err)
			}
			p.remark(&plan, nil)
			return p.deliver(&f, files)
		},
	}
	f.add(p, cmd, "/")
	return cmd
}

// isARM is what --arch says of an image.
func isARM(cmd *cobra.Command, arch string) (bool, error) {
	switch arch {
	case "amd64", "arm64":
		return arch == "arm64", nil
	}
	return false, misuse(cmd, "--arch %s: want amd64 or arm64", arch)
}
