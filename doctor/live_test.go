package doctor

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/umbel-go/umbel/internal/amazonmq"
)

// sound is a deployment in which nothing is the matter.
func sound() Deployment {
	return Deployment{
		Broker: &amazonmq.Broker{Name: "orders", State: "RUNNING", Version: "4.2", Instance: "mq.m7g.large", Mode: amazonmq.Cluster, Logs: true, Patches: true,
			Users: []string{"admin"}, Window: &amazonmq.Window{Day: "SUNDAY", Time: "02:00", Zone: "UTC"}, Settings: map[string]string{}},
		Need: amazonmq.FleetNeed(100, 40, 2, 2), URL: "amqps://worker:hush@b-1.mq.eu-west-1.amazonaws.com:5671", AckTimeout: 30 * time.Minute,
		QueueType: "quorum", Secrets: map[string]error{"secretsmanager://orders/broker#url": nil},
	}
}

func TestALiveBrokerIsJudged(t *testing.T) {
	if f := ExamineBroker(sound()); len(f) != 0 {
		t.Errorf("a sound one: %v", f)
	}
	for about, c := range map[string]struct {
		change   func(*Deployment)
		rule     string
		severity Severity
		what     string // "" where nothing is to be found
	}{
		"an action":                  {func(d *Deployment) { d.Broker.Actions = []string{"RABBITMQ_MEMORY_ALARM"} }, "aws-state", Critical, "RABBITMQ_MEMORY_ALARM"},
		"not running":                {func(d *Deployment) { d.Broker.State = "REBOOT_IN_PROGRESS" }, "aws-state", High, "REBOOT_IN_PROGRESS"},
		"pending":                    {func(d *Deployment) { d.Broker.Pending = []string{"version 4.3"} }, "aws-state", Low, "version 4.3"},
		"a dead version":             {func(d *Deployment) { d.Broker.Version = "3.11.28" }, "aws-version", High, "RabbitMQ 3.11 ended on 17 February 2025"},
		"an unknown version":         {func(d *Deployment) { d.Broker.Version = "5.0" }, "aws-version", Low, "not known"},
		"classic on a cluster":       {func(d *Deployment) { d.QueueType = "classic" }, "aws-version", High, "declared classic"},
		"classic on 3.13":            {func(d *Deployment) { d.QueueType, d.Broker.Version = "classic", "3.13.7" }, "", 0, ""},
		"a size for tests":           {func(d *Deployment) { d.Broker.Instance, d.Need = "mq.m7g.medium", amazonmq.Need{} }, "aws-size", Medium, "size for tests"},
		"one node":                   {func(d *Deployment) { d.Broker.Mode = amazonmq.Single }, "aws-size", Medium, "one node"},
		"too many":                   {func(d *Deployment) { d.Need = amazonmq.Need{Connections: 5200} }, "aws-size", Critical, "5200 of 5000 connections"},
		"too many for a rollout":     {func(d *Deployment) { d.Need = amazonmq.Need{Connections: 2600} }, "aws-size", High, "2600 of 5000 connections"},
		"a lower limit":              {func(d *Deployment) { d.Broker.Settings["connection_max"] = "200" }, "aws-size", Critical, "240 of 200 connections"},
		"public":                     {func(d *Deployment) { d.Broker.Public = true }, "aws-exposed", High, "open to the Internet"},
		"the administrator":          {func(d *Deployment) { d.URL = "amqps://admin:hush@h" }, "aws-exposed", Medium, "log in as \"admin\""},
		"no logs":                    {func(d *Deployment) { d.Broker.Logs = false }, "aws-upkeep", Medium, "logs are off"},
		"no patches":                 {func(d *Deployment) { d.Broker.Patches = false }, "aws-upkeep", Low, "auto_minor_version_upgrade"},
		"a window on Monday":         {func(d *Deployment) { d.Broker.Window.Day, d.Broker.Window.Time = "MONDAY", "10:00" }, "aws-upkeep", Low, "MONDAY 10:00 UTC"},
		"a window on Monday night":   {func(d *Deployment) { d.Broker.Window.Day = "MONDAY" }, "", 0, ""},
		"a shorter ack timeout":      {func(d *Deployment) { d.Broker.Settings["consumer_timeout"] = "600000" }, "aws-timeout", High, "after 10m0s, and workers count on 30m0s"},
		"a longer ack timeout":       {func(d *Deployment) { d.Broker.Settings["consumer_timeout"] = "7200000" }, "", 0, ""},
		"no ack timeout":             {func(d *Deployment) { d.Broker.Settings["consumer_timeout"], d.AckTimeout = "0", -1 }, "", 0, ""},
		"one that is not counted on": {func(d *Deployment) { d.AckTimeout = -1 }, "aws-timeout", High, "count on no limit"},
		"a secret that is not there": {func(d *Deployment) { d.Secrets["ssm://x"] = errors.New("there is none of that name") }, "aws-secret", Critical, "ssm://x cannot be read: there is none"},
	} {
		d := sound()
		c.change(&d)
		f := ExamineBroker(d)
		switch {
		case c.what == "" && len(f) > 0:
			t.Errorf("%s: %+v", about, f)
		case c.what != "" && (len(f) != 1 || f[0].Rule != c.rule || f[0].Severity != c.severity || !strings.Contains(f[0].What, c.what)):
			t.Errorf("%s: %+v, want one %s of severity %s: %s", about, f, c.rule, c.severity, c.what)
		}
		for _, one := range f {
			if strings.Contains(one.What+one.Why+one.Instead, "hush") {
				t.Errorf("%s tells a password: %+v", about, one)
			}
			if one.Place.File != "aws:orders" || one.Why == "" || one.Instead == "" {
				t.Errorf("%s: %+v", about, one)
			}
		}
	}
}
