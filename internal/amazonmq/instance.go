package amazonmq

import "strings"

// An Instance is a type of broker with the limits of one node. Developer guide: "Quotas in Amazon MQ", "Broker instance types".
type Instance struct {
	Name                          string
	Connections, Channels, Queues int
	Single                        bool // cannot be part of a cluster
	Testing                       bool // AWS names it for tests only
	Series3, Series4              bool // RabbitMQ 3.13, and 4.x, run on it
}

// Instances are the types a broker can be created with. A limit of 0 is not known.
var Instances = []Instance{
	{"mq.m7g.medium", 300, 900, 2500, false, true, true, true},
	{"mq.m7g.large", 5000, 15000, 20000, false, false, true, true},
	{"mq.m7g.xlarge", 10000, 30000, 30000, false, false, true, true},
	{"mq.m7g.2xlarge", 20000, 60000, 40000, false, false, true, true},
	{"mq.m7g.4xlarge", 40000, 120000, 60000, false, false, true, true},
	{"mq.m7g.8xlarge", 80000, 240000, 80000, false, false, true, true},
	{"mq.m7g.12xlarge", 120000, 360000, 0, false, false, true, true},
	{"mq.m7g.16xlarge", 0, 0, 0, false, false, true, true},
	{"mq.t3.micro", 500, 1500, 2500, true, true, true, false},
	{"mq.m5.large", 5000, 15000, 30000, false, false, true, false},
	{"mq.m5.xlarge", 10000, 30000, 60000, false, false, true, false},
	{"mq.m5.2xlarge", 20000, 60000, 120000, false, false, true, false},
	{"mq.m5.4xlarge", 40000, 120000, 240000, false, false, true, false},
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
