package doctor

// A Rule is one thing that a doctor looks for.
type Rule struct {
	Name  string // what --ignore and comments call it
	About string // what it finds, in a line

	check func(s *system, report func(Finding)) // nil for those of ExamineBroker and ExamineStore
}

// Rules are all of them, in the order of the manual.
func Rules() []Rule { return rules }

var rules = []Rule{
	{"route-binding", "routes whose exchange and key no queue is bound with: the messages are lost", routeBinding},
	{"route-dead-letter", "options of a route that Celery does not know, dead letters above all", routeDeadLetter},
	{"route-key", "routing keys that Celery ignores, because the route names a queue", routeKey},
	{"queue-priority", "priorities that order nothing, or that the queue's type does not have", queuePriority},
	{"default-queue", "tasks that go to a queue that no worker takes from", defaultQueue},
	{"dead-letter-ack", "failures that are acknowledged before the broker could dead-letter them", deadLetterAck},
	{"tls-options", "TLS options in the wrong spelling, or that check nothing", tlsOptions},
	{"connection-retries", "workers that give up while their broker restarts", connectionRetries},
	{"broker-missing", "a broker's URL from a variable that may not be there", brokerMissing},
	{"publish-confirm", "publishing that does not notice what the broker refused", publishConfirm},
	{"pickle", "messages that run code in whoever reads them", pickle},
	{"secret-in-text", "passwords in files and on command lines", secretInText},
	{"plain-redis", "Redis without TLS or password, or a database that it does not have", plainRedis},
	{"transport-options", "options of another transport than the one in use", transportOptions},
	{"worker-lost", "tasks that kill their worker and come back for ever", workerLost},
	{"ack-timeout", "tasks acknowledged late that wait behind slow ones until the broker takes them back", ackTimeout},
	{"time-limit", "tasks that may hang for ever", timeLimit},
	{"retry-countdown", "retries that are not when they seem to be, or that repeat mistakes", retryCountdown},
	{"rate-limit", "rate limits that hold for less than they seem to", rateLimit},
	{"audit-trail", "results that are the only record, and are gone soon", auditTrail},
	{"unknown-setting", "misspelt settings, which Celery passes over in silence", unknownSetting},
	{"set-twice", "settings with two values in two files", setTwice},
	{"purge-queues", "celery purge that empties other queues than meant", purgeQueues},
	{"monitor-exposed", "Flower without authentication, or with options that it ignores", monitorExposed},
	{"broker-create", "brokers that AWS will not create as written", brokerCreate},
	{"broker-upkeep", "brokers without a plan for patches and maintenance", brokerUpkeep},
	{"ecs-refused", "ECS task definitions that are refused", ecsRefused},
	{"ecs-results", "containers without the result store that the settings ask for", ecsResults},
	{"ecs-stop", "containers that are killed in the middle of tasks, or whose death nobody notices", ecsStop},
	{"aws-state", "with --aws: a broker that is not running, or waits for an action or a reboot", nil},
	{"aws-version", "with --aws: a version whose support has ended, and queues that it keeps on one node", nil},
	{"aws-size", "with --aws: a broker that is too small for the fleet, or has one node", nil},
	{"aws-exposed", "with --aws: a broker that is open to the Internet, or workers that are its administrator", nil},
	{"aws-upkeep", "with --aws: no logs, no patches, maintenance in working hours", nil},
	{"aws-timeout", "with --aws: an ack timeout that is shorter than the one workers count on", nil},
	{"aws-secret", "with --aws: secrets that settings name and that cannot be read", nil},
	{"store-refused", "with --results: a result store that cannot be reached, or does not take what results need", nil},
	{"store-exposed", "with --results: a result store without TLS, verification or password, or whose user may do everything", nil},
	{"store-version", "with --results: a result store that gets no fixes any more, and tables of another version", nil},
	{"store-cluster", "with --results: a Redis Cluster, which results cannot be stored in", nil},
	{"store-replica", "with --results: a replica, which takes no writes, or replicas that are not in step", nil},
	{"store-evicts", "with --results: a Redis that may evict results and the counters of chords", nil},
	{"store-full", "with --results: memory or disk that is nearly used up, and rows that take room for nothing", nil},
	{"store-clients", "with --results: connections that are nearly used up, or were refused", nil},
	{"store-durable", "with --results: results that a restart or a crash loses, and damage", nil},
	{"store-expiry", "with --results: results that never expire, or that nobody removes", nil},
	{"store-clock", "with --results: a clock that is not ours", nil},
	{"settings-file", "what Umbel itself says of a settings file", settingsFile},
}
