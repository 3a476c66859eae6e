package cli

import (
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/umbel-go/umbel/monitor"
	"github.com/umbel-go/umbel/monitor/cloudwatch"
)

// cloudFlags are the options of monitor that tell Amazon CloudWatch.
type cloudFlags struct {
	how        string
	namespace  string
	dimensions []string
	every      time.Duration
	scale      scaleFlags
}

func (f *cloudFlags) add(fl *pflag.FlagSet) {
	fl.StringVar(&f.how, "cloudwatch", "", "tell Amazon CloudWatch, `HOW`: api (PutMetricData), or lines (embedded metric format, on standard output)")
	fl.StringVar(&f.namespace, "cloudwatch_namespace", "Umbel", "`NAMESPACE` of the metrics")
	fl.StringSliceVar(&f.dimensions, "cloudwatch_dimensions", nil, "added to every metric: `NAME=VALUE`, with commas between")
	fl.DurationVar(&f.every, "cloudwatch_every", time.Minute, "how often: a `DURATION`")
	f.scale.add(fl, "scale_")
}

var cloudNames = []string{"cloudwatch", "cloudwatch_namespace", "cloudwatch_dimensions", "cloudwatch_every",
	"scale_wait", "scale_utilization", "scale_backlog", "scale_min", "scale_max", "scale_grace"}

// tell fills the monitor's Config.
func (f *cloudFlags) tell(p *program, cmd *cobra.Command, c *monitor.Config) (err error) {
	if c.Scaling, err = f.scale.wanted(); err != nil {
		return err
	}
	if f.how == "" {
		return nil
	}
	w := &cloudwatch.Config{Namespace: f.namespace, Every: f.every}
	for _, text := range f.dimensions {
		name, value, ok := strings.Cut(text, "=")
		if !ok {
			return misuse(cmd, "--cloudwatch_dimensions %s: want NAME=VALUE", text)
		}
		w.Dimensions = append(w.Dimensions, cloudwatch.Dimension{Name: name, Value: value})
	}
	switch f.how {
	case "lines":
		w.Sink = &cloudwatch.Lines{Out: p.Out}
	case "api":
		api, err := cloudwatch.NewAPI(cmd.Context())
		if err != nil {
			return &fault{code: exitConfig, err: err}
		}
		w.Sink = api
	default:
		return misuse(cmd, "--cloudwatch %s: want api or lines", f.how)
	}
	if f.every < time.Second {
		return misuse(cmd, "--cloudwatch_every %v: want at least 1s", f.every)
	}
	if err := w.Check(); err != nil {
		return &fault{code: exitUsage, err: err}
	}
	c.CloudWatch = w
	return nil
}
