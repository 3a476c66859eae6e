package amazonmq

import (
	"strconv"
	"time"
)

// A Broker is what AWS says of one that exists.
type Broker struct {
	ID             string            `json:"id"`
	ARN            string            `json:"arn"`
	Name           string            `json:"name"`
	State          string            `json:"state"` // RUNNING, CREATION_IN_PROGRESS, REBOOT_IN_PROGRESS, CRITICAL_ACTION_REQUIRED …
	Engine         string            `json:"engine"`
	Version        string            `json:"version"`
	Instance       string            `json:"instance"`
	Mode           string            `json:"mode"`
	Public         bool              `json:"public"`
	Endpoints      []string          `json:"endpoints"` // AMQP, without user
	Console        []string          `json:"console"`
	Management     string            `json:"management_api,omitempty"`
	Subnets        []string          `json:"subnets,omitempty"`
	SecurityGroups []string          `json:"security_groups,omitempty"`
	Users          []string          `json:"users,omitempty"` // those that AWS's API knows
	Logs           bool              `json:"general_logs"`
	LogGroup       string            `json:"log_group,omitempty"`
	Patches        bool              `json:"auto_minor_version_upgrade"`
	Window         *Window           `json:"maintenance_window,omitempty"`
	KMSKey         string            `json:"kms_key,omitempty"` // "": one that AWS owns
	Configuration  string            `json:"configuration,omitempty"`
	Created        time.Time         `json:"created"`
	Tags           map[string]string `json:"tags,omitempty"`
	Pending        []string          `json:"pending,omitempty"` // what changes at the next reboot or window
	Actions        []string          `json:"actions_required,omitempty"`

	// Settings are those of its configuration, such as consumer_timeout; nil when they have not been asked for.
	Settings map[string]string `json:"settings,omitempty"`
}

// Running reports whether it can be used.
func (b *Broker) Running() bool { return b.State == "RUNNING" }

// settingOf are the names of settings that lower a limit.
var settingOf = map[string]string{"connections": "connection_max", "channels": "channel_max_per_node", "queues": "cluster_queue_limit"}

// Limit is what the broker takes of something: what its settings say, else the most that its type may be set to.
func (b *Broker) Limit(l Limit) int {
	if n, err := strconv.Atoi(b.Settings[settingOf[l.What]]); err == nil && n > 0 {
		return n
	}
	return l.Most
}
