package soak

import (
	"math/rand/v2"
	"time"
)

// An alarm makes the broker block every connection that publishes, until there is room again.
type alarm struct {
	what         string
	raise, lower []string // of rabbitmqctl
}

var (
	memoryAlarm = alarm{"memory alarm", []string{"set_vm_memory_high_watermark", "0.00001"}, []string{"set_vm_memory_high_watermark", "0.4"}}
	diskAlarm   = alarm{"disk alarm", []string{"set_disk_free_limit", "100000GB"}, []string{"set_disk_free_limit", "1MB"}}
)

func (a alarm) name() string { return a.what }

func (a alarm) strike(l *lab, r *rand.Rand) {
	defer l.ledger.strikes(a.name(), everybody)()
	n := l.site.node()
	n.Ctl(a.raise...)
	l.pause(span(r, time.Second, 3*time.Second))
	n.Ctl(a.lower...)
}
