package umbel

import (
	"cmp"
	"runtime"
	"strings"
	"time"

	"github.com/umbel-go/umbel/codec"
	"github.com/umbel-go/umbel/protocol"
)

// The embedded broker: what an app without broker_url runs on.
const embeddedURL = "sqlite://umbel.db"

// resultsDisabled is Celery's name for the backend that stores nothing.
const resultsDisabled = "disabled"

// WithDefaults fills what is unset: afterwards no pointer of a default-true setting is nil, and ResultBackend is a URL or
// "disabled". It does no I/O.
func (c Config) WithDefaults() Config {
	if len(c.AcceptContent) == 0 {
		c.AcceptContent = []string{"json"}
	}
	if len(c.ResultAcceptContent) == 0 {
		c.ResultAcceptContent = c.AcceptContent
	}
	c.AcceptDecompressedBytes = cmp.Or(c.AcceptDecompressedBytes, codec.DefaultLimit)

	c.AuditFile = cmp.Or(c.AuditFile, "umbel-audit.jsonl")

	if !c.brokerNamed() {
		c.BrokerURL = []string{embeddedURL}
	} else if len(c.BrokerURL) == 0 && c.BrokerHost == "" {
		c.BrokerURL = c.BrokerWriteURL
	}
	c.BrokerFailoverStrategy = cmp.Or(c.BrokerFailoverStrategy, "round-robin")
	c.BrokerTransport = cmp.Or(c.BrokerTransport, "amqp")
	c.BrokerConnectionTimeout = cmp.Or(c.BrokerConnectionTimeout, 4*time.Second)
	c.BrokerConnectionRetry = cmp.Or(c.BrokerConnectionRetry, new(true))
	c.BrokerConnectionRetryOnStartup = cmp.Or(c.BrokerConnectionRetryOnStartup, c.BrokerConnectionRetry)
	c.BrokerHeartbeat = cmp.Or(c.BrokerHeartbeat, 60*time.Second)
	c.BrokerConsumerTimeout = cmp.Or(c.BrokerConsumerTimeout, 30*time.Minute)
	c.BrokerConsumerCheck = cmp.Or(c.BrokerConsumerCheck, 15*time.Second)
	c.BrokerLoginMethod = cmp.Or(c.BrokerLoginMethod, "PLAIN")
	c.BrokerNativeDelayedDeliveryQueueType = cmp.Or(c.BrokerNativeDelayedDeliveryQueueType, "quorum")

	if c.ResultBackend == "" {
		c.ResultBackend = resultsDisabled
		if len(c.BrokerURL) > 0 && strings.HasPrefix(strings.ToLower(c.BrokerURL[0]), "sqlite://") {
			c.ResultBackend = c.BrokerURL[0]
		}
	}
	c.ResultExpires = cmp.Or(c.ResultExpires, 24*time.Hour)
	c.ResultSerializer = cmp.Or(c.ResultSerializer, "json")
	c.RedisSocketTimeout = cmp.Or(c.RedisSocketTimeout, 120*time.Second)
	c.RedisSocketConnectTimeout = cmp.Or(c.RedisSocketConnectTimeout, 4*time.Second)

	c.TaskSerializer = cmp.Or(c.TaskSerializer, "json")
	c.TaskProtocol = cmp.Or(c.TaskProtocol, 2)
	c.TaskDefaultQueue = cmp.Or(c.TaskDefaultQueue, "celery")
	c.TaskDefaultQueueType = cmp.Or(c.TaskDefaultQueueType, "classic")
	c.TaskDefaultExchange = cmp.Or(c.TaskDefaultExchange, c.TaskDefaultQueue)
	c.TaskDefaultExchangeType = cmp.Or(c.TaskDefaultExchangeType, "direct")
	c.TaskDefaultRoutingKey = cmp.Or(c.TaskDefaultRoutingKey, c.TaskDefaultQueue)
	c.TaskDefaultDeliveryMode = cmp.Or(c.TaskDefaultDeliveryMode, protocol.Persistent)
	c.TaskCreateMissingQueues = cmp.Or(c.TaskCreateMissingQueues, new(true))
	c.TaskCreateMissingQueueType = cmp.Or(c.TaskCreateMissingQueueType, "classic")
	c.TaskCreateMissingQueueExchangeType = cmp.Or(c.TaskCreateMissingQueueExchangeType, "direct")
	c.TaskAcksOnFailureOrTimeout = cmp.Or(c.TaskAcksOnFailureOrTimeout, new(true))
	c.TaskAcksOnFailure = cmp.Or(c.TaskAcksOnFailure, c.TaskAcksOnFailureOrTimeout)
	c.TaskAcksOnTimeout = cmp.Or(c.TaskAcksOnTimeout, c.TaskAcksOnFailureOrTimeout)
	c.TaskDeliveryLimit = cmp.Or(c.TaskDeliveryLimit, 3)
	c.TaskPublishRetry = cmp.Or(c.TaskPublishRetry, new(true))
	c.TaskPublishRetryPolicy = cmp.Or(c.TaskPublishRetryPolicy, &PublishRetryPolicy{
		MaxRetries: 3, IntervalStep: 200 * time.Millisecond, IntervalMax: time.Second,
	})

	c.TaskSpoolMax = cmp.Or(c.TaskSpoolMax, 100_000)
	c.TaskSpoolAfter = cmp.Or(c.TaskSpoolAfter, time.Second)

	c.ControlExchange = cmp.Or(c.ControlExchange, "celery")
	c.ControlQueueTTL = cmp.Or(c.ControlQueueTTL, 300*time.Second)
	c.ControlQueueExpires = cmp.Or(c.ControlQueueExpires, 10*time.Second)
	c.ControlQueueExclusive = cmp.Or(c.ControlQueueExclusive, new(true))
	c.EnableUTC = cmp.Or(c.EnableUTC, new(true))
	c.BeatLease = cmp.Or(c.BeatLease, 10*time.Second)
	c.BeatMaxLoopInterval = cmp.Or(c.BeatMaxLoopInterval, 300*time.Second)

	c.EventExchange = cmp.Or(c.EventExchange, "celeryev")
	c.EventSerializer = cmp.Or(c.EventSerializer, "json")
	c.EventQueuePrefix = cmp.Or(c.EventQueuePrefix, "celeryev")
	c.EventQueueTTL = cmp.Or(c.EventQueueTTL, 5*time.Second)
	c.EventQueueExpires = cmp.Or(c.EventQueueExpires, time.Minute)
	c.EventQueueExclusive = cmp.Or(c.EventQueueExclusive, new(true))

	c.WorkerConcurrency = cmp.Or(c.WorkerConcurrency, runtime.GOMAXPROCS(0))
	c.WorkerPrefetchMultiplier = cmp.Or(c.WorkerPrefetchMultiplier, 4)
	c.WorkerQueueOrder = cmp.Or(c.WorkerQueueOrder, QueueOrderArrival)
	c.WorkerPool = cmp.Or(c.WorkerPool, "goroutine")
	c.WorkerEnableRemoteControl = cmp.Or(c.WorkerEnableRemoteControl, new(true))
	c.WorkerAutoscaleKeepalive = cmp.Or(c.WorkerAutoscaleKeepalive, 30*time.Second)
	c.WorkerMetadataURL = cmp.Or(c.WorkerMetadataURL, "http://169.254.169.254")
	c.WorkerProcAliveTimeout = cmp.Or(c.WorkerProcAliveTimeout, 10*time.Second)
	c.WorkerProcSilenceTimeout = cmp.Or(c.WorkerProcSilenceTimeout, time.Minute)
	c.WorkerTerminateGrace = cmp.Or(c.WorkerTerminateGrace, 5*time.Second)
	c.WorkerLogLevel = cmp.Or(c.WorkerLogLevel, "info")
	return c
}
