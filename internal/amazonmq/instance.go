package amazonmq

import "strings"

// An Instance is a type of broker with the limits of one node. Developer guide: "Amazon MQ for RabbitMQ sizing guidelines", "Broker
// instance types". A limit of 0 is not known.
type Instance struct {
	Name                          string
	CPUs, GiB                     int // of one node
	Connections, Channels, Queues int
	VHosts, Exchanges             int
	Single                        bool // cannot be part of a cluster
	Testing                       bool // AWS names it for tests only
	Series3, Series4              bool // RabbitMQ 3.13, and 4.x, run on it
}

// Limits that hold for every type.
const (
	ConsumersPerChannel = 1000
	MessageBytes        = 134_217_728
)

// Instances are the types a broker can be created with, the smallest of each family first. The limits are the most that may be set:
// RabbitMQ 4 brokers start with lower ones, which a configuration raises (connection_max, channel_max_per_node, cluster_queue_limit).
var Instances = []Instance{
	{Name: "mq.m7g.medium", CPUs: 1, GiB: 4, Connections: 300, Channels: 900, Queues: 2500, VHosts: 10, Exchanges: 12500, Testing: true, Series3: true, Series4: true},
	{Name: "mq.m7g.large", CPUs: 2, GiB: 8, Connections: 5000, Channels: 15000, Queues: 20000, VHosts: 1500, Exchanges: 100000, Series3: true, Series4: true},
	{Name: "mq.m7g.xlarge", CPUs: 4, GiB: 16, Connections: 10000, Channels: 30000, Queues: 30000, Series3: true, Series4: true},
	{Name: "mq.m7g.2xlarge", CPUs: 8, GiB: 32, Connections: 20000, Channels: 60000, Queues: 40000, Series3: true, Series4: true},
	{Name: "mq.m7g.4xlarge", CPUs: 16, GiB: 64, Connections: 40000, Channels: 120000, Queues: 60000, Series3: true, Series4: true},
	{Name: "mq.m7g.8xlarge", CPUs: 32, GiB: 128, Connections: 80000, Channels: 240000, Queues: 80000, Series3: true, Series4: true},
	{Name: "mq.m7g.12xlarge", CPUs: 48, GiB: 192, Connections: 120000, Channels: 360000, Series3: true, Series4: true},
	{Name: "mq.m7g.16xlarge", CPUs: 64, GiB: 256, Series3: true, Series4: true},
	{Name: "mq.t3.micro", CPUs: 2, GiB: 1, Connections: 500, Channels: 1500, Queues: 2500, Single: true, Testing: true, Series3: true},
	{Name: "mq.m5.large", CPUs: 2, GiB: 8, Connections: 5000, Channels: 15000, Queues: 30000, Series3: true},
	{Name: "mq.m5.xlarge", CPUs: 4, GiB: 16, Connections: 10000, Channels: 30000, Queues: 60000, Series3: true},
	{Name: "mq.m5.2xlarge", CPUs: 8, GiB: 32, Connections: 20000, Channels: 60000, Queues: 120000, Series3: true},
	{Name: "mq.m5.4xlarge", CPUs: 16, GiB: 64, Connections: 40000, Channels: 120000, Queues: 240000, Series3: true},
}

// FindInstance finds a type by its name.
func FindInstance(name string) (Instance, bool) {
	for _, i := range Instances {
		if strings.EqualFold(i.Name, name) {
			return i, true
		}
	}
	return Instance{}, false
}

// Runs tells whether a version of RabbitMQ runs on it.
func (i Instance) Runs(version string) bool {
	if strings.HasPrefix(version, "4.") {
		return i.Series4
	}
	return i.Series3
}
