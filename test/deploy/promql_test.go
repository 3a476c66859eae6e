package deploy

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// The query that KEDA asks counts tasks that run: a queue whose last messages are being worked on keeps its workers.
func TestTheBacklogCountsRunningWork(t *testing.T) {
	t.Parallel()
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("there is no promtool on this machine (make services):", err)
		}
		t.Skip("there is no promtool on this machine (make services):", err)
	}
	spec := read(t, golden(t, "keda")["shop.yaml"]).scaled[0]["spec"].(map[string]any)
	query := spec["triggers"].([]any)[0].(map[string]any)["metadata"].(map[string]any)["query"].(string)
	ready := map[string]any{"series": `umbel_queue_messages{queue="high_priority",state="ready",instance="m1"}`, "values": "30x5"}
	again := map[string]any{"series": `umbel_queue_messages{queue="high_priority",state="ready",instance="m2"}`, "values": "30x5"}
	other := map[string]any{"series": `umbel_queue_messages{queue="reports",state="ready",instance="m1"}`, "values": "1000x5"}
	var workers []map[string]any
	for _, w := range []struct{ name, queue string }{{"high_priority@a", "high_priority"}, {"high_priority@b", "high_priority"}, {"reports@a", "reports"}} {
		workers = append(workers,
			map[string]any{"series": `umbel_worker_consuming{worker="` + w.name + `",queue="` + w.queue + `"}`, "values": "1x5"},
			map[string]any{"series": `umbel_worker_running{worker="` + w.name + `"}`, "values": "8x5"},
			map[string]any{"series": `umbel_worker_waiting{worker="` + w.name + `",for="slot"}`, "values": "3x5"},
			map[string]any{"series": `umbel_worker_waiting{worker="` + w.name + `",for="time"}`, "values": "500x5"})
	}
	expect := func(series []map[string]any, want ...float64) map[string]any {
		samples := []map[string]any{}
		for _, v := range want {
			samples = append(samples, map[string]any{"labels": "{}", "value": v})
		}
		return map[string]any{"interval": "1m", "input_series": series,
			"promql_expr_test": []map[string]any{{"expr": query, "eval_time": "5m", "exp_samples": samples}}}
	}
	text, err := json.Marshal(map[string]any{"rule_files": []string{}, "evaluation_interval": "1m", "tests": []map[string]any{
		expect(append([]map[string]any{ready, again, other}, workers...), 30+16+6), // two monitors tell of one queue
		expect([]map[string]any{ready, other}, 30),                                 // nobody works yet: scaled from none
		expect(workers), // the monitor is silent: no answer, and KEDA leaves all as it is
	}})
	if err != nil {
		t.Fatal(err)
	}
	if text, err = yaml.JSONToYAML(text); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "query.yml")
	if err := os.WriteFile(path, text, 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(promtool, "test", "rules", path).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// What makes the external metric of the HorizontalPodAutoscaler asks the same.
func TestTheAdapterAsksTheSame(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../deploy/kubernetes/prometheus-adapter.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var values struct {
		Rules struct {
			External []struct {
				SeriesQuery  string                    `json:"seriesQuery"`
				Name         struct{ As string }       `json:"name"`
				Resources    struct{ Namespaced bool } `json:"resources"`
				MetricsQuery string                    `json:"metricsQuery"`
			} `json:"external"`
		} `json:"rules"`
	}
	if err := yaml.UnmarshalStrict(text, &values); err != nil {
		t.Fatal(err)
	}
	rule := values.Rules.External[0]
	spec := read(t, golden(t, "keda")["shop.yaml"]).scaled[0]["spec"].(map[string]any)
	want := spec["triggers"].([]any)[0].(map[string]any)["metadata"].(map[string]any)["query"].(string)
	if got := strings.ReplaceAll(rule.MetricsQuery, "<<.LabelMatchers>>", `queue="high_priority"`); got != want {
		t.Errorf("the adapter asks\n%s\nKEDA asks\n%s", got, want)
	}
	h := read(t, golden(t, "hpa")["shop.yaml"]).scalers[0]
	if name := h.Spec.Metrics[0].External.Metric.Name; name != rule.Name.As {
		t.Errorf("the metric is %s, and %s is wanted", rule.Name.As, name)
	}
}
