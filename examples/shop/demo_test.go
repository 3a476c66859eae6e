package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/umbel-go/umbel/examples/shop/store"
)

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		if folder := os.Getenv(killsIn); folder != "" {
			obeyKills(folder)
		}
		main()
		return
	}
	goleak.VerifyTestMain(m)
}

func TestTheDemoDoesAllItsWork(t *testing.T) {
	folder := t.TempDir()
	const past, today = 3000, 120
	var screen bytes.Buffer
	o, err := runDemo(t.Context(), folder, past, today, &screen)
	if err != nil {
		t.Fatalf("%v\n%s", err, screen.String())
	}
	if o.paid+o.soldOut != today || o.paid == 0 || o.soldOut == 0 {
		t.Errorf("%d paid, %d sold out, want %d in all and some of both", o.paid, o.soldOut, today)
	}
	if o.retried != 3 { // orders 3040, 3080 and 3120, to which the bank is slow to answer
		t.Errorf("%d orders were tried again, want 3", o.retried)
	}
	s := store.New(filepath.Join(folder, "shop.db"))
	defer s.Close()
	totals, err := s.Totals(t.Context(), past)
	if err != nil {
		t.Fatal(err)
	}
	if totals.Orders[store.Paid] != o.paid || totals.Orders[store.SoldOut] != o.soldOut || len(totals.Orders) != 2 {
		t.Errorf("orders by state: %v, want %d paid and %d sold out", totals.Orders, o.paid, o.soldOut)
	}
	if totals.Charges != o.paid || totals.Charged != totals.Taken || totals.Confirmed != o.paid {
		t.Errorf("%+v: want one charge and one confirmation for each of %d paid orders", totals, o.paid)
	}
	mails, err := os.ReadDir(filepath.Join(folder, "outbox"))
	if err != nil || len(mails) != o.paid+1 {
		t.Errorf("%d mails, %v, want %d and one of the report", len(mails), err, o.paid)
	}
	files, err := os.ReadDir(filepath.Join(folder, "reports"))
	if err != nil || len(files) != 1 || o.cleaned.Reports != 3 {
		t.Fatalf("reports: %v, %v, want the new one alone; cleaned: %+v", files, err, o.cleaned)
	}
	text, err := os.ReadFile(filepath.Join(folder, "reports", o.report.File))
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(text)
	if n := bytes.Count(text, []byte("\n")) - 1; n != past+today || o.report.Rows != n || o.report.SHA256 != hex.EncodeToString(sum[:]) {
		t.Errorf("report: %+v, its file has %d rows, want %d", o.report, n, past+today)
	}
	for _, want := range []string{"120 orders in ", "✓ 3 expired reports", o.report.File, "order,placed,customer"} {
		if !strings.Contains(screen.String(), want) {
			t.Errorf("the screen does not show %q:\n%s", want, screen.String())
		}
	}
	if strings.Contains(screen.String(), "\x1b") {
		t.Error("what is no terminal was sent a terminal's codes")
	}
}

func TestTheDemoEndsWhenItIsInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	out := writer(func(p []byte) {
		if bytes.Contains(p, []byte("orders")) { // it has begun, and has far to go
			cancel()
		}
	})
	if _, err := runDemo(ctx, t.TempDir(), 10, 3000, out); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want that it was cancelled", err)
	}
}

type writer func(p []byte)

func (w writer) Write(p []byte) (int, error) { w(p); return len(p), nil }

func TestTheDemoKeepsOutOfFoldersInUse(t *testing.T) {
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "thesis.txt"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := program(t, t.TempDir(), "demo", "--dir", folder).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "not empty") {
		t.Errorf("got %v\n%s", err, out)
	}
}

func TestThousands(t *testing.T) {
	for n, want := range map[int]string{0: "0", 7: "7", 999: "999", 1000: "1,000", 30300: "30,300", 1234567: "1,234,567"} {
		if got := thousands(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
}
