package deploy

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
)

// project loads a compose file as docker compose does: the schema, extensions, merges and variables included.
func project(t *testing.T, folder string, env map[string]string) (*types.Project, error) {
	t.Helper()
	return loader.LoadWithContext(context.Background(), types.ConfigDetails{
		WorkingDir: t.TempDir(), Environment: maps.Clone(env), // the loader writes into it
		ConfigFiles: []types.ConfigFile{{Filename: "compose.yaml", Content: golden(t, folder)["compose.yaml"]}},
	})
}

var passwords = map[string]string{"RABBITMQ_PASSWORD": "rabbit", "REDIS_PASSWORD": "red", "POSTGRES_PASSWORD": "post", "MONITOR_PASSWORD": "moni", "HOME": "/root"}

func TestComposeFileIsWhatComposeTakes(t *testing.T) {
	p, err := project(t, "compose", passwords)
	if err != nil {
		t.Fatal(err)
	}
	names := slices.Sorted(maps.Keys(p.Services))
	if got := strings.Join(names, " "); got != "beat default high-priority maintenance monitor postgres rabbitmq redis reports" {
		t.Errorf("services %s", got)
	}
	for name, s := range p.Services {
		if s.HealthCheck == nil || len(s.HealthCheck.Test) < 2 {
			t.Errorf("%s has no health check", name)
		}
		if slices.Contains([]string{"postgres", "rabbitmq", "redis"}, name) {
			if len(s.Volumes) != 1 || p.Volumes[s.Volumes[0].Source].Name == "" {
				t.Errorf("%s keeps nothing: %+v", name, s.Volumes)
			}
			continue
		}
		if !s.ReadOnly || s.User != "65532:65532" || len(s.CapDrop) != 1 || s.StopGracePeriod.String() != "1m30s" || *s.Init != true {
			t.Errorf("%s: %+v", name, s)
		}
		for _, server := range []string{"rabbitmq", "redis", "postgres"} {
			if d, ok := s.DependsOn[server]; !ok || d.Condition != types.ServiceConditionHealthy {
				t.Errorf("%s does not wait for %s", name, server)
			}
		}
		for variable, want := range map[string]string{
			"CELERY_BROKER_URL": "amqp://shop:rabbit@rabbitmq:5672//", "CELERY_RESULT_BACKEND": "redis://:red@redis:6379/0", "UMBEL_METRICS_ADDRESS": "127.0.0.1:9808",
			"MOTD": "100 % of $(HOME) and ${HOME}, \"quoted\" \\ and <&>", "UMBEL_TASK_ROUTES": `[{"apps.orders.tasks.*":{"queue":"high_priority"}}]`,
		} {
			if v := s.Environment[variable]; v == nil || *v != want {
				t.Errorf("%s: %s is %v, want %s", name, variable, v, want)
			}
		}
		if _, told := s.Environment["UMBEL_MONITOR_DB"]; told != (name == "monitor") {
			t.Errorf("%s: the monitor's database: %v", name, told)
		}
	}
	high := p.Services["high-priority"]
	if got := strings.Join(append(high.Entrypoint, high.Command...), " "); got != "/shop worker -Q high_priority --concurrency=8 --max-tasks-per-child=100 -n high_priority@%h" || *high.Deploy.Replicas != 2 {
		t.Errorf("high-priority: %s", got)
	}
	for name := range passwords {
		less := maps.Clone(passwords)
		delete(less, name)
		if _, err := project(t, "compose", less); (err == nil) != (name == "HOME") {
			t.Errorf("without %s: %v", name, err)
		}
	}
}

func TestServersElsewhereAreLeftOut(t *testing.T) {
	p, err := project(t, "compose-servers-elsewhere", nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, s := range p.Services {
		if slices.Contains([]string{"postgres", "rabbitmq", "redis"}, name) {
			t.Errorf("there is a %s", name)
		}
		want := 2
		if name == "monitor" {
			want = 4
		}
		if len(s.Secrets) != want || *s.Environment["CELERY_BROKER_URL_FILE"] != "/run/secrets/CELERY_BROKER_URL" {
			t.Errorf("%s: secrets %+v", name, s.Secrets)
		}
		for _, x := range s.Secrets {
			if p.Secrets[x.Source].File == "" {
				t.Errorf("%s: nobody has %s", name, x.Source)
			}
		}
	}
}
