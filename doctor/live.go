package doctor

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/umbel-go/umbel/internal/amazonmq"
)

// A Deployment is what settings ask of the broker that they name, beside what AWS says of it.
type Deployment struct {
	Broker *amazonmq.Broker // with its Settings
	Need   amazonmq.Need    // the zero value where the size of the fleet is not known

	URL        string        // of the broker, as workers reach it; "" if it is not known
	AckTimeout time.Duration // broker_consumer_timeout; negative: never
	QueueType  string        // task_default_queue_type
	Secrets    map[string]error
}

// ExamineBroker says what is wrong or dangerous with a broker that exists on Amazon MQ, the worst first.
func ExamineBroker(d Deployment) []Finding {
	var out []Finding
	place := Place{File: "aws:" + d.Broker.Name}
	report := func(rule string, s Severity, v Verdict, what, why, instead string) {
		out = append(out, Finding{Rule: rule, Severity: s, Verdict: v, Place: place, What: what, Why: why, Instead: instead})
	}
	d.state(report)
	d.version(report)
	d.size(report)
	d.exposure(report)
	d.upkeep(report)
	d.timeouts(report)
	for _, ref := range keysOf(d.Secrets) {
		if err := d.Secrets[ref]; err != nil {
			report("aws-secret", Critical, Wrong, fmt.Sprintf("the secret %s cannot be read: %v", ref, err),
				"settings name it: no process that needs it starts.", "create it, or let the role of workers and senders read it")
		}
	}
	byWeight(out)
	return out
}

type reporting func(rule string, s Severity, v Verdict, what, why, instead string)

func (d Deployment) state(report reporting) {
	b := d.Broker
	for _, act := range b.Actions {
		report("aws-state", Critical, Dangerous, "AWS asks for an action: "+act, "until then the broker may take no messages.", "see the action in AWS's developer guide")
	}
	if !b.Running() && len(b.Actions) == 0 {
		report("aws-state", High, Wrong, "the broker is "+b.State, "it cannot be relied on in this state.", "wait, and look again with umbel broker describe "+b.Name)
	}
	if len(b.Pending) > 0 {
		report("aws-state", Low, Wrong, "changes wait for a reboot: "+strings.Join(b.Pending, "; "), "they come in the next maintenance window.", "a reboot at an hour of your choice")
	}
}

func (d Deployment) version(report reporting) {
	b := d.Broker
	v, _, known := amazonmq.FindVersion(b.Version)
	switch {
	case !known:
		report("aws-version", Low, Wrong, "RabbitMQ "+b.Version+" is not known here", "it may be newer than this program.", "a newer umbel")
	case !v.End.IsZero():
		report("aws-version", High, Dangerous, fmt.Sprintf("the support of RabbitMQ %s ended on %s", v.Name, v.End.Format("2 January 2006")),
			"it gets no fixes, and AWS upgrades it by itself within 45 days: at an hour, and to a version, that you have not tried.",
			"an upgrade to 3.13, and from there to "+amazonmq.Recommended)
	}
	if strings.HasPrefix(b.Version, "4.") && b.Mode == amazonmq.Cluster && d.QueueType == "classic" {
		report("aws-version", High, Dangerous, "queues are declared classic, on a cluster of RabbitMQ "+b.Version,
			"classic queues of the 4 series are on one node: they are away when it is maintained, and gone with its disk.",
			"task_default_queue_type: quorum, for queues that are made anew; umbel topology migrate moves those that exist")
	}
}

func (d Deployment) size(report reporting) {
	b := d.Broker
	i, found := amazonmq.FindInstance(b.Instance)
	if !found {
		return
	}
	if i.Testing {
		report("aws-size", Medium, Dangerous, fmt.Sprintf("%s is a size for tests", i.Name), "AWS names it for nothing else: it has little memory, and an alarm stops all senders.", "mq.m7g.large")
	}
	if b.Mode == amazonmq.Single {
		report("aws-size", Medium, Dangerous, "one node", "the broker is away while it is maintained, and with its availability zone; its queues have one copy.",
			"a cluster in production: a new broker, since the mode cannot be changed")
	}
	instead := "fewer processes, or several brokers"
	if better, ok := amazonmq.Smallest(b.Version, d.Need); ok {
		instead = better.Name
	}
	for _, l := range i.Limits(d.Need) {
		// What is set for this broker is less than what its type may be set to.
		l.Most = b.Limit(l)
		switch {
		case l.Share() > 100:
			report("aws-size", Critical, Wrong, "the fleet has "+l.String()+": more than the broker takes", "processes that come late are refused, and try for ever.", instead)
		case l.Share() > amazonmq.Headroom:
			report("aws-size", High, Dangerous, "the fleet has "+l.String(), "a deployment has old and new processes connected at once: it needs twice that.", instead)
		}
	}
}

func (d Deployment) exposure(report reporting) {
	b := d.Broker
	if b.Public {
		report("aws-exposed", High, Dangerous, "the broker is open to the Internet", "its password is all that protects it, and it cannot be made private.", "a new, private broker, reached by VPN or bastion")
	}
	if u, err := url.Parse(d.URL); err == nil && u.User.Username() != "" && slices.Contains(b.Users, u.User.Username()) {
		report("aws-exposed", Medium, Dangerous, fmt.Sprintf("workers log in as %q, the administrator", u.User.Username()),
			"whoever gets a worker's URL may delete queues, users and policies.", "a user of its own for each role: umbel topology apply makes them")
	}
}

func (d Deployment) upkeep(report reporting) {
	b := d.Broker
	if !b.Logs {
		report("aws-upkeep", Medium, Wrong, "general logs are off", "nobody can tell afterwards why the broker closed a connection or refused a login.", "general logs on: aws mq update-broker --logs General=true, and a reboot")
	}
	if !b.Patches {
		report("aws-upkeep", Low, Wrong, "auto_minor_version_upgrade is off", "from 3.13 on AWS wants it on.", "auto_minor_version_upgrade = true")
	}
	if w := b.Window; w != nil && busy(w) {
		report("aws-upkeep", Low, Dangerous, "maintenance begins in working hours: "+w.String(), "nodes are restarted one after another, for up to two hours.", "a window at night or on Sunday")
	}
}

// busy reports whether a window begins between 7 and 19 h of a working day, in its own zone.
func busy(w *amazonmq.Window) bool {
	at, err := time.Parse("15:04", w.Time)
	return err == nil && at.Hour() >= 7 && at.Hour() < 19 && w.Day != "SATURDAY" && w.Day != "SUNDAY"
}

// timeouts compares the broker's ack timeout with the one that workers count on.
func (d Deployment) timeouts(report reporting) {
	limit := 30 * time.Minute
	if text, set := d.Broker.Settings["consumer_timeout"]; set {
		ms, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return
		}
		limit = time.Duration(ms) * time.Millisecond
	}
	if limit == 0 || d.AckTimeout == 0 || d.AckTimeout > 0 && d.AckTimeout <= limit {
		return
	}
	counted := "no limit"
	if d.AckTimeout > 0 {
		counted = d.AckTimeout.String()
	}
	report("aws-timeout", High, Dangerous, fmt.Sprintf("the broker takes unacknowledged messages back after %s, and workers count on %s", limit, counted),
		"they renew long tasks at half of what they count on: too late, so that each runs again while it still runs.",
		fmt.Sprintf("broker_consumer_timeout: %ds", int(limit.Seconds())))
}

// String is the broker in a line.
func (d Deployment) String() string {
	b := d.Broker
	return fmt.Sprintf("%s: RabbitMQ %s on %s, %s, %s", b.Name, b.Version, b.Instance, b.Mode, b.State)
}
