package soak

import (
	"math/rand/v2"
	"testing"
	"time"
)

func TestFaultsOfOneBroker(t *testing.T) { soak(t, oneBroker, onOneBroker) }

func TestFaultsOfACluster(t *testing.T) { soak(t, cluster, onACluster) }

// soak runs a lab and judges it.
func soak(t *testing.T, open func(*testing.T) *site, chances []chance) {
	if testing.Short() {
		t.Skip("starts servers of its own, and takes more than a minute")
	}
	t.Parallel()
	if underRace && *minutes == 0 {
		t.Skip("the race detector finds nothing between processes; run without it")
	}
	n := *seed
	if n == 0 {
		n = rand.Uint64N(1_000_000)
	}
	t.Logf("seed=%d: repeat with -seed %d", n, n)
	l := newLab(t, open(t), n)
	before := l.measure()
	l.strike(newPlan(chances, n), time.Duration(*minutes*float64(time.Minute)))
	l.checkAlive()
	l.leave("producer")
	results := l.settle()
	l.checkConsumers()
	l.checkGrowth(before, l.measure())
	l.leave("worker")
	v := l.judge(results)
	t.Logf("%s: %v", l.site, v)
	if v.lost > 0 || v.stuck > 0 || v.done != v.sent {
		t.Errorf("%v", v)
	}
	verdicts.add(v)
}
