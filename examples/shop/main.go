// Command shop is a small shop: a web application with pages and a JSON API that takes orders, sends mails and writes reports,
// all as tasks.
//
//	shop demo                       everything in one process, on one SQLite file, for a few seconds
//	shop serve                      everything in one process, with its pages at http://127.0.0.1:8080/, until you stop it
//	shop seed                       fill the shelves, and the books with past orders
//	shop web                        the pages and the API, where workers are processes of their own
//	shop worker -Q high_priority    run tasks; -h tells of its options, which are Celery's
//	shop order -n 10                place orders and have them processed
//	shop sales-report               have a report made, and watch it
//	shop audit                      the audit trail: list, export, check, prune
//
// All other commands are those of every program on Umbel: shop --help.
package main

import (
	"fmt"
	"os"

	"github.com/umbel-go/umbel/cli"
)

func main() {
	p, err := environment()
	var s *shop
	if err == nil {
		s, err = newShop(p)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "shop:", err)
		os.Exit(2)
	}
	cli.Main(s.app, s.demoCommand(), s.seedCommand(), s.orderCommand(), s.reportCommand(), s.webCommand(), s.serveCommand(), s.auditCommand())
}
