package main

import (
	_ "embed"
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/examples/shop/notifications"
	"github.com/umbel-go/umbel/examples/shop/orders"
	"github.com/umbel-go/umbel/examples/shop/payment"
	"github.com/umbel-go/umbel/examples/shop/reports"
	"github.com/umbel-go/umbel/examples/shop/store"
)

// settings are the shop's umbel.yaml, for the demo, which may run in any folder.
//
//go:embed umbel.yaml
var settings []byte

// A shop is its tasks and what they work on.
type shop struct {
	app     *umbel.App
	store   *store.Store
	bank    *payment.Bank
	mail    *notifications.Tasks
	orders  *orders.Tasks
	reports *reports.Tasks

	folder string
}

// newShop puts a shop together whose data lives in a folder: shop.db, reports/ and outbox/. It opens nothing.
func newShop(folder string) *shop {
	s := &shop{app: umbel.New("shop"), store: store.New(filepath.Join(folder, "shop.db")), folder: folder}
	s.bank = &payment.Bank{Ledger: s.store, Latency: 80 * time.Millisecond, Moody: 40}
	s.mail = notifications.Register(s.app, s.outbox())
	s.orders = orders.Register(s.app, s.store, s.bank, s.mail)
	s.reports = reports.Register(s.app, s.store, s.reportFolder(), s.mail)
	return s
}

func (s *shop) outbox() string       { return filepath.Join(s.folder, "outbox") }
func (s *shop) reportFolder() string { return filepath.Join(s.folder, "reports") }

// close disconnects.
func (s *shop) close() error { return errors.Join(s.app.Close(), s.store.Close()) }

// dataFolder is where the shop keeps its data: SHOP_DIR, else the working folder.
func dataFolder() string {
	if dir := os.Getenv("SHOP_DIR"); dir != "" {
		return dir
	}
	return "."
}
