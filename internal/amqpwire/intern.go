package amqpwire

// names are the headers that messages have: Celery's, RabbitMQ's and ours. They are not made anew for each message.
var names = func() map[string]string {
	m := make(map[string]string)
	for _, n := range [...]string{
		"lang", "task", "id", "shadow", "eta", "expires", "group", "group_index", "retries", "timelimit", "root_id",
		"parent_id", "argsrepr", "kwargsrepr", "origin", "ignore_result", "replaced_task_nesting", "stamped_headers", "stamps",
		"compression", "periodic_task_name", "clock", "ticket", "hostname",
		"x-death", "x-delivery-count", "x-acquired-count", "x-first-death-exchange", "x-first-death-queue", "x-first-death-reason",
		"x-last-death-exchange", "x-last-death-queue", "x-last-death-reason",
		"count", "reason", "queue", "time", "exchange", "routing-keys", "original-expiration",
	} {
		m[n] = n
	}
	return m
}()

func intern(name []byte) string {
	if s, ok := names[string(name)]; ok {
		return s
	}
	return string(name)
}
