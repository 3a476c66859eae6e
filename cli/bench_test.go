package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/cli"
	"github.com/umbel-go/umbel/internal/testenv"
)

// On real servers a benchmark measures everything, and leaves neither queue nor result behind.
func TestBenchOnServersLeavesNothing(t *testing.T) {
	rabbit, redis := testenv.RabbitMQ(t), testenv.Redis(t)
	for _, args := range [][]string{
		{"--result-backend", redis.URL(), "--batch", "10"},
		{"--result-backend", "rpc://"},
		{"--acks-late"},
	} {
		var out, errs bytes.Buffer
		line := append([]string{"umbel", "-b", rabbit.URL(), "bench", "--tasks", "300", "--latency", "10", "--json"}, args...)
		if code := cli.Run(context.Background(), umbel.New("umbel"), line, cli.Std{In: strings.NewReader(""), Out: &out, Err: &errs}); code != 0 || errs.Len() > 0 {
			t.Fatalf("%v: exit code %d, standard error %q", args, code, errs.String())
		}
		var f map[string]any
		if err := json.Unmarshal(out.Bytes(), &f); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"sent_per_second", "run_per_second", "cpu_us_per_task", "latency_p50_ms", "latency_p99_ms", "max_rss_mb"} {
			if v, _ := f[name].(float64); v <= 0 {
				t.Errorf("%v: %s is %v", args, name, f[name])
			}
		}
		if strings.Contains(out.String(), "guest:guest") {
			t.Errorf("the broker's password is shown: %s", out.String())
		}
	}
	for _, q := range rabbit.Queues() {
		t.Errorf("queue %s is left", q.Name)
	}
	var exchanges []struct{ Name string }
	if err := json.Unmarshal(rabbit.API("GET", "/api/exchanges/"+url.PathEscape(rabbit.Vhost()), nil), &exchanges); err != nil {
		t.Fatal(err)
	}
	for _, x := range exchanges {
		if strings.HasPrefix(x.Name, "umbel-bench") {
			t.Errorf("exchange %s is left", x.Name)
		}
	}
	if n := redis.Do("DBSIZE"); n != int64(0) {
		t.Errorf("%v results are left", n)
	}
}
