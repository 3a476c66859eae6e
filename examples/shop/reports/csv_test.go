package reports

import (
	"bytes"
	"errors"
	"iter"
	"testing"

	"github.com/umbel-go/umbel/examples/shop/store"
)

// some yields n orders, and then an error if there is one.
func some(n int, last error) iter.Seq2[store.Order, error] {
	return func(yield func(store.Order, error) bool) {
		for i := range n {
			if !yield(store.Order{ID: int64(i), Customer: "a \"b\"\nc"}, nil) {
				return
			}
		}
		if last != nil {
			yield(store.Order{}, last)
		}
	}
}

func TestAnErrorInTheMiddleEndsTheFile(t *testing.T) {
	broken := errors.New("broken")
	for name, c := range map[string]struct{ read, tell error }{
		"the database fails in the middle":     {read: broken},
		"the result store fails in the middle": {tell: broken},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := writeCSV(new(bytes.Buffer), some(2500, c.read), func(int) error { return c.tell }); !errors.Is(err, broken) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestProgressIsToldNowAndThen(t *testing.T) {
	var told []int
	f, err := writeCSV(new(bytes.Buffer), some(2500, nil), func(rows int) error { told = append(told, rows); return nil })
	if err != nil || f.rows != 2500 || len(told) != 2 || told[0] != 1000 || told[1] != 2000 {
		t.Errorf("%+v, %v, told %v", f, err, told)
	}
}

func TestWhatIsReadIsWhatWasWritten(t *testing.T) {
	for _, n := range []int{0, 1, 500} {
		var file bytes.Buffer
		wrote, err := writeCSV(&file, some(n, nil), func(int) error { return nil })
		if err != nil {
			t.Fatal(err)
		}
		if wrote.bytes != int64(file.Len()) {
			t.Errorf("%d bytes counted, %d written", wrote.bytes, file.Len())
		}
		if read, err := readCSV(&file); err != nil || read != wrote {
			t.Errorf("wrote %+v, read %+v, %v", wrote, read, err)
		}
	}
}
