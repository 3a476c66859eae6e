package cloudwatch

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
)

// Limits of one PutMetricData: 1,000 metrics and 1 MB. The size is that before compression, reckoned from above.
const (
	batchMost = 1000
	bytesMost = 900_000
)

// API puts metrics by PutMetricData, compressed and signed.
type API struct{ client *cloudwatch.Client }

// NewAPI takes region, credentials and endpoint from where the AWS SDK looks: environment, files, the container's or instance's role.
func NewAPI(ctx context.Context) (*API, error) {
	c, err := awsconfig.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, fmt.Errorf("cloudwatch: %w", err)
	}
	if c.Region == "" {
		return nil, errors.New("cloudwatch: no region: set AWS_REGION")
	}
	return &API{client: cloudwatch.NewFromConfig(c)}, nil
}

// Put sends data in as few requests as CloudWatch allows. A batch that fails does not keep the others back.
func (a *API) Put(ctx context.Context, namespace string, data []Datum) error {
	var errs []error
	for _, batch := range batches(data) {
		in := &cloudwatch.PutMetricDataInput{Namespace: aws.String(namespace), MetricData: make([]types.MetricDatum, len(batch))}
		for i, d := range batch {
			in.MetricData[i] = d.wire()
		}
		if _, err := a.client.PutMetricData(ctx, in); err != nil {
			errs = append(errs, fmt.Errorf("put %d metrics: %w", len(batch), err))
		}
	}
	return errors.Join(errs...)
}

// batches cuts data into what one request takes.
func batches(data []Datum) (out [][]Datum) {
	for begin := 0; begin < len(data); {
		end, bytes := begin, 0
		for end < len(data) && end-begin < batchMost {
			bytes += data[end].size()
			if bytes > bytesMost && end > begin {
				break
			}
			end++
		}
		out = append(out, data[begin:end])
		begin = end
	}
	return out
}

// size is the bytes of a datum in a request, no less than it will be.
func (d *Datum) size() int {
	n := 160 + len(d.Name) + len(d.Unit) + 10*(len(d.Values)+len(d.Counts))
	for _, x := range d.Dimensions {
		n += 20 + len(x.Name) + len(x.Value)
	}
	return n
}

func (d *Datum) wire() types.MetricDatum {
	out := types.MetricDatum{MetricName: aws.String(d.Name), Unit: types.StandardUnit(d.Unit), Timestamp: aws.Time(d.Time)}
	for _, x := range d.Dimensions {
		out.Dimensions = append(out.Dimensions, types.Dimension{Name: aws.String(x.Name), Value: aws.String(x.Value)})
	}
	if len(d.Values) > 0 {
		out.Values, out.Counts = slices.Clone(d.Values), slices.Clone(d.Counts)
	} else {
		out.Value = aws.Float64(d.Value)
	}
	return out
}
