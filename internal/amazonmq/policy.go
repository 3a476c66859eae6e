package amazonmq

import (
	"fmt"
	"strings"
)

// A Policy is one that AWS gives a new broker, on its virtual host / only. Developer guide: "Broker defaults".
type Policy struct {
	Name     string         `json:"name"`
	Pattern  string         `json:"pattern"`
	Priority int            `json:"priority"`
	Operator bool           `json:"operator,omitempty"` // an operator policy, which is not ours to change
	Does     string         `json:"does"`
	Values   map[string]any `json:"definition,omitempty"`
}

// lengths are the max-length of the clusters' policy on RabbitMQ 3, of the smallest and the largest type; others lie between.
var lengths = map[string]int{"mq.m5.large": 8_000_000, "mq.m5.4xlarge": 12_000_000}

// Policies are those that a broker of this kind begins with. Only one policy applies to a queue: one of your own has to repeat what it
// needs of these, with a higher priority.
func Policies(version, mode, instance string) []Policy {
	four := strings.HasPrefix(version, "4.")
	cluster := mode == Cluster
	var out []Policy
	switch {
	case four && cluster:
		out = append(out, Policy{Name: "AWS-DEFAULT-POLICY-CLUSTER", Pattern: ".*", Priority: 1, Does: "limits of classic queues"})
	case four:
		out = append(out, Policy{Name: "AWS-DEFAULT-POLICY-SINGLE-INSTANCE", Pattern: ".*", Does: "limits of classic queues"})
	case cluster:
		values := map[string]any{"queue-mode": "lazy", "overflow": "reject-publish"}
		does := "messages on disk; a full queue refuses: without publisher confirms they vanish"
		if most := lengths[instance]; most > 0 {
			values["max-length"] = most
			does = fmt.Sprintf("messages on disk; a queue of %d messages refuses more: without publisher confirms they vanish", most)
		}
		out = append(out, Policy{Name: "AWS-DEFAULT-POLICY-CLUSTER-MULTI-AZ", Pattern: ".*", Priority: 1, Does: does, Values: values})
	default:
		out = append(out, Policy{Name: "AWS-DEFAULT-POLICY-SINGLE-INSTANCE", Pattern: ".*", Does: "messages on disk", Values: map[string]any{"queue-mode": "lazy"}})
	}
	if cluster {
		out = append(out, Policy{Name: "AWS-DEFAULT-QUORUM-QUEUES-POLICY-CLUSTER-MULTI-AZ", Pattern: ".*", Priority: 1, Does: "limits of quorum queues"})
	}
	operator := Policy{Name: "default_operator_policy_AWS_managed", Pattern: ".*", Operator: true, Does: "classic queues of version 2", Values: map[string]any{"queue-version": 2}}
	if !four {
		operator.Does = "classic queues mirrored to all nodes, synchronised by themselves"
		operator.Values = map[string]any{"ha-mode": "all", "ha-sync-mode": "automatic", "queue-version": 2}
	}
	return append(out, operator)
}
