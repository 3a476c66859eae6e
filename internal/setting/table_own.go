package setting

// Umbel's own settings.
var ownTable = []Setting{
	{Name: "profile", Type: Text, OneOf: []string{"", "production"}, Own: true,
		Doc: "\"production\" makes a missing broker_url an error instead of a reason to use the embedded broker."},
	{Name: "accept_decompressed_bytes", Type: Int, Default: "134217728", Min: 1, Own: true,
		Doc: "How large a message body may become when it is decompressed, in bytes. A larger one is refused before it fills the memory."},
	{Name: "task_delivery_limit", Type: Int, Default: "3", Own: true,
		Doc: "How often a late-acknowledged task may be started when each time its worker is lost before it ends; then it fails with WorkerLostError and its message is rejected. 0 is no limit."},
	{Name: "worker_log_json", Type: Bool, Default: "false", Own: true,
		Doc: "Write the log as one JSON object per line."},
	{Name: "worker_loglevel", Type: Text, Default: "info", OneOf: []string{"debug", "info", "warning", "error", "critical", "fatal"}, Own: true,
		Doc: "Lowest level that is logged. Celery knows it as the option --loglevel."},
}
