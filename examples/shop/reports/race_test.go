package reports

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/umbel-go/umbel/examples/shop/objects"
	"github.com/umbel-go/umbel/examples/shop/store"
)

// Two workers may make one report at once, from books that change between them.
func TestTheSecondOfTwoWorkersYieldsToTheFirst(t *testing.T) {
	dir := t.TempDir()
	folder := filepath.Join(dir, "reports")
	tasks := &Tasks{store: store.New(filepath.Join(dir, "shop.db")), files: objects.Folder(folder), keep: Keep}
	defer tasks.store.Close()
	if err := tasks.store.Stock(t.Context(), []store.Article{{SKU: "dill", Name: "Dill", Price: 100}}); err != nil {
		t.Fatal(err)
	}
	begun, err := tasks.store.BeginReport(t.Context(), store.Report{ID: 7, Until: time.Now().Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	var kept []store.Report
	for range 2 {
		err := tasks.store.ImportOrders(t.Context(), []store.Order{{SKU: "dill", Quantity: 1, Total: 100, State: store.Paid, Placed: time.Now()}})
		if err != nil {
			t.Fatal(err)
		}
		r, err := tasks.write(t.Context(), begun)
		if err != nil {
			t.Fatal(err)
		}
		kept = append(kept, r)
	}
	if kept[0] != kept[1] || kept[0].Rows != 1 {
		t.Errorf("the first got %+v, the second %+v, want the same", kept[0], kept[1])
	}
	files, err := os.ReadDir(folder)
	if err != nil || len(files) != 1 || files[0].Name() != kept[0].File {
		t.Errorf("files: %v, %v, want %s alone", files, err, kept[0].File)
	}
}
