package reports

import (
	"bufio"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"hash"
	"io"
	"iter"
	"strconv"
	"strings"
	"time"

	"github.com/umbel-go/umbel/examples/shop/store"
)

// A csvFile is what is known of a written file.
type csvFile struct {
	rows   int
	bytes  int64
	sha256 string
}

// tellEvery is how many rows are written between two reports of progress.
const tellEvery = 1000

var header = []string{"order", "placed", "customer", "article", "quantity", "total", "state", "payment"}

// writeCSV streams orders to w, and counts.
func writeCSV(w io.Writer, orders iter.Seq2[store.Order, error], tell func(rows int) error) (f csvFile, err error) {
	seal := newSeal()
	buffer := bufio.NewWriterSize(io.MultiWriter(w, seal), 64<<10)
	lines := csv.NewWriter(buffer)
	if err := lines.Write(header); err != nil {
		return f, err
	}
	for o, err := range orders {
		if err != nil {
			return f, err
		}
		if err := lines.Write(record(o)); err != nil {
			return f, err
		}
		if f.rows++; f.rows%tellEvery == 0 {
			if err := tell(f.rows); err != nil {
				return f, err
			}
		}
	}
	lines.Flush()
	if err := lines.Error(); err != nil {
		return f, err
	}
	if err := buffer.Flush(); err != nil {
		return f, err
	}
	f.bytes, f.sha256 = seal.result()
	return f, nil
}

// readCSV counts what another attempt has written.
func readCSV(r io.Reader) (f csvFile, err error) {
	seal := newSeal()
	lines := csv.NewReader(bufio.NewReaderSize(io.TeeReader(r, seal), 64<<10))
	lines.ReuseRecord = true
	for f.rows = -1; ; f.rows++ { // the header is no row
		if _, err := lines.Read(); err == io.EOF {
			f.bytes, f.sha256 = seal.result()
			return f, nil
		} else if err != nil {
			return f, err
		}
	}
}

// A seal is the length and sum of what is written to it.
type seal struct {
	hash  hash.Hash
	bytes int64
}

func newSeal() *seal { return &seal{hash: sha256.New()} }

func (s *seal) Write(p []byte) (int, error) {
	s.bytes += int64(len(p))
	return s.hash.Write(p)
}

func (s *seal) result() (bytes int64, sum string) {
	return s.bytes, hex.EncodeToString(s.hash.Sum(nil))
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
