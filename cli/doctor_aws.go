package cli

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/umbel-go/umbel/doctor"
	"github.com/umbel-go/umbel/internal/amazonmq/account"
	"github.com/umbel-go/umbel/secret"
)

// awsCheckup is what doctor is told of a broker on Amazon MQ.
type awsCheckup struct {
	broker           string // name or id; awsOwn for that of the settings
	region           string
	workers, senders int
}

// awsOwn, as the value of --aws, is the broker of the settings.
const awsOwn = "settings"

func (c *awsCheckup) bind(f *pflag.FlagSet) {
	f.StringVar(&c.broker, "aws", "", "also ask AWS about the `BROKER` of this name or id; without one that of broker_url")
	f.Lookup("aws").NoOptDefVal = awsOwn
	f.StringVar(&c.region, "region", "", "with --aws: its `REGION`; defaults to the SDK's, or that of broker_url")
	f.IntVar(&c.workers, "workers", 0, "with --aws: how many worker processes there are: `N`")
	f.IntVar(&c.senders, "senders", 0, "with --aws: how many processes that only send: `N`")
}

// doctorAWS asks AWS about the broker, and the stores about the secrets.
func (p *program) doctorAWS(cmd *cobra.Command, r *doctor.Report, c awsCheckup) error {
	ctx := cmd.Context()
	given, err := p.settings(nil)
	if err != nil {
		return err
	}
	d := doctor.Deployment{Secrets: make(map[string]error)}
	kept := true // the secrets can be read
	for _, ref := range given.Secrets() {
		_, d.Secrets[ref] = secret.Whole(ctx, ref, false)
		kept = kept && d.Secrets[ref] == nil
	}
	full := given.WithDefaults()
	d.AckTimeout, d.QueueType = full.BrokerConsumerTimeout, full.TaskDefaultQueueType
	bc, unread := full.BrokerConfig()
	if unread == nil && !embedded(given) {
		d.URL = bc.URLs[0]
	}
	if c.broker == awsOwn {
		if unread != nil {
			return &fault{code: exitConfig, err: fmt.Errorf("--aws: which broker it is cannot be told: %w", unread)}
		}
		if c.broker, c.region, err = ownBroker(d.URL, c.region); err != nil {
			return misuse(cmd, "--aws: %w", err)
		}
	}
	if kept { // else the settings cannot be put in force, and what is wrong with them is found below
		if d.Need, err = p.fleetNeed(cmd, c.workers, c.senders, 0); err != nil {
			return err
		}
	}
	a, err := account.Open(ctx, c.region)
	if err != nil {
		return &fault{code: exitConfig, err: err}
	}
	if d.Broker, err = a.Describe(ctx, c.broker); err != nil {
		return &fault{code: exitUnavailable, err: err}
	}
	if err := a.Configure(ctx, d.Broker); err != nil {
		r.Unread = append(r.Unread, doctor.Unread{Place: doctor.Place{File: "aws:" + d.Broker.Name}, Why: err.Error()})
	}
	r.Add("aws:"+d.Broker.Name, doctor.ExamineBroker(d))
	return nil
}

// ownBroker is the id of the broker that a URL leads to, and its region.
func ownBroker(text, region string) (id, in string, err error) {
	u, err := url.Parse(text)
	if err != nil || text == "" {
		return "", "", fmt.Errorf("the settings name no broker that can be reached over a network: write --aws=NAME")
	}
	id, rest, _ := strings.Cut(u.Hostname(), ".mq.")
	where, _, ok := strings.Cut(rest, ".")
	if !ok || !strings.HasPrefix(id, "b-") {
		return "", "", fmt.Errorf("the host %s is not that of a broker on Amazon MQ: write --aws=NAME", u.Hostname())
	}
	if region == "" {
		region = where
	}
	return id, region, nil
}
