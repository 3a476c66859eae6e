package testenv

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// clusterSize is the least that survives the loss of one.
const clusterSize = 3

// A RabbitCluster is three RabbitMQ nodes of one cluster that belong to one test. Each may be stopped, killed and started
// again; with two of them down the third pauses, as a minority must.
type RabbitCluster struct {
	Nodes []*OwnRabbit
}

// OwnRabbitMQCluster starts a cluster for this test alone, in about half a minute; it takes some 500 MB.
func OwnRabbitMQCluster(t testing.TB, conf ...string) *RabbitCluster {
	t.Helper()
	require(t, rabbitKind)
	// Names are looked up at one epmd, which must outlive each node, and all have one cookie.
	names := newOwn(t, epmdKind, nil)
	conf = append(conf,
		"cluster_formation.peer_discovery_backend = classic_config",
		"cluster_partition_handling = pause_minority")
	for i := range clusterSize {
		conf = append(conf, fmt.Sprintf("cluster_formation.classic_config.nodes.%d = %s", i+1, nodeName(i)))
	}
	c := &RabbitCluster{Nodes: make([]*OwnRabbit, clusterSize)}
	errs := make([]error, clusterSize)
	var all sync.WaitGroup
	for i := range clusterSize { // at once: each waits for the others
		all.Go(func() {
			o, err := tryOwn(t, nodeKind(i, names.node), conf)
			if err != nil {
				errs[i] = err
				return
			}
			c.Nodes[i] = &OwnRabbit{Rabbit: Rabbit{t: t, server: o.node, vhost: "/"}, own: o}
		})
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatalf("start a cluster: %v", err)
	}
	var seen []string
	Await(t, "cluster of three", func() bool { seen = c.Nodes[0].ClusterNodes(); return len(seen) == clusterSize },
		func() string { return fmt.Sprint(seen) })
	return c
}

// ClusterNodes names the nodes that run, as this one sees it.
func (r *OwnRabbit) ClusterNodes() (running []string) {
	status, answer, err := r.TryAPI(http.MethodGet, "/api/nodes", nil)
	if err != nil || status != http.StatusOK {
		return nil
	}
	var nodes []struct {
		Name    string `json:"name"`
		Running bool   `json:"running"`
	}
	if json.Unmarshal(answer, &nodes) != nil {
		return nil
	}
	for _, n := range nodes {
		if n.Running {
			running = append(running, n.Name)
		}
	}
	return running
}

// Spare reports whether the cluster can do without this node: no quorum queue would lose its majority.
func (r *OwnRabbit) Spare() bool {
	status, _, err := r.TryAPI(http.MethodGet, "/api/health/checks/node-is-quorum-critical", nil)
	return err == nil && status == http.StatusOK
}

func nodeName(i int) string { return fmt.Sprintf("n%d@localhost", i+1) }

// nodeKind is RabbitMQ as one node: with its own name, and the cluster's cookie and epmd.
func nodeKind(i int, names *server) *kind {
	k := *rabbitKind
	k.prepare = func(s *server, conf []string) ([]command, error) {
		commands, err := prepareRabbit(s, conf)
		if err != nil {
			return nil, err
		}
		node := commands[len(commands)-1]
		for j, v := range node.Env {
			switch name, _, _ := strings.Cut(v, "="); name {
			case "HOME":
				node.Env[j] = "HOME=" + names.Dir
			case "ERL_EPMD_PORT":
				node.Env[j] = fmt.Sprint("ERL_EPMD_PORT=", names.Ports[0])
			case "RABBITMQ_NODENAME":
				node.Env[j] = "RABBITMQ_NODENAME=" + nodeName(i)
			}
		}
		return []command{node}, nil
	}
	return &k
}

// epmdKind is Erlang's daemon of names, whose folder is the nodes' home: it holds the cookie.
var epmdKind = &kind{
	name: "epmd", debian: "rabbitmq-server", ports: 1, find: findRabbit, signal: syscall.SIGKILL,
	prepare: func(s *server, _ []string) ([]command, error) {
		if err := os.WriteFile(filepath.Join(s.Dir, ".erlang.cookie"), []byte("UMBELTESTENV"), 0o400); err != nil {
			return nil, err
		}
		epmd, err := exec.LookPath("epmd")
		if err != nil {
			return nil, err
		}
		return []command{{Path: epmd, Args: []string{"-address", "127.0.0.1", "-port", fmt.Sprint(s.Ports[0])},
			Env: cleanEnv(s.Dir), Log: filepath.Join(s.Dir, "out")}}, nil
	},
	ready: func(s *server) error {
		c, err := net.Dial("tcp", address(s.Ports[0]))
		if err == nil {
			c.Close()
		}
		return err
	},
}
