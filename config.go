package umbel

import "time"

// Never, as the value of a setting that is a time, switches it off: results that do not expire, no heartbeat. Files and
// variables say it as Celery does, by 0 or null. For numbers it is NoLimit.
const Never time.Duration = -1

// Config is everything that can be set about an app. Its fields bear the names of Celery's settings; docs/settings.md
// lists them all, with those that Umbel accepts without a field. The zero value works: it is an app on the embedded
// broker in umbel.db. LoadConfig fills one from files and variables; a plain literal does as well.
//
// A nil pointer and a zero mean "the default", which WithDefaults fills in.
type Config struct {
	// Profile "production" makes a missing broker_url an error instead of a reason to use the embedded broker.
	// Defaults to "". Umbel's own: profile.
	Profile string `setting:"profile"`

	// AcceptContent names the serializers or content types that are decoded; others are refused. "pickle" is an error.
	// Defaults to json. Celery: accept_content.
	AcceptContent []string `setting:"accept_content"`

	// ResultAcceptContent is the same for results. Defaults to AcceptContent. Celery: result_accept_content.
	ResultAcceptContent []string `setting:"result_accept_content"`

	// Timezone is the zone of schedules' clocks: an IANA name. Defaults to UTC, or to the local zone when EnableUTC is false.
	// Celery: timezone.
	Timezone string `setting:"timezone"`

	// EnableUTC makes UTC the zone of schedules when Timezone is not set. Defaults to true. Celery: enable_utc.
	EnableUTC *bool `setting:"enable_utc"`

	// AuditFile takes a line of JSON for everything that is done with dead letters by hand, before it is done. It is only ever
	// appended to. Defaults to umbel-audit.jsonl in the working directory. Umbel's own: audit_file.
	AuditFile string `setting:"audit_file"`

	// MetricsAddress is where worker, beat and monitor show /metrics, /livez and /readyz: host:port, a port of 127.0.0.1, or the
	// path of a unix socket. Defaults to nowhere. Umbel's own: metrics_address.
	MetricsAddress string `setting:"metrics_address"`

	// MetricsTokenFile holds the bearer token that /metrics wants. Defaults to none. Umbel's own: metrics_token_file.
	MetricsTokenFile string `setting:"metrics_token_file"`

	// MetricsPublic lets MetricsAddress be reached by other machines without a token. Umbel's own: metrics_public.
	MetricsPublic bool `setting:"metrics_public"`

	// MetricsNames are further names under which the monitor tells its metrics: celery-exporter, flower. Umbel's own:
	// metrics_names.
	MetricsNames []string `setting:"metrics_names"`

	// AcceptDecompressedBytes is how large a message body may become when it is decompressed, in bytes.
	// Defaults to 128 MiB. Umbel's own: accept_decompressed_bytes.
	AcceptDecompressedBytes int64 `setting:"accept_decompressed_bytes"`

	// BrokerURL are the URLs of the broker, tried in order. Defaults to sqlite://umbel.db. Celery: broker_url.
	BrokerURL []string `setting:"broker_url"`

	// BrokerReadURL and BrokerWriteURL are URLs for consuming and for publishing, where they differ: other addresses of the same
	// broker, for a copy that is parked on one side is taken on the other. Default to BrokerURL, whose place BrokerWriteURL takes
	// where that is not set. Celery: broker_read_url, broker_write_url.
	BrokerReadURL  []string `setting:"broker_read_url"`
	BrokerWriteURL []string `setting:"broker_write_url"`

	// BrokerTransport is the scheme of a BrokerURL that has none, and of one built from BrokerHost. Defaults to amqp.
	// Celery: broker_transport.
	BrokerTransport string `setting:"broker_transport"`

	// BrokerHost is the host to connect to when there is no BrokerURL. Celery: broker_host.
	BrokerHost string `setting:"broker_host"`

	// BrokerPort is the port that goes with BrokerHost. Defaults to the transport's own. Celery: broker_port.
	BrokerPort int `setting:"broker_port"`

	// BrokerUser overrides the user of the URL. Celery: broker_user.
	BrokerUser string `setting:"broker_user"`

	// BrokerPassword overrides the password of the URL. Celery: broker_password.
	BrokerPassword string `setting:"broker_password"`

	// BrokerCredentialsFile is a file, or another secret, that holds user and password, read before each attempt to connect, so that rotated ones
	// are used without a restart: user:password, the password alone, or JSON with username and password as AWS Secrets
	// Manager writes it. It wins over BrokerUser, BrokerPassword and the URL. Umbel's own: broker_credentials_file.
	BrokerCredentialsFile string `setting:"broker_credentials_file"`

	// BrokerVHost overrides the virtual host of the URL. Celery: broker_vhost.
	BrokerVHost string `setting:"broker_vhost"`

	// BrokerFailoverStrategy is "round-robin" (the default: in the order given) or "shuffle".
	// Celery: broker_failover_strategy.
	BrokerFailoverStrategy string `setting:"broker_failover_strategy"`

	// BrokerUseSSL turns TLS on and says how. Defaults to nil: an amqps:// URL is verified against the system's roots,
	// an amqp:// URL is not encrypted. Celery: broker_use_ssl.
	BrokerUseSSL *TLSOptions `setting:"broker_use_ssl"`

	// BrokerNativeDelayedDeliveryQueueType is the type of the queues in which RabbitMQ keeps messages until their ETA,
	// where they do not exist yet: quorum (the default) or classic. Celery: broker_native_delayed_delivery_queue_type.
	BrokerNativeDelayedDeliveryQueueType string `setting:"broker_native_delayed_delivery_queue_type"`

	// BrokerLoginMethod is the SASL mechanism: PLAIN (the default), AMQPLAIN or EXTERNAL. Celery: broker_login_method.
	BrokerLoginMethod string `setting:"broker_login_method"`

	// BrokerConnectionTimeout bounds one attempt to connect, handshakes included. Defaults to 4 s.
	// Celery: broker_connection_timeout.
	BrokerConnectionTimeout time.Duration `setting:"broker_connection_timeout"`

	// BrokerConnectionRetry reconnects when an established connection is lost. Defaults to true.
	// Celery: broker_connection_retry.
	BrokerConnectionRetry *bool `setting:"broker_connection_retry"`

	// BrokerConnectionRetryOnStartup does the same for the first connection of a worker. Defaults to
	// BrokerConnectionRetry. Celery: broker_connection_retry_on_startup.
	BrokerConnectionRetryOnStartup *bool `setting:"broker_connection_retry_on_startup"`

	// BrokerConnectionMaxRetries bounds the attempts to reconnect. Defaults to 0, without limit (in Celery: 100, which
	// is over before a single broker has rebooted). Celery: broker_connection_max_retries.
	BrokerConnectionMaxRetries int `setting:"broker_connection_max_retries"`

	// BrokerHeartbeat is proposed to the broker; the smaller of both sides' is used. Defaults to 60 s (in Celery:
	// 120 s); Never switches it off. Celery: broker_heartbeat.
	BrokerHeartbeat time.Duration `setting:"broker_heartbeat"`

	// BrokerConsumerTimeout is how long the broker lets a delivery stay unacknowledged before it ends its consumer: workers
	// renew running tasks and hand back waiting ones at half of it. Defaults to 30 minutes, as RabbitMQ does; Never where
	// the broker has none. A shorter one is noticed when it has struck. Umbel's own: broker_consumer_timeout.
	BrokerConsumerTimeout time.Duration `setting:"broker_consumer_timeout"`

	// BrokerConsumerCheck is for how long a queue may deliver nothing to a worker with room for more before RabbitMQ is asked
	// whether messages are ready in it; if so the consumer is renewed. It is asked again at growing intervals, in the end 60
	// times as long. Defaults to 15 s; Never does not ask. Umbel's own: broker_consumer_check.
	BrokerConsumerCheck time.Duration `setting:"broker_consumer_check"`

	// BrokerTransportOptions go to the driver, which refuses those that it does not know.
	// Celery: broker_transport_options.
	BrokerTransportOptions map[string]any `setting:"broker_transport_options"`

	// ResultBackend is the URL of the result store; "disabled" stores nothing. Defaults to the embedded broker's file
	// when that is the broker, else to "disabled". Celery: result_backend.
	ResultBackend string `setting:"result_backend"`

	// ResultExpires is how long results live. Defaults to 24 h; Never keeps them. Celery: result_expires.
	ResultExpires time.Duration `setting:"result_expires"`

	// ResultSerializer writes results. Defaults to json. Celery: result_serializer.
	ResultSerializer string `setting:"result_serializer"`

	// ResultExtended adds name, arguments, worker, retries and queue to results. Defaults to false.
	// Celery: result_extended.
	ResultExtended bool `setting:"result_extended"`

	// ResultPersistent publishes rpc:// results as messages that survive the broker's restart. Defaults to false.
	// Celery: result_persistent.
	ResultPersistent bool `setting:"result_persistent"`

	// ResultBackendTransportOptions go to the result driver: global_keyprefix, master_name, sentinel_kwargs …
	// Celery: result_backend_transport_options.
	ResultBackendTransportOptions map[string]any `setting:"result_backend_transport_options"`

	// RedisHost is used when ResultBackend is "redis" or "redis://" without a host. Defaults to localhost.
	// Celery: redis_host.
	RedisHost string `setting:"redis_host"`

	// RedisPort is the port when the URL has none. Defaults to 6379. Celery: redis_port.
	RedisPort int `setting:"redis_port"`

	// RedisDB is the database number when the URL has none. Defaults to 0. Celery: redis_db.
	RedisDB int `setting:"redis_db"`

	// RedisUsername is the ACL user when the URL has none. Celery: redis_username.
	RedisUsername string `setting:"redis_username"`

	// RedisPassword is the password when the URL has none. Celery: redis_password.
	RedisPassword string `setting:"redis_password"`

	// RedisMaxConnections bounds the connections to Redis. Defaults to the driver's own. Celery: redis_max_connections.
	RedisMaxConnections int `setting:"redis_max_connections"`

	// RedisSocketTimeout bounds one command. Defaults to 120 s. Celery: redis_socket_timeout.
	RedisSocketTimeout time.Duration `setting:"redis_socket_timeout"`

	// RedisSocketConnectTimeout bounds connecting. Defaults to 4 s. Celery: redis_socket_connect_timeout.
	RedisSocketConnectTimeout time.Duration `setting:"redis_socket_connect_timeout"`

	// RedisBackendUseSSL says how TLS is done with Redis; the URL must be rediss://. Celery: redis_backend_use_ssl.
	RedisBackendUseSSL *TLSOptions `setting:"redis_backend_use_ssl"`

	// RedisClientName is shown by CLIENT LIST. Celery: redis_client_name.
	RedisClientName string `setting:"redis_client_name"`

	// TaskSerializer writes task messages. Defaults to json. Celery: task_serializer.
	TaskSerializer string `setting:"task_serializer"`

	// TaskCompression compresses task messages: gzip, bzip2, xz, brotli, zstd. Defaults to none.
	// Celery: task_compression.
	TaskCompression string `setting:"task_compression"`

	// TaskCompressionMin leaves bodies of fewer bytes as they are: compressed, a small one costs time and may be larger.
	// Defaults to 0: all are compressed. Umbel's own: task_compression_min.
	TaskCompressionMin int `setting:"task_compression_min"`

	// TaskProtocol is the message protocol that is written, 1 or 2; both are read. Defaults to 2. Celery: task_protocol.
	TaskProtocol int `setting:"task_protocol"`

	// TaskDefaultQueue is the queue of a task that nothing routes. Defaults to "celery". Celery: task_default_queue.
	TaskDefaultQueue string `setting:"task_default_queue"`

	// TaskDefaultQueueType is classic or quorum. Defaults to classic. Celery: task_default_queue_type.
	TaskDefaultQueueType string `setting:"task_default_queue_type"`

	// TaskDefaultExchange is the exchange of the default queue. Defaults to the queue's name.
	// Celery: task_default_exchange.
	TaskDefaultExchange string `setting:"task_default_exchange"`

	// TaskDefaultExchangeType is the type of that exchange. Defaults to direct. Celery: task_default_exchange_type.
	TaskDefaultExchangeType string `setting:"task_default_exchange_type"`

	// TaskDefaultRoutingKey defaults to the default queue's name. Celery: task_default_routing_key.
	TaskDefaultRoutingKey string `setting:"task_default_routing_key"`

	// TaskDefaultDeliveryMode is protocol.Persistent (the default) or protocol.Transient.
	// Celery: task_default_delivery_mode.
	TaskDefaultDeliveryMode uint8 `setting:"task_default_delivery_mode"`

	// TaskDefaultPriority is the priority, 0 to 255, of tasks without one. Defaults to none.
	// Celery: task_default_priority.
	TaskDefaultPriority *int `setting:"task_default_priority"`

	// TaskQueues are the queues that a worker consumes and the router knows. Defaults to the default queue.
	// Celery: task_queues.
	TaskQueues []QueueConfig `setting:"task_queues"`

	// TaskInheritParentPriority gives what a running task sends, and what follows from it in its workflow, the priority of its
	// own message, unless task, route, signature or call say another one. Defaults to false.
	// Celery: task_inherit_parent_priority.
	TaskInheritParentPriority bool `setting:"task_inherit_parent_priority"`

	// TaskAllowErrorCBOnChordHeader gives the errbacks of a chord to each part of its header, too: they are called for each
	// part that fails, and for the body. Defaults to false: for the body only. Celery: task_allow_error_cb_on_chord_header.
	TaskAllowErrorCBOnChordHeader bool `setting:"task_allow_error_cb_on_chord_header"`

	// TaskQueueMaxPriority is the x-max-priority of every queue that has none of its own. Defaults to 0: none.
	// Celery: task_queue_max_priority.
	TaskQueueMaxPriority int `setting:"task_queue_max_priority"`

	// TaskCreateMissingQueues creates a queue that a route names and TaskQueues does not. Defaults to true; off, it is
	// an error. Celery: task_create_missing_queues.
	TaskCreateMissingQueues *bool `setting:"task_create_missing_queues"`

	// TaskCreateMissingQueueType is classic (the default) or quorum. Celery: task_create_missing_queue_type.
	TaskCreateMissingQueueType string `setting:"task_create_missing_queue_type"`

	// TaskCreateMissingQueueExchangeType is the type of the exchange made with such a queue. Defaults to direct.
	// Celery: task_create_missing_queue_exchange_type.
	TaskCreateMissingQueueExchangeType string `setting:"task_create_missing_queue_exchange_type"`

	// TaskRoutes choose publish options by task name; the first rule that matches decides. Celery: task_routes.
	TaskRoutes []RouteRule `setting:"task_routes"`

	// TaskAcksLate acknowledges after a task has run instead of before. Defaults to false. Celery: task_acks_late.
	TaskAcksLate bool `setting:"task_acks_late"`

	// TaskAcksOnFailureOrTimeout acknowledges late tasks that failed, too. Defaults to true.
	// Celery: task_acks_on_failure_or_timeout.
	TaskAcksOnFailureOrTimeout *bool `setting:"task_acks_on_failure_or_timeout"`

	// TaskAcksOnFailure is the same for failures alone. Defaults to TaskAcksOnFailureOrTimeout.
	// Celery: task_acks_on_failure.
	TaskAcksOnFailure *bool `setting:"task_acks_on_failure"`

	// TaskAcksOnTimeout is the same for hard time limits alone. Defaults to TaskAcksOnFailureOrTimeout.
	// Celery: task_acks_on_timeout.
	TaskAcksOnTimeout *bool `setting:"task_acks_on_timeout"`

	// TaskRejectOnWorkerLost gives the message of a late-acked task back when the process that ran it died, instead of
	// failing the task. Defaults to false. Celery: task_reject_on_worker_lost.
	TaskRejectOnWorkerLost bool `setting:"task_reject_on_worker_lost"`

	// TaskSoftTimeLimit cancels the context of a task that runs longer. Defaults to 0: none.
	// Celery: task_soft_time_limit.
	TaskSoftTimeLimit time.Duration `setting:"task_soft_time_limit"`

	// TaskTimeLimit fails a task that runs longer. Defaults to 0: none. Celery: task_time_limit.
	TaskTimeLimit time.Duration `setting:"task_time_limit"`

	// TaskDefaultRateLimit is how often a task without a limit of its own may start on one worker, such as "100/m".
	// Defaults to no limit. Celery: task_default_rate_limit.
	TaskDefaultRateLimit string `setting:"task_default_rate_limit"`

	// TaskDeliveryLimit is how often a late-acked task may be started when each time its worker is lost before it ends.
	// Then it fails with WorkerLostError, and its message is rejected, to the queue's dead letters if it keeps them.
	// NoLimit is no limit. Defaults to 3. Umbel's own: task_delivery_limit.
	TaskDeliveryLimit int `setting:"task_delivery_limit"`

	// WorkerQueueOrder is which of the tasks that wait for a slot of a worker begins first: QueueOrderArrival,
	// QueueOrderStrict (by the order of TaskQueues, or of -Q) or QueueOrderWeighted. Defaults to that of arrival.
	// Umbel's own: worker_queue_order.
	WorkerQueueOrder string `setting:"worker_queue_order"`

	// WorkerDeduplicateSuccessfulTasks asks the result store, before a late-acked task that was handed out before runs
	// again, whether it has succeeded. Defaults to false. Celery: worker_deduplicate_successful_tasks.
	WorkerDeduplicateSuccessfulTasks bool `setting:"worker_deduplicate_successful_tasks"`

	// WorkerDisableRateLimits ignores all rate limits. Defaults to false. Celery: worker_disable_rate_limits.
	WorkerDisableRateLimits bool `setting:"worker_disable_rate_limits"`

	// TaskAlwaysEager runs registered tasks in the caller and sends nothing: for tests. Defaults to false.
	// Celery: task_always_eager.
	TaskAlwaysEager bool `setting:"task_always_eager"`

	// TaskIgnoreResult stores no results unless a task says otherwise. Defaults to false. Celery: task_ignore_result.
	TaskIgnoreResult bool `setting:"task_ignore_result"`

	// TaskStoreErrorsEvenIfIgnored stores the failures of tasks whose results are ignored. Defaults to false.
	// Celery: task_store_errors_even_if_ignored.
	TaskStoreErrorsEvenIfIgnored bool `setting:"task_store_errors_even_if_ignored"`

	// TaskTrackStarted stores STARTED when a task begins. Defaults to false. Celery: task_track_started.
	TaskTrackStarted bool `setting:"task_track_started"`

	// TaskPublishRetry sends again when a message is certain not to have left. Defaults to true.
	// Celery: task_publish_retry.
	TaskPublishRetry *bool `setting:"task_publish_retry"`

	// TaskSpool is a file in which messages are kept that cannot be sent because the broker is away or refuses messages for now;
	// they are forwarded in their order when it is back. A path, or sqlite://PATH?max_pages=N, which bounds the file's size in
	// pages of 8 KiB. Defaults to "": such a send is an error. Umbel's own: task_spool.
	TaskSpool string `setting:"task_spool"`

	// TaskSpoolMax is how many messages the spool holds at most. Defaults to 100,000. Umbel's own: task_spool_max.
	TaskSpoolMax int `setting:"task_spool_max"`

	// TaskSpoolAfter is how long a send waits for a broker that is away before its message goes into the spool. Defaults to
	// 1 s. Umbel's own: task_spool_after.
	TaskSpoolAfter time.Duration `setting:"task_spool_after"`

	// TaskPublishRetryPolicy says how often and when. Defaults to three more attempts: at once, after 0.2 s, after
	// 0.4 s. Celery: task_publish_retry_policy.
	TaskPublishRetryPolicy *PublishRetryPolicy `setting:"task_publish_retry_policy"`

	// ControlExchange names the exchanges of remote control, NAME.pidbox and reply.NAME.pidbox: whoever is to hear or be
	// heard must have the same. Defaults to celery. Celery: control_exchange.
	ControlExchange string `setting:"control_exchange"`

	// ControlQueueTTL is how long a command or reply waits in its queue. Defaults to 300 s. Celery: control_queue_ttl.
	ControlQueueTTL time.Duration `setting:"control_queue_ttl"`

	// ControlQueueExpires is how long a queue of remote control lives without a consumer. Defaults to 10 s.
	// Celery: control_queue_expires.
	ControlQueueExpires time.Duration `setting:"control_queue_expires"`

	// ControlQueueExclusive gives each queue of remote control to one connection, as RabbitMQ from 4.3 on asks of queues
	// that are not durable. Defaults to true. Celery: control_queue_exclusive.
	ControlQueueExclusive *bool `setting:"control_queue_exclusive"`

	// ControlQueueDurable makes those queues survive a restart of the broker; they are not exclusive then. Defaults to
	// false. Celery: control_queue_durable.
	ControlQueueDurable bool `setting:"control_queue_durable"`

	// TaskSendSentEvent makes clients tell of every task they send. Defaults to false. Celery: task_send_sent_event.
	TaskSendSentEvent bool `setting:"task_send_sent_event"`

	// EventExchange is the topic exchange of events. Defaults to "celeryev". Celery: event_exchange.
	EventExchange string `setting:"event_exchange"`

	// EventSerializer is the serializer of events. Defaults to "json". Celery: event_serializer.
	EventSerializer string `setting:"event_serializer"`

	// EventQueuePrefix begins the names of the queues of those who listen. Defaults to "celeryev".
	// Celery: event_queue_prefix.
	EventQueuePrefix string `setting:"event_queue_prefix"`

	// EventQueueTTL is how long an event waits for a listener that is busy. Defaults to 5 s. Celery: event_queue_ttl.
	EventQueueTTL time.Duration `setting:"event_queue_ttl"`

	// EventQueueExpires is how long the queue of a listener that has gone remains. Defaults to 60 s.
	// Celery: event_queue_expires.
	EventQueueExpires time.Duration `setting:"event_queue_expires"`

	// EventQueueExclusive gives a listener's queue to one connection. Where it does not, the queue is made durable, for
	// RabbitMQ 4.3 takes no other. Defaults to true. Celery: event_queue_exclusive.
	EventQueueExclusive *bool `setting:"event_queue_exclusive"`

	// EventQueueDurable makes it survive a restart of the broker, and be shared. Defaults to false.
	// Celery: event_queue_durable.
	EventQueueDurable bool `setting:"event_queue_durable"`

	// WorkerSendTaskEvents makes workers tell of their tasks and of themselves. Defaults to false.
	// Celery: worker_send_task_events.
	WorkerSendTaskEvents bool `setting:"worker_send_task_events"`

	// WorkerConcurrency is how many tasks run at once: raise it for tasks that wait, lower it for tasks that compute.
	// Defaults to the number of CPUs. Celery: worker_concurrency.
	WorkerConcurrency int `setting:"worker_concurrency"`

	// WorkerPrefetchMultiplier times WorkerConcurrency is how many unacknowledged messages a worker holds. Defaults to
	// 4; NoLimit takes all; AutoPrefetch ("auto" in a file) follows the length of each queue's tasks.
	// Celery: worker_prefetch_multiplier.
	WorkerPrefetchMultiplier int `setting:"worker_prefetch_multiplier"`

	// WorkerAutoscale is the range in which the number of tasks at once follows the load, as "MAX,MIN". WorkerConcurrency has
	// no meaning then. Defaults to none. Celery: the option --autoscale.
	WorkerAutoscale string `setting:"worker_autoscale"`

	// WorkerAutoscaleKeepalive is how long the pool stays as large after it has grown. Defaults to 30 s. Celery: the
	// variable AUTOSCALE_KEEPALIVE.
	WorkerAutoscaleKeepalive time.Duration `setting:"worker_autoscale_keepalive"`

	// WorkerPool is goroutine (the default), solo (one task at a time) or process (children of this program). Celery:
	// worker_pool, whose prefork is process, and whose threads, eventlet and gevent are taken for goroutine.
	WorkerPool string `setting:"worker_pool"`

	// WorkerEnableRemoteControl lets workers hear the commands of remote control: inspect, control, revoke. Defaults to
	// true. Celery: worker_enable_remote_control.
	WorkerEnableRemoteControl *bool `setting:"worker_enable_remote_control"`

	// WorkerStateDB is a file that keeps what was revoked over restarts of this worker, for fleets without a result store
	// that keeps it for all. Marks as in WorkerPidfile. Defaults to none. Celery: worker_state_db, the option --statedb.
	WorkerStateDB string `setting:"worker_state_db"`

	// WorkerPoolRestarts lets the command pool_restart replace the children of the process pool. Defaults to false.
	// Celery: worker_pool_restarts.
	WorkerPoolRestarts bool `setting:"worker_pool_restarts"`

	// WorkerMaxTasksPerChild replaces a child of the process pool after so many tasks. Defaults to 0: never.
	// Celery: worker_max_tasks_per_child.
	WorkerMaxTasksPerChild int `setting:"worker_max_tasks_per_child"`

	// WorkerMaxMemoryPerChild replaces a child of the process pool that has held more memory, in KiB, once its task has
	// ended. Defaults to 0: never. Celery: worker_max_memory_per_child.
	WorkerMaxMemoryPerChild int `setting:"worker_max_memory_per_child"`

	// WorkerProcAliveTimeout is how long a new child of the process pool may take to come up. Defaults to 10 s.
	// Celery: worker_proc_alive_timeout.
	WorkerProcAliveTimeout time.Duration `setting:"worker_proc_alive_timeout"`

	// WorkerProcSilenceTimeout is how long a child of the process pool may give no sign of life while it runs a task,
	// before it is killed. NoLimit is for ever. Defaults to 60 s. Umbel's own: worker_proc_silence_timeout.
	WorkerProcSilenceTimeout time.Duration `setting:"worker_proc_silence_timeout"`

	// WorkerSoftShutdownTimeout is how long a cold shutdown waits for running tasks first. Defaults to 0: not at all.
	// Celery: worker_soft_shutdown_timeout.
	WorkerSoftShutdownTimeout time.Duration `setting:"worker_soft_shutdown_timeout"`

	// WorkerEnableSoftShutdownOnIdle waits that time even when nothing runs. Defaults to false.
	// Celery: worker_enable_soft_shutdown_on_idle.
	WorkerEnableSoftShutdownOnIdle bool `setting:"worker_enable_soft_shutdown_on_idle"`

	// WorkerShutdownGrace is how long after the signal to stop the platform kills the process: a warm shutdown becomes cold
	// early enough before. Defaults to 0: unknown. Umbel's own: worker_shutdown_grace.
	WorkerShutdownGrace time.Duration `setting:"worker_shutdown_grace"`

	// WorkerStopNotices are what the platform is asked for, to stop ahead of its signal: spot, rebalance, ecs, none. Defaults
	// to ecs in a container of ECS, else to none. Umbel's own: worker_stop_notices.
	WorkerStopNotices []string `setting:"worker_stop_notices"`

	// WorkerMetadataURL is where EC2's metadata service answers. Defaults to http://169.254.169.254. Umbel's own:
	// worker_metadata_url.
	WorkerMetadataURL string `setting:"worker_metadata_url"`

	// WorkerTerminateGrace is how long a terminated task may take after its context was cancelled, before its child of the
	// process pool is killed. Negative kills at once. Defaults to 5 s. Umbel's own: worker_terminate_grace.
	WorkerTerminateGrace time.Duration `setting:"worker_terminate_grace"`

	// WorkerLogLevel is debug, info, warning, error or critical. Defaults to info. Celery: the option --loglevel.
	WorkerLogLevel string `setting:"worker_loglevel"`

	// WorkerLogJSON writes one JSON object per line. Defaults to false. Umbel's own: worker_log_json.
	WorkerLogJSON bool `setting:"worker_log_json"`

	// WorkerLogColor colours the log. Defaults to whether it goes to a terminal. Celery: worker_log_color.
	WorkerLogColor *bool `setting:"worker_log_color"`

	// WorkerLogfile is where the command worker logs to; %n and %h are the halves of the node name, %p all of it.
	// Defaults to standard error. Celery: the option --logfile.
	WorkerLogfile string `setting:"worker_logfile"`

	// WorkerPidfile holds the process id of the command worker; the same marks are replaced. Defaults to none.
	// Celery: the option --pidfile.
	WorkerPidfile string `setting:"worker_pidfile"`

	// BeatSchedule are the tasks that package beat sends by schedule. Celery: beat_schedule.
	BeatSchedule []ScheduleEntry `setting:"beat_schedule"`

	// BeatScheduleFile holds further entries, and is read again when it changes. Defaults to none.
	// Umbel's own: beat_schedule_file.
	BeatScheduleFile string `setting:"beat_schedule_file"`

	// BeatScheduleFilename is where schedulers keep the schedule's state, the entries added at run time and the lease of the
	// one that leads: the URL of a store, or the path of an SQLite file. Defaults to ResultBackend; where that keeps nothing,
	// to umbel-schedule.db. Celery: beat_schedule_filename.
	BeatScheduleFilename string `setting:"beat_schedule_filename"`

	// BeatName tells the schedules in one store apart. Defaults to the app's name. Umbel's own: beat_name.
	BeatName string `setting:"beat_name"`

	// BeatLease is how long the scheduler that leads may be unheard of before another takes its place. Defaults to 10 s.
	// Umbel's own: beat_lease.
	BeatLease time.Duration `setting:"beat_lease"`

	// BeatMaxLoopInterval is the longest sleep between two looks at the schedule. Defaults to 300 s.
	// Celery: beat_max_loop_interval.
	BeatMaxLoopInterval time.Duration `setting:"beat_max_loop_interval"`

	// BeatCronStartingDeadline is how late a missed time of a crontab may still be sent. Defaults to no limit.
	// Celery: beat_cron_starting_deadline.
	BeatCronStartingDeadline time.Duration `setting:"beat_cron_starting_deadline"`

	// BeatLogfile is where the command beat logs to. Defaults to standard error. Celery: the option --logfile.
	BeatLogfile string `setting:"beat_logfile"`

	// BeatPidfile holds the process id of the command beat. Defaults to none. Celery: the option --pidfile.
	BeatPidfile string `setting:"beat_pidfile"`

	loaded loaded // what LoadConfig knows beside the values
}
