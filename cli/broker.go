package cli

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/umbel-go/umbel/internal/amazonmq"
)

func (p *program) brokerCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "broker",
		Short: "plan, create and describe a RabbitMQ broker on Amazon MQ",
		Long: `Plan, create and describe a RabbitMQ broker on Amazon MQ. Region and credentials
are found where the AWS SDK looks for them: AWS_REGION, AWS_PROFILE, a role …`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(p.brokerSizesCommand(), p.brokerPlanCommand(), p.brokerCreateCommand(), p.brokerDescribeCommand())
	return cmd
}

func (p *program) brokerSizesCommand() *cobra.Command {
	var version string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "sizes",
		Short: "list instance types with their limits, and versions with their end of support",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if _, _, known := amazonmq.FindVersion(version); version != "" && !known {
				return misuse(cmd, "--engine-version: Amazon MQ has no RabbitMQ %s: it offers %s", version, strings.Join(amazonmq.Supported(), ", "))
			}
			return p.brokerSizes(version, asJSON)
		},
	}
	cmd.Flags().StringVar(&version, "engine-version", "", "only those on which this `VERSION` of RabbitMQ runs")
	cmd.Flags().BoolVarP(&asJSON, "json", "j", false, "print JSON")
	p.completeWords(cmd, "engine-version", amazonmq.Supported()...)
	return cmd
}

func (p *program) brokerSizes(version string, asJSON bool) error {
	var types []amazonmq.Instance
	for _, i := range amazonmq.Instances {
		if version == "" || i.Runs(version) {
			types = append(types, i)
		}
	}
	if asJSON {
		type size struct {
			Name        string   `json:"name"`
			CPUs        int      `json:"vcpus"`
			GiB         int      `json:"gib"`
			Connections int      `json:"connections,omitempty"`
			Channels    int      `json:"channels,omitempty"`
			Queues      int      `json:"queues,omitempty"`
			VHosts      int      `json:"vhosts,omitempty"`
			Exchanges   int      `json:"exchanges,omitempty"`
			Cluster     bool     `json:"cluster"`
			Testing     bool     `json:"testing_only"`
			Versions    []string `json:"versions"`
		}
		type release struct {
			Name      string `json:"name"`
			Supported bool   `json:"supported"`
			End       string `json:"end_of_support,omitempty"`
		}
		var out struct {
			Sizes    []size    `json:"sizes"`
			Versions []release `json:"versions"`
		}
		for _, i := range types {
			out.Sizes = append(out.Sizes, size{i.Name, i.CPUs, i.GiB, i.Connections, i.Channels, i.Queues, i.VHosts, i.Exchanges, !i.Single, i.Testing, runs(i)})
		}
		for _, v := range amazonmq.Versions {
			r := release{Name: v.Name, Supported: v.End.IsZero()}
			if !r.Supported {
				r.End = v.End.Format("2006-01-02")
			}
			out.Versions = append(out.Versions, r)
		}
		return p.printJSON(out)
	}
	t := table{heads: []string{"instance type", " vCPU", " GiB", " connections", " channels", " queues", "RabbitMQ", ""}}
	for _, i := range types {
		note := ""
		switch {
		case i.Single:
			note = "for tests, no cluster"
		case i.Testing:
			note = "for tests"
		}
		t.add(i.Name, strconv.Itoa(i.CPUs), strconv.Itoa(i.GiB), count(i.Connections), count(i.Channels), count(i.Queues), strings.Join(runs(i), " "), note)
	}
	t.write(p.Out, p.paint)
	fmt.Fprintf(p.Out, "\nThe most one node may be set to; RabbitMQ 4 starts with less (connection_max,\nchannel_max_per_node, cluster_queue_limit). %d consumers a channel, messages of\nup to %d bytes.\n\n",
		amazonmq.ConsumersPerChannel, amazonmq.MessageBytes)
	v := table{heads: []string{"RabbitMQ", "support"}}
	for _, x := range amazonmq.Versions {
		v.add(x.Name, amazonmq.Support(x.Name))
	}
	v.write(p.Out, p.paint)
	return nil
}

// runs are the supported versions that run on a type.
func runs(i amazonmq.Instance) []string {
	var out []string
	for _, v := range amazonmq.Supported() {
		if i.Runs(v) {
			out = append(out, v)
		}
	}
	return out
}

// count is a limit, or that it is not known.
func count(n int) string {
	if n == 0 {
		return "?"
	}
	return strconv.Itoa(n)
}
