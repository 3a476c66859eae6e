package setting

// Umbel's own settings.
var ownTable = []Setting{
	{Name: "profile", Type: Text, OneOf: []string{"", "production"}, Own: true,
		Doc: "\"production\" makes a missing broker_url an error instead of a reason to use the embedded broker."},
	{Name: "accept_decompressed_bytes", Type: Int, Default: "134217728", Min: 1, Own: true,
		Doc: "How large a message body may become when it is decompressed, in bytes. A larger one is refused before it fills the memory."},
	{Name: "task_delivery_limit", Type: Int, Default: "3", Own: true,
		Doc: "How often a late-acknowledged task may be started when each time its worker is lost before it ends; then it fails with WorkerLostError and its message is rejected. 0 is no limit."},
	{Name: "beat_lease", Type: Seconds, Default: "10", Min: 1, Own: true,
		Doc: "How long the scheduler that leads may be unheard of before another takes its place, in seconds."},
	{Name: "beat_name", Type: Text, Own: true,
		Doc: "Schedulers of one name share one schedule, of which one of them sends. Defaults to the program's name: give programs that share a store and not a schedule different ones."},
	{Name: "beat_schedule_file", Type: Text, Own: true,
		Doc: "File (YAML, TOML or JSON) with further entries of beat_schedule. It is read again when it changes."},
	{Name: "worker_proc_silence_timeout", Type: Seconds, Default: "60.0", Own: true,
		Doc: "Seconds that a child of the process pool may give no sign of life while it runs a task; then it is killed, and its task ends as one that has lost its process. A task that merely takes long is no silence: the child answers beside it. 0 is for ever."},
	{Name: "worker_terminate_grace", Type: Seconds, Default: "5.0", Own: true,
		Doc: "Seconds that a terminated task has after its context was cancelled; then its child of the process pool is killed. 0 kills at once."},
	{Name: "worker_autoscale", Type: Text, Own: true,
		Doc: "\"MAX,MIN\": the number of tasks that run at once follows the load between these, in place of worker_concurrency. Celery knows it as the option --autoscale."},
	{Name: "worker_autoscale_keepalive", Type: Seconds, Default: "30.0", Own: true,
		Doc: "Seconds that the pool stays as large after it has grown. Celery knows it as the variable AUTOSCALE_KEEPALIVE."},
	{Name: "worker_log_json", Type: Bool, Default: "false", Own: true,
		Doc: "Write the log as one JSON object per line."},
	{Name: "worker_loglevel", Type: Text, Default: "info", OneOf: []string{"debug", "info", "warning", "error", "critical", "fatal"}, Own: true,
		Doc: "Lowest level that is logged. Celery knows it as the option --loglevel."},
}
