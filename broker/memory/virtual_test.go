package memory

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/protocol"
)

// inBubble runs a test in virtual time: hours pass as soon as everything waits.
func inBubble(t *testing.T, f func(*desk)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { f(newDesk(t)) })
}

func TestDelayOfAnHour(t *testing.T) {
	inBubble(t, func(d *desk) {
		d.queue("q", nil)
		_, in := d.consume(broker.Subscription{Queue: "q"})
		begin := time.Now()
		m := message("q", "later")
		m.NotBefore = begin.Add(time.Hour)
		d.ok(d.b.Publish(d.ctx, m))
		d.put("q", "now")
		d.want(in, "now")
		time.Sleep(time.Hour - time.Nanosecond)
		synctest.Wait()
		d.none(in)
		d.want(in, "later")
		if passed := time.Since(begin); passed != time.Hour {
			t.Errorf("delivered after %v, want exactly an hour", passed)
		}
	})
}

func TestDelaysComeDueInOrderAndBehindThoseWhoWait(t *testing.T) {
	inBubble(t, func(d *desk) {
		d.queue("q", nil)
		for _, minutes := range []int{30, 10, 20, 10} {
			m := message("q", fmt.Sprint(minutes))
			m.NotBefore = time.Now().Add(time.Duration(minutes) * time.Minute)
			d.ok(d.b.Publish(d.ctx, m))
		}
		d.stat("q", 0, 0, 0)
		time.Sleep(15 * time.Minute)
		synctest.Wait()
		d.stat("q", 2, 0, 0)
		d.put("q", "between")
		time.Sleep(time.Hour)
		synctest.Wait()
		_, in := d.consume(broker.Subscription{Queue: "q"})
		d.want(in, "10", "10", "between", "20", "30")
	})
}

func TestExpirationToTheMillisecond(t *testing.T) {
	inBubble(t, func(d *desk) {
		d.queue("q", protocol.Table{"x-message-ttl": 3_600_000, "x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead"})
		d.queue("dead", nil)
		short := message("q", "short")
		short.Properties.Expiration = "1500"
		d.ok(d.b.Publish(d.ctx, short))
		d.put("q", "long")
		time.Sleep(1499 * time.Millisecond)
		synctest.Wait()
		d.stat("q", 2, 0, 0)
		time.Sleep(time.Millisecond)
		synctest.Wait()
		d.stat("q", 1, 0, 0)
		d.stat("dead", 1, 0, 0)
		time.Sleep(time.Hour)
		synctest.Wait()
		d.stat("q", 0, 0, 0)
		_, in := d.consume(broker.Subscription{Queue: "dead"})
		d.want(in, "short", "long")
	})
}

func TestExpirationRunsDuringADelay(t *testing.T) {
	inBubble(t, func(d *desk) {
		d.queue("q", nil)
		_, in := d.consume(broker.Subscription{Queue: "q"})
		m := message("q", "expires first")
		m.NotBefore, m.Properties.Expiration = time.Now().Add(time.Hour), "60000"
		d.ok(d.b.Publish(d.ctx, m))
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		d.none(in)
	})
}

func TestQueueTimeToLiveBeginsWhenADelayEnds(t *testing.T) {
	inBubble(t, func(d *desk) {
		d.queue("q", protocol.Table{"x-message-ttl": 60_000})
		m := message("q", "x")
		m.NotBefore = time.Now().Add(time.Hour)
		d.ok(d.b.Publish(d.ctx, m))
		time.Sleep(time.Hour + 59*time.Second)
		synctest.Wait()
		d.stat("q", 1, 0, 0)
		time.Sleep(time.Second)
		synctest.Wait()
		d.stat("q", 0, 0, 0)
	})
}

func TestMessageWithoutTimeToLive(t *testing.T) {
	inBubble(t, func(d *desk) {
		d.queue("q", protocol.Table{"x-message-ttl": 0})
		d.put("q", "nobody is there")
		d.stat("q", 0, 0, 0)
		c, in := d.consume(broker.Subscription{Queue: "q", Prefetch: 1})
		synctest.Wait()
		d.put("q", "taken at once") // a consumer with room is as good as delivered
		got := d.next(in)
		d.put("q", "no room")
		d.ok(got.Ack())
		synctest.Wait()
		d.none(in)
		d.ok(c.Close(d.ctx))
	})
}

func TestRequeuedMessageKeepsItsExpiration(t *testing.T) {
	inBubble(t, func(d *desk) {
		d.queue("q", nil)
		m := message("q", "x")
		m.Properties.Expiration = "60000"
		d.ok(d.b.Publish(d.ctx, m))
		c, in := d.consume(broker.Subscription{Queue: "q", Prefetch: 1})
		d.ok(d.next(in).Reject(true))
		held := d.next(in)
		time.Sleep(time.Hour) // what is in our hands does not expire
		d.ok(c.Stop(d.ctx))
		d.ok(held.Reject(true)) // what goes back does
		d.stat("q", 0, 0, 0)
	})
}

func TestUnusedQueueGoes(t *testing.T) {
	inBubble(t, func(d *desk) {
		d.queue("q", protocol.Table{"x-expires": 60_000})
		time.Sleep(59 * time.Second)
		d.queue("q", protocol.Table{"x-expires": 60_000}) // declaring it is using it
		time.Sleep(59 * time.Second)
		d.put("q", "x") // sending to it is not
		c, in := d.consume(broker.Subscription{Queue: "q"})
		time.Sleep(time.Hour)
		d.want(in, "x")
		d.ok(c.Close(d.ctx))
		time.Sleep(59 * time.Second)
		synctest.Wait()
		d.stat("q", 0, 0, 0)
		time.Sleep(time.Second)
		synctest.Wait()
		if _, err := d.b.Stat(d.ctx, "q"); err == nil {
			t.Error("the queue is there after a minute without use")
		}
	})
}

// The way Celery delays on RabbitMQ: one queue per binary digit of the delay, each waiting its power of two seconds.
func TestNativeDelayedDeliveryOfCelery(t *testing.T) {
	inBubble(t, func(d *desk) {
		const bits = 12
		var top broker.Topology
		name := func(n int) string { return fmt.Sprintf("celery_delayed_%d", n) }
		pattern := func(n int, digit string) string {
			p := ""
			for range bits - 1 - n {
				p += "*."
			}
			return p + digit + ".#"
		}
		top.Exchanges = append(top.Exchanges, broker.Exchange{Name: "celery_delayed_delivery", Type: broker.Topic})
		for n := range bits {
			next := "celery_delayed_delivery"
			if n > 0 {
				next = name(n - 1)
			}
			top.Exchanges = append(top.Exchanges, broker.Exchange{Name: name(n), Type: broker.Topic})
			top.Queues = append(top.Queues, broker.Queue{Name: name(n), Arguments: protocol.Table{
				"x-queue-type": "quorum", "x-dead-letter-strategy": "at-least-once", "x-overflow": "reject-publish",
				"x-message-ttl": int64(1000) << n, "x-dead-letter-exchange": next,
			}})
			top.Bindings = append(top.Bindings,
				broker.Binding{Source: name(n), Queue: name(n), RoutingKey: pattern(n, "1")},
				broker.Binding{Source: name(n), Exchange: next, RoutingKey: pattern(n, "0")})
		}
		top.Queues = append(top.Queues, broker.Queue{Name: "celery"})
		top.Bindings = append(top.Bindings, broker.Binding{Source: "celery_delayed_delivery", Queue: "celery", RoutingKey: "#.celery"})
		d.ok(d.b.Declare(d.ctx, top))
		_, in := d.consume(broker.Subscription{Queue: "celery"})
		for _, seconds := range []int{5, 0, 3000, 1} {
			key := ""
			for n := bits - 1; n >= 0; n-- {
				key += fmt.Sprintf("%d.", seconds>>n&1)
			}
			m := message(key+"celery", fmt.Sprint(seconds))
			m.Exchange = name(bits - 1)
			begin := time.Now()
			d.ok(d.b.Publish(d.ctx, m))
			d.want(in, fmt.Sprint(seconds))
			if passed := time.Since(begin); passed != time.Duration(seconds)*time.Second {
				t.Errorf("a delay of %d s took %v", seconds, passed)
			}
		}
	})
}

func TestManyDelaysComeDue(t *testing.T) {
	inBubble(t, func(d *desk) {
		d.queue("q", nil)
		const n = 100_000
		batch := make([]*broker.Message, n)
		for i := range batch {
			batch[i] = message("q", "x")
			batch[i].NotBefore = time.Now().Add(time.Duration(i%3600+1) * time.Second)
		}
		if errs := d.b.PublishBatch(d.ctx, batch); errs != nil {
			t.Fatal(errs)
		}
		d.stat("q", 0, 0, 0)
		time.Sleep(time.Hour)
		synctest.Wait()
		d.stat("q", n, 0, 0)
	})
}
