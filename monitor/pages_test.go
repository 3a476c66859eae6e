package monitor_test

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/internal/testenv"
	"github.com/umbel-go/umbel/monitor"
	"github.com/umbel-go/umbel/monitor/access"
	"github.com/umbel-go/umbel/protocol"
)

// Pages of queues, their dead letters, the broker, workflows and schedules, over a real RabbitMQ with its management API.
func TestPagesOfTheBroker(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "h.db")
	world(t, path)
	rabbit := testenv.RabbitMQ(t)
	c := monitor.Config{Version: "0.1.0", ManagementURL: "http://guest:guest@" + rabbit.HTTPAddr() + "/api/", Vhost: rabbit.Vhost(), Schedules: newDesk(),
		Access: access.Config{Anonymous: access.Owner}}
	c.History.URL = path
	r := startApp(t, withDead(rabbit.URL()), c)
	ids := r.bury(6)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	quorum := map[string]any{"x-queue-type": "quorum"}
	if err := r.broker.Declare(ctx, broker.Topology{Queues: []broker.Queue{{Name: "reports", Durable: true, Arguments: quorum}, {Name: "high_priority", Durable: true}}}); err != nil {
		t.Fatal(err)
	}
	for i := range 12 {
		if _, err := r.app.Send(ctx, "apps.reports.tasks.build_report", fmt.Sprintf("2026-W%d", i+1), umbel.Queue("high_priority")); err != nil {
			t.Fatal(err)
		}
	}
	b := browse(t, r.url)

	b.open("/broker", "Connections")
	b.so("document.querySelectorAll('.card').length >= 1 && document.querySelector('[role=meter]') !== null && document.querySelectorAll('tbody tr').length > 0")
	b.shot("broker")

	b.press("Queues")
	b.so("[...document.querySelectorAll('tbody tr')].some(e => e.innerText.includes('quorum'))")
	b.shot("queues")
	b.press("orders.dlq")
	b.press("Look at what waits")
	b.so("document.querySelectorAll('.letter').length === 7")
	b.so("!document.body.innerText.includes('hunter2')")
	b.eval("document.querySelector('.letter summary').click()")
	b.sees("ValueError: token=*** refused")
	b.shot("dead-letters")
	b.eval(fmt.Sprintf("document.querySelector('[aria-label=\"Edit %s\"]').click()", ids[0]))
	b.so("document.querySelector('dialog textarea[name=kwargs]')?.value.includes('***')")
	b.eval("{const t = document.querySelector('dialog textarea[name=kwargs]'); t.value = '{\"order\": 77, \"password\": \"***\"}'; t.dispatchEvent(new Event('input')); document.querySelector('dialog .main').click()}")
	b.sees("replay it when it is right")
	b.so("document.body.innerText.includes(\"'order': 77\")")
	b.press("Replay…")
	b.so("document.querySelector('dialog input[name=rate]') !== null")
	b.eval("{document.querySelector('dialog input[name=rate]').value = '50/s'; document.querySelector('dialog .main').click()}")
	b.sees("7 done at 50/s")
	b.so("document.querySelectorAll('.letter').length === 0")
	b.open("/queue/orders", "Waiting")
	b.press("Look at what waits")
	b.so("document.querySelectorAll('.letter').length === 7")
	b.press("Purge…")
	b.eval("{document.querySelector('dialog input').value = 'order'; document.querySelector('dialog .danger').click()}")
	b.sees("confirm is not the name of the queue")
	b.press("Purge…")
	b.eval("{document.querySelector('dialog input').value = 'orders'; document.querySelector('dialog .danger').click()}")
	b.sees("removed 7 messages")
	b.press("Pause…")
	b.press("Pause")
	b.sees("paused orders")

	b.press("Workflows")
	b.so("document.querySelectorAll('.flow').length === 1 && document.querySelectorAll('.flow .graph .box').length === 7")
	b.shot("workflows")
	r.say(&protocol.TaskSucceeded{UUID: "f10a-mail", Result: "None"})
	b.so("document.querySelector('.graph a[aria-label$=\"send_receipt, success\"]') !== null") // by itself
	r.say(&protocol.TaskSucceeded{UUID: "f10a-pay", Result: "None"})
	b.sees("No workflow is running")
	b.press("All")
	b.so("document.querySelectorAll('.flow').length === 1")

	b.press("Schedules")
	b.sees("0 4 * * mon-fri")
	b.sees("Sent by beat@shop-1")
	b.shot("schedules")
	b.eval("document.querySelector('[aria-label=\"Pause cleanup\"]').click()")
	b.sees("paused cleanup")
	b.eval("document.querySelector('[aria-label=\"Run nightly-report now\"]').click()")
	b.press("Run now")
	b.sees("sent nightly-report as run-1")

	b.run(chromedp.EmulateViewport(390, 800))
	for _, page := range []string{"/broker", "/queue/orders", "/workflows?state=all", "/schedules", "/queues"} {
		b.open(page, "")
		b.so("document.querySelector('h1') !== null && document.querySelector('.empty, table, .flow, .facts') !== null")
		b.so("document.documentElement.scrollWidth <= innerWidth")
	}
	b.complain()
}
