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

	b.Open("/broker", "Connections")
	b.So("document.querySelectorAll('.card').length >= 1 && document.querySelector('[role=meter]') !== null && document.querySelectorAll('tbody tr').length > 0")
	b.shot("broker")

	b.Press("Queues")
	b.So("[...document.querySelectorAll('tbody tr')].some(e => e.innerText.includes('quorum'))")
	b.shot("queues")
	b.Press("orders.dlq")
	b.Press("Look at what waits")
	b.So("document.querySelectorAll('.letter').length === 7")
	b.So("!document.body.innerText.includes('hunter2')")
	b.Eval("document.querySelector('.letter summary').click()")
	b.Sees("ValueError: token=*** refused")
	b.shot("dead-letters")
	b.Eval(fmt.Sprintf("document.querySelector('[aria-label=\"Edit %s\"]').click()", ids[0]))
	b.So("document.querySelector('dialog textarea[name=kwargs]')?.value.includes('***')")
	b.Eval("{const t = document.querySelector('dialog textarea[name=kwargs]'); t.value = '{\"order\": 77, \"password\": \"***\"}'; t.dispatchEvent(new Event('input')); document.querySelector('dialog .main').click()}")
	b.Sees("replay it when it is right")
	b.So("document.body.innerText.includes(\"'order': 77\")")
	b.Press("Replay…")
	b.So("document.querySelector('dialog input[name=rate]') !== null")
	b.Eval("{document.querySelector('dialog input[name=rate]').value = '50/s'; document.querySelector('dialog .main').click()}")
	b.Sees("7 done at 50/s")
	b.So("document.querySelectorAll('.letter').length === 0")
	b.Open("/queue/orders", "Waiting")
	b.Press("Look at what waits")
	b.So("document.querySelectorAll('.letter').length === 7")
	b.Press("Purge…")
	b.Eval("{document.querySelector('dialog input').value = 'order'; document.querySelector('dialog .danger').click()}")
	b.Sees("confirm is not the name of the queue")
	b.Press("Purge…")
	b.Eval("{document.querySelector('dialog input').value = 'orders'; document.querySelector('dialog .danger').click()}")
	b.Sees("removed 7 messages")
	b.Press("Pause…")
	b.Press("Pause")
	b.Sees("paused orders")

	b.Press("Workflows")
	b.So("document.querySelectorAll('.flow').length === 1 && document.querySelectorAll('.flow .graph .box').length === 7")
	b.shot("workflows")
	r.say(&protocol.TaskSucceeded{UUID: "f10a-mail", Result: "None"})
	b.So("document.querySelector('.graph a[aria-label$=\"send_receipt, success\"]') !== null") // by itself
	r.say(&protocol.TaskSucceeded{UUID: "f10a-pay", Result: "None"})
	b.Sees("No workflow is running")
	b.Press("All")
	b.So("document.querySelectorAll('.flow').length === 1")

	b.Press("Schedules")
	b.Sees("0 4 * * mon-fri")
	b.Sees("Sent by beat@shop-1")
	b.shot("schedules")
	b.Eval("document.querySelector('[aria-label=\"Pause cleanup\"]').click()")
	b.Sees("paused cleanup")
	b.Eval("document.querySelector('[aria-label=\"Run nightly-report now\"]').click()")
	b.Press("Run now")
	b.Sees("sent nightly-report as run-1")

	b.Run(chromedp.EmulateViewport(390, 800))
	for _, page := range []string{"/broker", "/queue/orders", "/workflows?state=all", "/schedules", "/queues"} {
		b.Open(page, "")
		b.So("document.querySelector('h1') !== null && document.querySelector('.empty, table, .flow, .facts') !== null")
		b.So("document.documentElement.scrollWidth <= innerWidth")
	}
	b.Complain()
}
