package soak

import (
	"fmt"
	"testing"

	"github.com/umbel-go/umbel/internal/faultnet"
	"github.com/umbel-go/umbel/internal/testenv"
)

// A site is the servers of one run.
type site struct {
	name   string
	nodes  []*testenv.OwnRabbit // one, or a cluster
	redis  *testenv.OwnRedisServer
	quorum bool
}

// oneBroker is a single RabbitMQ with classic queues, and a Redis that forgets nothing it has confirmed.
func oneBroker(t *testing.T) *site {
	return &site{name: "one broker", redis: lastingRedis(t), nodes: []*testenv.OwnRabbit{testenv.OwnRabbitMQ(t)}}
}

// cluster is three nodes with quorum queues.
func cluster(t *testing.T) *site {
	return &site{name: "cluster", redis: lastingRedis(t), nodes: testenv.OwnRabbitMQCluster(t).Nodes, quorum: true}
}

func lastingRedis(t *testing.T) *testenv.OwnRedisServer {
	return testenv.OwnRedis(t, "appendonly yes", "appendfsync always")
}

// node returns a node that runs, to ask it.
func (s *site) node() *testenv.OwnRabbit {
	for _, n := range s.nodes {
		if n.Running() {
			return n
		}
	}
	return s.nodes[0]
}

// links are a process's own ways to the brokers, so that it can be cut off alone, and their URLs. Each process prefers
// another node.
func (s *site) links(t *testing.T, prefer int) (links []*faultnet.Link, urls []string) {
	for i := range s.nodes {
		n := s.nodes[(i+prefer)%len(s.nodes)]
		link := faultnet.To(t, n.Addr())
		links = append(links, link)
		urls = append(urls, n.URLAt("amqp", link.Addr()))
	}
	return links, urls
}

func (s *site) String() string { return fmt.Sprintf("%s of %d", s.name, len(s.nodes)) }
