package umbel

import (
	"slices"
	"strings"
	"time"

	"github.com/umbel-go/umbel/codec"
	"github.com/umbel-go/umbel/internal/setting"
)

// Check says what is wrong with a Config, all of it at once: a *ConfigError, or nil. LoadConfig has called it; a literal is
// checked by the app that takes it. It reads the TLS files that are named.
func (c Config) Check() error {
	var p problems
	if c.Profile == "production" && !c.brokerNamed() {
		p.add("broker_url is not set, and profile is production: set it, for example UMBEL_BROKER_URL=amqps://user:password@host//")
	}
	if len(c.BrokerReadURL) > 0 && !c.brokerNamed() {
		p.add("%s: it says where to consume, and nothing where to publish: set broker_url or broker_write_url", c.place("broker_read_url"))
	}
	if len(c.BrokerURL) > 0 && c.BrokerHost != "" {
		p.add("%s: broker_url is set as well, and says the host: remove one", c.place("broker_host"))
	}
	for name, urls := range map[string][]string{"broker_url": c.BrokerURL, "broker_read_url": c.BrokerReadURL, "broker_write_url": c.BrokerWriteURL} {
		for _, u := range urls {
			if strings.TrimSpace(u) == "" {
				p.add("%s: a URL is empty", c.place(name))
			}
		}
	}
	if len(c.AcceptContent) > 0 {
		if _, err := codec.NewAccept(c.AcceptContent...); err != nil {
			p.add("%s: %v", c.place("accept_content"), err)
		}
	}
	if len(c.ResultAcceptContent) > 0 {
		if _, err := codec.NewAccept(c.ResultAcceptContent...); err != nil {
			p.add("%s: %v", c.place("result_accept_content"), err)
		}
	}
	c.checkFormats(&p)
	if c.BrokerUseSSL != nil {
		if _, err := c.BrokerUseSSL.Config(); err != nil {
			p.add("%s: %v", c.place("broker_use_ssl"), err)
		}
	}
	if c.RedisBackendUseSSL != nil {
		if _, err := c.RedisBackendUseSSL.Config(); err != nil {
			p.add("%s: %v", c.place("redis_backend_use_ssl"), err)
		}
	}
	if c.RedisBackendUseSSL != nil && c.RedisBackendUseSSL.ServerHostname != "" {
		p.add("%s: Redis takes no server name: the certificate must carry the URL's host", c.place("redis_backend_use_ssl"))
	}
	if c.RedisBackendUseSSL != nil && c.RedisBackendUseSSL.PinSHA256 != "" {
		p.add("%s: Redis takes no pin_sha256: name an authority of your own by ssl_ca_certs", c.place("redis_backend_use_ssl"))
	}
	if c.TaskSpool != "" && strings.HasPrefix(c.ResultBackend, "rpc") {
		p.add("%s: results by rpc:// come to the process that has sent, and what waits in a spool may be sent by another: use another result_backend, or no spool",
			c.place("task_spool"))
	}
	c.checkNumbers(&p)
	c.checkQueues(&p)
	return p.err()
}

// brokerNamed reports whether any setting says which broker is published to.
func (c Config) brokerNamed() bool {
	return len(c.BrokerURL) > 0 || len(c.BrokerWriteURL) > 0 || c.BrokerHost != ""
}

// oneOf are the settings that know their values; the table has them too, for what comes from files.
func (c Config) checkFormats(p *problems) {
	if _, err := ParseRate(c.TaskDefaultRateLimit); err != nil {
		p.add("%s: %v", c.place("task_default_rate_limit"), err)
	}
	if _, _, err := c.Autoscale(); err != nil {
		p.add("%s: %v", c.place("worker_autoscale"), err)
	}
	for _, kind := range c.WorkerStopNotices {
		if !slices.Contains([]string{"spot", "rebalance", "ecs", "none"}, kind) {
			p.add("%s: %q is not one of spot, rebalance, ecs, none", c.place("worker_stop_notices"), kind)
		}
	}
	for _, name := range c.MetricsNames {
		if !slices.Contains([]string{"celery-exporter", "flower"}, name) {
			p.add("%s: %q is not one of celery-exporter, flower", c.place("metrics_names"), name)
		}
	}
	for _, f := range []struct{ name, value string }{
		{"profile", c.Profile},
		{"broker_failover_strategy", c.BrokerFailoverStrategy},
		{"broker_login_method", c.BrokerLoginMethod},
		{"broker_native_delayed_delivery_queue_type", c.BrokerNativeDelayedDeliveryQueueType},
		{"task_default_queue_type", c.TaskDefaultQueueType},
		{"task_create_missing_queue_type", c.TaskCreateMissingQueueType},
		{"worker_loglevel", c.WorkerLogLevel},
		{"worker_queue_order", c.WorkerQueueOrder},
	} {
		row, _ := setting.Lookup(f.name)
		if f.value != "" && !slices.Contains(row.OneOf, f.value) {
			p.add("%s: %q is not one of %s", c.place(f.name), f.value, strings.Join(slices.DeleteFunc(slices.Clone(row.OneOf),
				func(s string) bool { return s == "" }), ", "))
		}
	}
	if c.WorkerPool != "" && !slices.Contains([]string{"goroutine", "solo", "process"}, c.WorkerPool) {
		p.add("%s: %q is not one of goroutine, solo, process", c.place("worker_pool"), c.WorkerPool)
	}
	for _, f := range []struct{ name, value string }{
		{"task_serializer", c.TaskSerializer}, {"result_serializer", c.ResultSerializer}, {"event_serializer", c.EventSerializer},
	} {
		if f.value == "" {
			continue
		}
		if _, err := codec.Marshal(f.value, nil); err != nil {
			p.add("%s: %v", c.place(f.name), err)
		}
	}
	if c.TaskCompression != "" {
		if _, _, err := codec.Compress(c.TaskCompression, nil); err != nil {
			p.add("%s: %v", c.place("task_compression"), err)
		}
	}
}

// checkNumbers looks at what a literal can get wrong; what came from a file has passed the table's bounds.
func (c Config) checkNumbers(p *problems) {
	for _, n := range []struct {
		name        string
		value       int64
		least, most int64
	}{
		{"accept_decompressed_bytes", c.AcceptDecompressedBytes, 0, 1 << 62},
		{"broker_connection_max_retries", int64(c.BrokerConnectionMaxRetries), 0, 1 << 62},
		{"broker_connection_timeout", int64(c.BrokerConnectionTimeout), 0, 1 << 62},
		{"beat_lease", int64(c.BeatLease), 0, 1 << 62},
		{"beat_max_loop_interval", int64(c.BeatMaxLoopInterval), 0, 1 << 62},
		{"beat_cron_starting_deadline", int64(c.BeatCronStartingDeadline), 0, 1 << 62},
		{"broker_port", int64(c.BrokerPort), 0, 65535},
		{"redis_port", int64(c.RedisPort), 0, 65535},
		{"redis_db", int64(c.RedisDB), 0, 1 << 31},
		{"redis_max_connections", int64(c.RedisMaxConnections), 0, 1 << 31},
		{"redis_socket_timeout", int64(c.RedisSocketTimeout), 0, 1 << 62},
		{"redis_socket_connect_timeout", int64(c.RedisSocketConnectTimeout), 0, 1 << 62},
		{"task_protocol", int64(c.TaskProtocol), 0, 2},
		{"task_default_delivery_mode", int64(c.TaskDefaultDeliveryMode), 0, 2},
		{"task_queue_max_priority", int64(c.TaskQueueMaxPriority), 0, 255},
		{"task_compression_min", int64(c.TaskCompressionMin), 0, 1 << 40},
		{"task_delivery_limit", int64(c.TaskDeliveryLimit), NoLimit, 1 << 20},
		{"task_spool_max", int64(c.TaskSpoolMax), 0, 1 << 40},
		{"task_spool_after", int64(c.TaskSpoolAfter), 0, 1 << 62},
		{"worker_concurrency", int64(c.WorkerConcurrency), 0, 1 << 20},
		{"worker_soft_shutdown_timeout", int64(c.WorkerSoftShutdownTimeout), 0, 1 << 62},
		{"worker_shutdown_grace", int64(c.WorkerShutdownGrace), 0, 1 << 62},
		{"worker_autoscale_keepalive", int64(c.WorkerAutoscaleKeepalive), 0, 1 << 62},
		{"worker_max_tasks_per_child", int64(c.WorkerMaxTasksPerChild), 0, 1 << 40},
		{"worker_max_memory_per_child", int64(c.WorkerMaxMemoryPerChild), 0, 1 << 50},
		{"worker_proc_alive_timeout", int64(c.WorkerProcAliveTimeout), 0, 1 << 62},
		{"worker_prefetch_multiplier", int64(c.WorkerPrefetchMultiplier), AutoPrefetch, 1 << 20},
	} {
		if n.value < n.least || n.value > n.most {
			p.add("%s: %d is out of range: it must be between %d and %d", c.place(n.name), n.value, n.least, n.most)
		}
	}
	if c.TaskTimeLimit > 0 && c.TaskSoftTimeLimit > c.TaskTimeLimit {
		p.add("%s: %v is more than the %v of task_time_limit, which would end every task first", c.place("task_soft_time_limit"),
			c.TaskSoftTimeLimit, c.TaskTimeLimit)
	}
	if c.TaskDefaultPriority != nil && (*c.TaskDefaultPriority < 0 || *c.TaskDefaultPriority > 255) {
		p.add("%s: %d is out of range: it must be between 0 and 255", c.place("task_default_priority"), *c.TaskDefaultPriority)
	}
	if int64(c.WorkerPrefetchMultiplier)*int64(max(c.WorkerConcurrency, 1)) > 65535 {
		p.add("%s: %d times a worker_concurrency of %d is more than the 65535 that AMQP can prefetch: use less, or no limit (0 in a file, NoLimit in code)",
			c.place("worker_prefetch_multiplier"), c.WorkerPrefetchMultiplier, max(c.WorkerConcurrency, 1))
	}
}

func (c Config) checkQueues(p *problems) {
	seen := make(map[string]bool, len(c.TaskQueues))
	for _, q := range c.TaskQueues {
		if _, err := ParseRate(q.RateLimit); err != nil {
			p.add("%s: queue %q: %v", c.place("task_queues"), q.Name, err)
		}
		if q.RateScope != "" && q.RateScope != PerWorker && q.RateScope != Cluster {
			p.add("%s: queue %q: rate scope %q is not one of worker, cluster", c.place("task_queues"), q.Name, q.RateScope)
		}
		if q.DeadLetter == "" {
			continue
		}
		if q.Arguments["x-dead-letter-exchange"] != nil || q.Arguments["x-dead-letter-routing-key"] != nil {
			p.add("%s: queue %q has both dead_letter and its own x-dead-letter arguments: keep one", c.place("task_queues"), q.Name)
		}
		if q.DeadLetter == q.Name {
			p.add("%s: queue %q cannot be its own dead_letter: failed tasks would run again and again", c.place("task_queues"), q.Name)
		}
	}
	for i, q := range c.TaskQueues {
		if q.Weight < 0 || q.Weight > MaxQueueWeight {
			p.add("%s: queue %q has a weight of %d: it must be between 1 and %d", c.place("task_queues"), q.Name, q.Weight, MaxQueueWeight)
		}
		switch {
		case q.Name == "":
			p.add("%s: queue %d has no name", c.place("task_queues"), i+1)
		case len(q.Name) > 255:
			p.add("%s: the name of queue %d has %d bytes, more than the 255 that AMQP allows", c.place("task_queues"), i+1, len(q.Name))
		case seen[q.Name]:
			p.add("%s: queue %q is declared twice", c.place("task_queues"), q.Name)
		}
		seen[q.Name] = true
	}
	names := make(map[string]bool, len(c.BeatSchedule))
	for _, e := range c.BeatSchedule {
		if err := e.Check(); err != nil {
			p.add("%s: %v", c.place("beat_schedule"), err)
		}
		if names[e.Name] {
			p.add("%s: entry %q is there twice", c.place("beat_schedule"), e.Name)
		}
		names[e.Name] = true
	}
	if c.Timezone != "" {
		if _, err := time.LoadLocation(c.Timezone); err != nil {
			p.add("%s: %q is not a time zone: write an IANA name such as Europe/Berlin", c.place("timezone"), c.Timezone)
		}
	}
	for i, r := range c.TaskRoutes {
		if r.Pattern == "" {
			p.add("%s: route %d has no pattern", c.place("task_routes"), i+1)
		}
	}
}
