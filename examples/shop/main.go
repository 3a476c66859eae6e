// Command shop is a small shop: it takes orders, sends mails and writes reports, all as tasks.
//
//	shop demo                       everything in one process, on one SQLite file, for a few seconds
//	shop seed                       fill the shelves, and the books with past orders
//	shop worker -Q high_priority    run tasks; -h tells of its options, which are Celery's
//	shop order -n 10                place orders and have them processed
//	shop sales-report               have a report made, and watch it
//
// All other commands are those of every program on Umbel: shop --help.
package main

import "github.com/umbel-go/umbel/cli"

func main() {
	s := newShop(dataFolder())
	cli.Main(s.app, s.demoCommand(), s.seedCommand(), s.orderCommand(), s.reportCommand())
}
