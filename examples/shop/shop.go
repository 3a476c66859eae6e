package main

import (
	_ "embed"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/examples/shop/notifications"
	"github.com/umbel-go/umbel/examples/shop/objects"
	"github.com/umbel-go/umbel/examples/shop/orders"
	"github.com/umbel-go/umbel/examples/shop/payment"
	"github.com/umbel-go/umbel/examples/shop/reports"
	"github.com/umbel-go/umbel/examples/shop/store"
	"github.com/umbel-go/umbel/examples/shop/trail"
)

// settings are the shop's umbel.yaml, for the demo and for a shop in one process, which may run in any folder.
//
//go:embed umbel.yaml
var settings []byte

// places are where a shop keeps what is its own. The zero value is everything in the working folder.
type places struct {
	Folder   string // of shop.db, reports/ and outbox/, where nothing else is said
	Database string // a file of SQLite, or postgres://…
	Objects  string // a folder, or s3://bucket/prefix?…
	Mail     string // a folder, or smtp://…
	Steady   bool   // the bank always answers, as it does in no real shop: for those who measure
}

// environment reads SHOP_DIR, SHOP_DATABASE_URL, SHOP_OBJECTS_URL and SHOP_MAIL_URL; with _FILE at its end a variable names a
// file with the value, for secrets. SHOP_BANK=steady makes the bank answer always.
func environment() (p places, err error) {
	p.Folder = os.Getenv("SHOP_DIR")
	switch bank := os.Getenv("SHOP_BANK"); bank {
	case "", "moody":
	case "steady":
		p.Steady = true
	default:
		return p, fmt.Errorf("SHOP_BANK=%s: want moody or steady", bank)
	}
	for name, to := range map[string]*string{"SHOP_DATABASE_URL": &p.Database, "SHOP_OBJECTS_URL": &p.Objects, "SHOP_MAIL_URL": &p.Mail} {
		*to = os.Getenv(name)
		file := os.Getenv(name + "_FILE")
		if file == "" {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return p, fmt.Errorf("%s_FILE: %w", name, err)
		}
		*to = strings.TrimSpace(string(text))
	}
	return p, nil
}

func (p places) withDefaults() places {
	if p.Folder == "" {
		p.Folder = "."
	}
	if p.Database == "" {
		p.Database = filepath.Join(p.Folder, "shop.db")
	}
	if p.Objects == "" {
		p.Objects = filepath.Join(p.Folder, "reports")
	}
	if p.Mail == "" {
		p.Mail = filepath.Join(p.Folder, "outbox")
	}
	return p
}

// A shop is its tasks and what they work on.
type shop struct {
	app     *umbel.App
	store   *store.Store
	files   objects.Store
	bank    *payment.Bank
	mailer  notifications.Mailer
	mail    *notifications.Tasks
	orders  *orders.Tasks
	reports *reports.Tasks

	folder string
}

// newShop puts a shop together. It opens nothing.
func newShop(p places) (*shop, error) {
	p = p.withDefaults()
	files, err := objects.Open(p.Objects)
	if err != nil {
		return nil, err
	}
	mailer, err := notifications.Open(p.Mail)
	if err != nil {
		return nil, err
	}
	s := &shop{app: umbel.New("shop"), store: store.New(p.Database), files: files, mailer: mailer, folder: p.Folder}
	s.app.Use(trail.New(s.app, s.store))
	s.bank = &payment.Bank{Ledger: s.store, Latency: 80 * time.Millisecond, Moody: 40}
	if p.Steady {
		s.bank.Moody = 0
	}
	s.mail = notifications.Register(s.app, s.mailer, s.store)
	s.orders = orders.Register(s.app, s.store, s.bank, s.mail)
	s.reports = reports.Register(s.app, s.store, s.files, s.mail)
	orders.RegisterPatterns(s.app)
	return s, nil
}

// close disconnects.
func (s *shop) close() error { return errors.Join(s.app.Close(), s.store.Close()) }
