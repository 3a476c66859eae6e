package reports

import (
	"bufio"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/umbel-go/umbel/examples/shop/store"
)

// A csvFile is a finished file.
type csvFile struct {
	name   string // of the file in its folder: report and content make it, so it never changes
	rows   int
	bytes  int64
	sha256 string
}

// tellEvery is how many rows are written between two reports of progress.
const tellEvery = 1000

var header = []string{"order", "placed", "customer", "article", "quantity", "total", "state", "payment"}

// writeCSV streams orders to a file. It is written under another name and renamed when it is whole.
func writeCSV(folder string, report int64, orders iter.Seq2[store.Order, error], tell func(rows int) error) (csvFile, error) {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return csvFile{}, err
	}
	half, err := os.CreateTemp(folder, fmt.Sprintf(".%d-*.half", report))
	if err != nil {
		return csvFile{}, err
	}
	f, err := fill(half, orders, tell)
	if err == nil {
		f.name = fmt.Sprintf("report-%d-%.8s.csv", report, f.sha256)
		err = os.Rename(half.Name(), filepath.Join(folder, f.name))
	}
	if err != nil {
		_ = os.Remove(half.Name())
		return csvFile{}, err
	}
	return f, nil
}

// fill writes the rows, and closes the file in any case.
func fill(file *os.File, orders iter.Seq2[store.Order, error], tell func(rows int) error) (f csvFile, err error) {
	defer func() {
		if closed := file.Close(); err == nil {
			err = closed
		}
	}()
	sum := sha256.New()
	buffer := bufio.NewWriterSize(io.MultiWriter(file, sum), 64<<10)
	w := csv.NewWriter(buffer)
	if err := w.Write(header); err != nil {
		return f, err
	}
	for o, err := range orders {
		if err != nil {
			return f, err
		}
		if err := w.Write(record(o)); err != nil {
			return f, err
		}
		if f.rows++; f.rows%tellEvery == 0 {
			if err := tell(f.rows); err != nil {
				return f, err
			}
		}
	}
	w.Flush()
	if err := w.Error(); err != nil {
		return f, err
	}
	if err := buffer.Flush(); err != nil {
		return f, err
	}
	if err := file.Sync(); err != nil { // the row that follows must not outlive the file
		return f, err
	}
	info, err := file.Stat()
	if err != nil {
		return f, err
	}
	f.bytes, f.sha256 = info.Size(), hex.EncodeToString(sum.Sum(nil))
	return f, nil
}

func record(o store.Order) []string {
	return []string{
		strconv.FormatInt(o.ID, 10), o.Placed.Format(time.RFC3339), plain(o.Customer), plain(o.SKU),
		strconv.Itoa(o.Quantity), o.Total.String(), string(o.State), o.Payment,
	}
}

// plain keeps a spreadsheet from taking a customer's text for a formula.
func plain(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r", rune(s[0])) {
		return "'" + s
	}
	return s
}
