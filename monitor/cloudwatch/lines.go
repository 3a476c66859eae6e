package cloudwatch

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// Lines writes metrics in the embedded metric format: lines of JSON that CloudWatch Logs turns into metrics, without a request or
// a permission. A container's standard output is enough where its log driver is awslogs.
type Lines struct{ Out io.Writer }

// lineMost is how many metrics one line may hold.
const lineMost = 100

// Put writes a line for each set of dimensions.
func (l *Lines) Put(_ context.Context, namespace string, data []Datum) error {
	for begin := 0; begin < len(data); {
		end := begin + 1
		for end < len(data) && end-begin < lineMost && same(&data[begin], &data[end]) {
			end++
		}
		if err := l.line(namespace, data[begin:end]); err != nil {
			return fmt.Errorf("write embedded metrics: %w", err)
		}
		begin = end
	}
	return nil
}

// same reports whether two data may share a line.
func same(a, b *Datum) bool {
	if len(a.Dimensions) != len(b.Dimensions) || !a.Time.Equal(b.Time) {
		return false
	}
	for i := range a.Dimensions {
		if a.Dimensions[i] != b.Dimensions[i] {
			return false
		}
	}
	return true
}

func (l *Lines) line(namespace string, data []Datum) error {
	type metric struct {
		Name string
		Unit string
	}
	names := make([]string, 0, len(data[0].Dimensions))
	doc := make(map[string]any)
	for _, d := range data[0].Dimensions {
		names = append(names, d.Name)
		doc[d.Name] = d.Value
	}
	metrics := make([]metric, len(data))
	for i, d := range data {
		metrics[i] = metric{d.Name, d.Unit}
		doc[d.Name] = d.Value
		if len(d.Values) > 0 {
			doc[d.Name] = map[string]any{"Values": d.Values, "Counts": d.Counts}
		}
	}
	doc["_aws"] = map[string]any{"Timestamp": data[0].Time.UnixMilli(), "CloudWatchMetrics": []any{map[string]any{
		"Namespace": namespace, "Dimensions": [][]string{names}, "Metrics": metrics}}}
	var b strings.Builder
	if err := json.NewEncoder(&b).Encode(doc); err != nil {
		return err
	}
	_, err := io.WriteString(l.Out, b.String())
	return err
}
