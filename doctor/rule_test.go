package doctor

import (
	"slices"
	"strings"
	"testing"
)

// Each rule with what it finds, and with what looks alike and is right.
func TestRules(t *testing.T) {
	const declared = "from kombu import Queue\nCELERY_TASK_QUEUES = [Queue('q', queue_arguments={"
	cases := []struct {
		rule  string
		files []string
		want  int // findings of this rule
	}{
		{"route-binding", []string{"s.py", "CELERY_TASK_ROUTES = ([('a.*', {'queue': 'q', 'exchange': 'x', 'routing_key': 'k'})],)"}, 1},
		{"route-binding", []string{"s.py", "CELERY_TASK_ROUTES = {'a': {'queue': 'q', 'exchange': 'x', 'routing_key': 'q'}}"}, 0},
		{"route-binding", []string{"s.py", "CELERY_TASK_ROUTES = {'a': {'exchange': 'x', 'routing_key': 'k'}}"}, 0},
		{"route-dead-letter", []string{"s.py", "CELERY_TASK_ROUTES = {'a': {'queue': 'q', 'colour': 1}}"}, 1},
		{"route-dead-letter", []string{"s.py", "CELERY_TASK_ROUTES = {'a': {'queue': 'q', 'expires': 1}}"}, 0},
		{"route-key", []string{"s.py", "CELERY_TASK_ROUTES = {'a': {'queue': 'q', 'routing_key': 'k'}}"}, 1},
		{"route-key", []string{"s.py", "CELERY_TASK_ROUTES = {'a': {'queue': 'q', 'routing_key': 'q'}}"}, 0},
		{"queue-priority", []string{"s.py", declared + "'x-queue-type': 'quorum', 'x-max-priority': 10})]"}, 1},
		{"queue-priority", []string{"s.py", declared + "'x-queue-type': 'classic', 'x-max-priority': 10})]"}, 0},
		{"queue-priority", []string{"s.py", "CELERY_TASK_QUEUE_MAX_PRIORITY = 10"}, 1},
		{"queue-priority", []string{"s.py", "CELERY_TASK_QUEUE_MAX_PRIORITY = 10\nCELERY_TASK_DEFAULT_QUEUE_TYPE = 'classic'"}, 0},
		{"queue-priority", []string{"s.py", "CELERY_TASK_ROUTES = {'a': {'queue': 'q', 'priority': 1}, 'b': {'queue': 'q', 'priority': 2}, 'c': {'queue': 'r', 'priority': 1}}"}, 0},
		{"default-queue", []string{"w.sh", "celery -A x worker -Q a"}, 1},
		{"default-queue", []string{"w.sh", "celery -A x worker -Qa,celery"}, 0},
		{"default-queue", []string{"w.sh", "celery -A x worker"}, 0},
		{"default-queue", []string{"w.sh", "celery -A x worker -Q $QUEUES"}, 0},
		{"default-queue", []string{"w.sh", "./bin/shop -A config worker -Q high=5,celery -n w@%h"}, 0},
		{"default-queue", []string{"w.sh", "shop worker --queues=high"}, 1},
		{"default-queue", []string{"w.sh", "celery worker -Q a,celery\nbees worker home"}, 0},
		{"default-queue", []string{"w.sh", "celery -A x worker --queues=celery", "s.py", "CELERY_TASK_ROUTES = {'a': {'queue': 'q'}}"}, 1},
		{"default-queue", []string{"w.sh", "exec python3 -m celery -A x worker --queues=main", "s.py", "CELERY_TASK_DEFAULT_QUEUE = 'main'"}, 0},
		{"dead-letter-ack", []string{"s.py", declared + "'x-dead-letter-exchange': 'd'})]"}, 1},
		{"dead-letter-ack", []string{"s.py", "CELERY_TASK_ACKS_ON_FAILURE_OR_TIMEOUT = False\n" + declared + "'x-dead-letter-exchange': 'd'})]"}, 0},
		{"tls-options", []string{"s.py", "CELERY_REDIS_BACKEND_USE_SSL = {'ca_certs': 'x'}"}, 1},
		{"tls-options", []string{"s.py", "CELERY_REDIS_BACKEND_USE_SSL = {'ssl_ca_certs': 'x'}"}, 0},
		{"tls-options", []string{"s.py", "CELERY_BROKER_URL = 'rediss://localhost'\nCELERY_BROKER_USE_SSL = {'ssl_ca_certs': 'x'}"}, 0},
		{"tls-options", []string{"s.py", "CELERY_BROKER_USE_SSL = {'cert_reqs': ssl.CERT_NONE}"}, 1},
		{"tls-options", []string{"s.py", "CELERY_BROKER_USE_SSL = {'cert_reqs': ssl.CERT_REQUIRED}"}, 0},
		{"connection-retries", []string{"s.py", "CELERY_BROKER_CONNECTION_MAX_RETRIES = 10"}, 1},
		{"connection-retries", []string{"s.py", "CELERY_BROKER_CONNECTION_MAX_RETRIES = 100"}, 0},
		{"connection-retries", []string{"s.py", "CELERY_BROKER_CONNECTION_MAX_RETRIES = None"}, 0},
		{"connection-retries", []string{"umbel.yaml", "broker_connection_max_retries: 3\n"}, 1},
		{"broker-missing", []string{"s.py", "CELERY_BROKER_URL = os.getenv('CELERY_BROKER_URL')"}, 1},
		{"broker-missing", []string{"s.py", "CELERY_BROKER_URL = os.getenv('CELERY_BROKER_URL', 'amqp://rabbit')"}, 0},
		{"broker-missing", []string{"s.py", "CELERY_BROKER_URL = os.getenv('CELERY_BROKER_URL') or 'amqp://rabbit'"}, 0},
		{"broker-missing", []string{"s.py", "CELERY_BROKER_URL = os.environ['CELERY_BROKER_URL']"}, 0},
		{"publish-confirm", []string{"s.py", "CELERY_BROKER_URL = 'amqp://rabbit'"}, 1},
		{"publish-confirm", []string{"s.py", "CELERY_BROKER_URL = 'redis://rabbit'"}, 0},
		{"secret-in-text", []string{"s.py", "app = Celery('x', broker='amqps://u:p@broker.example')"}, 1},
		{"secret-in-text", []string{"s.py", "app = Celery('x', broker='amqp://guest:guest@localhost')"}, 0},
		{"secret-in-text", []string{".env", "export CELERY_BROKER_URL='amqps://u:p@broker.example' # ours\n"}, 1},
		{"plain-redis", []string{"s.py", "CELERY_RESULT_BACKEND = 'redis://cache.example/0'"}, 1},
		{"plain-redis", []string{"s.py", "CELERY_RESULT_BACKEND = 'rediss://:p@cache.example/1'"}, 0},
		{"plain-redis", []string{"s.py", "CELERY_RESULT_BACKEND = 'rediss://:p@clustercfg.x.cache.amazonaws.com/1'"}, 1},
		{"plain-redis", []string{"s.py", "CELERY_RESULT_BACKEND = 'redis://127.0.0.1:6379/1'"}, 0},
		{"plain-redis", []string{"umbel.yaml", "result_backend: redis://cache.example/0\n"}, 1},
		{"transport-options", []string{"s.py", "CELERY_BROKER_TRANSPORT_OPTIONS = {'visibility_timeout': 3600}"}, 1},
		{"transport-options", []string{"s.py", "CELERY_BROKER_URL = 'redis://localhost'\nCELERY_BROKER_TRANSPORT_OPTIONS = {'visibility_timeout': 3600}"}, 0},
		{"transport-options", []string{"s.py", "CELERY_RESULT_BACKEND = 'sentinel://a;sentinel://b'\nCELERY_RESULT_BACKEND_TRANSPORT_OPTIONS = {'master_name': 'm'}"}, 0},
		{"worker-lost", []string{"s.py", "CELERY_TASK_REJECT_ON_WORKER_LOST = True"}, 1},
		{"worker-lost", []string{"s.py", "CELERY_TASK_REJECT_ON_WORKER_LOST = True\n" + declared + "'x-delivery-limit': 3, 'x-dead-letter-exchange': 'd'})]"}, 0},
		{"worker-lost", []string{"umbel.yaml", "task_reject_on_worker_lost: true\n"}, 0},
		{"ack-timeout", []string{"s.py", "CELERY_TASK_ACKS_LATE = True"}, 1},
		{"ack-timeout", []string{"s.py", "CELERY_TASK_ACKS_LATE = True\nCELERYD_PREFETCH_MULTIPLIER = 1"}, 0},
		{"ack-timeout", []string{"s.py", "CELERYD_PREFETCH_MULTIPLIER = 8"}, 0},
		{"time-limit", []string{"s.py", "CELERY_ENABLE_UTC = True", "w.sh", "celery worker"}, 1},
		{"time-limit", []string{"s.py", "CELERY_TASK_TIME_LIMIT = 60", "w.sh", "celery worker"}, 0},
		{"time-limit", []string{"s.py", "CELERY_ENABLE_UTC = True", "w.sh", "celery worker --time-limit=60"}, 0},
		{"retry-countdown", []string{"t.py", "@app.task(retry_backoff=True, retry_kwargs={'countdown': 5})\ndef f(): pass"}, 1},
		{"retry-countdown", []string{"t.py", "@app.task(retry_backoff=False, retry_kwargs={'countdown': 5})\ndef f(): pass"}, 0},
		{"retry-countdown", []string{"t.py", "@app.task(autoretry_for=[Exception])\ndef f(): pass"}, 1},
		{"rate-limit", []string{"t.py", "@shared_task(rate_limit='1/s')\ndef f(): pass"}, 1},
		{"rate-limit", []string{"t.py", "@shared_task(bind=True)\ndef f(): pass\n@cache(rate_limit='1/s')\ndef g(): pass"}, 0},
		{"audit-trail", []string{"s.py", "CELERY_RESULT_EXPIRES = 60 * 60"}, 1},
		{"audit-trail", []string{"s.py", "CELERY_RESULT_EXPIRES = 60 * 60 * 24"}, 0},
		{"unknown-setting", []string{"s.py", "CELERY_TASK_ROUTE = {}"}, 1},
		{"unknown-setting", []string{"s.py", "CELERY_EMAIL_BACKEND = 'x'"}, 0},
		{"set-twice", []string{"a.py", "CELERY_TIMEZONE = 'UTC'", "b.py", "CELERY_TIMEZONE = 'Europe/Rome'"}, 1},
		{"set-twice", []string{"a.py", "CELERY_TIMEZONE = 'UTC'", "b.py", "CELERY_TIMEZONE = 'UTC'"}, 0},
		{"purge-queues", []string{"s.py", "CELERY_TASK_ROUTES = {'a': 'q', 'b': {'queue': 'q'}}", "p.sh", "celery -A x purge -f"}, 1},
		{"purge-queues", []string{"s.py", "CELERY_TASK_ROUTES = {'b': {'queue': 'q'}}", "p.sh", "celery -A x purge -f -Q q"}, 0},
		{"monitor-exposed", []string{"f.sh", "celery -A x flower"}, 1},
		{"monitor-exposed", []string{"f.sh", "celery -A x -b amqp://b flower --basic_auth=$AUTH"}, 0},
		{"broker-create", []string{"b.sh", "aws mq create-broker --no-publicly-accessible --engine-version 4.2.1 --host-instance-type mq.m7g.large"}, 1},
		{"broker-create", []string{"b.sh", "aws mq create-broker --publicly-accessible --deployment-mode ACTIVE_STANDBY_MULTI_AZ"}, 2},
		{"broker-create", []string{"b.sh", "aws mq create-broker --no-publicly-accessible --users Username=a,Password=short"}, 1},
		{"broker-create", []string{"b.sh", "aws mq create-broker --no-publicly-accessible --users Username=a,Password=$PASSWORD"}, 0},
		{"broker-create", []string{"b.sh", "aws mq create-broker --no-publicly-accessible --deployment-mode CLUSTER_MULTI_AZ --host-instance-type mq.t3.micro --engine-version 3.13"}, 1},
		{"broker-create", []string{"b.tf", "resource \"aws_mq_broker\" \"b\" {\n engine_version = var.v\n engine_type = \"RabbitMQ\"\n publicly_accessible = true\n}"}, 1},
		{"broker-create", []string{"b.tf", "resource \"aws_mq_broker\" \"b\" {\n engine_version = \"5.15\"\n engine_type = \"ActiveMQ\"\n}"}, 0},
		{"broker-upkeep", []string{"b.tf", "resource \"aws_mq_broker\" \"b\" {\n engine_type = \"RabbitMQ\"\n}"}, 2},
		{"broker-upkeep", []string{"b.tf", "resource \"aws_mq_broker\" \"b\" {\n engine_type = \"RabbitMQ\"\n auto_minor_version_upgrade = true\n maintenance_window_start_time {}\n}"}, 0},
		{"ecs-refused", []string{"t.json", `{"containerDefinitions": [{"name": "a", "image": "a:1"}]}`}, 1},
		{"ecs-refused", []string{"t.json", `{"memory": "512", "containerDefinitions": [{"name": "a", "image": "a@sha256:1"}]}`}, 0},
		{"ecs-refused", []string{"t.json", `{"memory": "512", "containerDefinitions": [{"name": "a", "image": "r.example:5000/a", "environment": [{"name": "X", "value": "amqp://u:p@h"}]}]}`}, 2},
		{"ecs-results", []string{"t.json", `{"containerDefinitions": [{"command": ["celery", "worker"], "environment": [{"name": "CELERY_BROKER_URL"}]}]}`}, 1},
		{"ecs-results", []string{"t.json", `{"containerDefinitions": [{"command": ["celery", "worker"], "environment": [{"name": "CELERY_BROKER_URL"}]}]}`, "s.py", "CELERY_RESULT_BACKEND = 'rpc://'"}, 0},
		{"ecs-results", []string{"t.json", `{"containerDefinitions": [{"command": ["celery", "worker"], "environment": [{"name": "CELERY_BROKER_URL"}, {"name": "RESULTS"}]}]}`, "s.py", "CELERY_RESULT_BACKEND = os.environ['RESULTS']"}, 0},
		{"ecs-stop", []string{"t.json", `{"containerDefinitions": [{"command": ["celery", "worker"]}]}`}, 3},
		{"pickle", []string{"s.py", "CELERY_ACCEPT_CONTENT = ['json', 'pickle']\nCELERY_TASK_SERIALIZER = 'pickle'\n"}, 2},
		{"pickle", []string{"s.py", "app.conf.update(accept_content=['application/x-python-serialize'])\n"}, 1},
		{"pickle", []string{"s.py", "CELERY_ACCEPT_CONTENT = ['json', 'yaml']\nCELERY_RESULT_SERIALIZER = 'json'\n"}, 0},
		{"ecs-stop", []string{"t.json", `{"containerDefinitions": [{"command": ["gunicorn"]}]}`}, 0},
		{"ecs-stop", []string{"t.json", `{"containerDefinitions": [{"command": ["umbel", "worker"], "stopTimeout": 120, "healthCheck": {"command": ["CMD", "umbel", "healthcheck"]}}]}`}, 1},
		{"ecs-stop", []string{"t.json", `{"containerDefinitions": [{"command": ["umbel", "worker"], "stopTimeout": 120, "healthCheck": {"command": ["CMD-SHELL", "umbel healthcheck || exit 1"]}}]}`}, 1},
		{"ecs-stop", []string{"t.json", `{"containerDefinitions": [{"command": ["umbel", "worker"], "stopTimeout": 120, "healthCheck": {"command": ["CMD", "celery", "-A", "x", "inspect", "ping"]}}]}`}, 1},
		{"ecs-stop", []string{"t.json", `{"containerDefinitions": [{"command": ["umbel", "worker"], "stopTimeout": 120, "healthCheck": {"command": ["CMD", "umbel", "healthcheck", "--live"]}}]}`}, 0},
		{"ecs-stop", []string{"t.json", `{"containerDefinitions": [{"command": ["umbel", "worker"], "stopTimeout": 120, "healthCheck": {"command": ["CMD-SHELL", "curl http://localhost/healthcheck"]}}]}`}, 0},
		{"ecs-stop", []string{"t.tf", "resource \"aws_ecs_task_definition\" \"w\" {\n  container_definitions = jsonencode([{ command = [\"celery\", \"worker\"], \"name\" : \"w\" }])\n}\n"}, 3},
		{"ecs-refused", []string{"t.tf", "resource \"aws_ecs_task_definition\" \"w\" {\n  memory = var.memory\n  container_definitions = jsonencode([{ image = \"x:latest\" }])\n}\n"}, 1},
		{"ecs-refused", []string{"t.tf", "resource \"aws_ecs_task_definition\" \"w\" {\n  container_definitions = <<JSON\n[{\"image\": \"x:1\"}]\nJSON\n}\n"}, 1},
		{"ecs-results", []string{"t.tf", "resource \"aws_ecs_task_definition\" \"w\" {\n  container_definitions = jsonencode([{ command = [\"celery\", \"worker\"], environment = [{ name = \"CELERY_BROKER_URL\" }] }])\n}\n"}, 1},
		{"ecs-results", []string{"t.tf", "resource \"aws_ecs_task_definition\" \"w\" {\n  container_definitions = jsonencode([{ command = [\"celery\", \"worker\"], environment = [{ name = \"CELERY_BROKER_URL\" }], secrets = [for k, v in var.secrets : { name = k }] }])\n}\n"}, 0},
		{"settings-file", []string{"umbel.yaml", "timezone: UTC\nbroker_heartbeat: soon\n"}, 1},
		{"settings-file", []string{"umbel.yaml", "timezone: UTC\nbroker_pool_limit: 5\n"}, 1},
		{"settings-file", []string{"compose.yaml", "services: {}\ntimezone: UTC\nversion: 3\n", "a.py", "CELERY_TIMEZONE = 'UTC'"}, 0},
		{"settings-file", []string{"pyproject.toml", "[tool]\nx = 1\n", "a.py", "CELERY_TIMEZONE = 'UTC'"}, 0},
	}
	positive, negative := make(map[string]bool), make(map[string]bool)
	for _, c := range cases {
		r := examine(t, c.files...)
		n := 0
		for _, f := range r.Findings {
			if f.Rule == c.rule {
				n++
			}
		}
		if n != c.want {
			t.Errorf("%s finds %d, want %d in\n%s\n%v", c.rule, n, c.want, strings.Join(c.files, "\n"), lines(r))
		}
		positive[c.rule] = positive[c.rule] || c.want > 0
		negative[c.rule] = negative[c.rule] || c.want == 0
	}
	for _, rule := range Rules() {
		if rule.check != nil && (!positive[rule.Name] || !negative[rule.Name]) { // those of live brokers have a test of their own
			t.Errorf("%s needs a case that it finds and one that it does not", rule.Name)
		}
	}
	for rule := range positive {
		if !slices.ContainsFunc(Rules(), func(r Rule) bool { return r.Name == rule }) {
			t.Errorf("there is no rule %s", rule)
		}
	}
}
