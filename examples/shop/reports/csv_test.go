package reports

import (
	"errors"
	"iter"
	"os"
	"testing"

	"github.com/umbel-go/umbel/examples/shop/store"
)

// some yields n orders, and then an error if there is one.
func some(n int, last error) iter.Seq2[store.Order, error] {
	return func(yield func(store.Order, error) bool) {
		for i := range n {
			if !yield(store.Order{ID: int64(i)}, nil) {
				return
			}
		}
		if last != nil {
			yield(store.Order{}, last)
		}
	}
}

func TestAFileThatIsNotFinishedGoesAway(t *testing.T) {
	broken := errors.New("broken")
	for name, c := range map[string]struct{ read, tell error }{
		"the database fails in the middle":     {read: broken},
		"the result store fails in the middle": {tell: broken},
	} {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			_, err := writeCSV(folder, 1, some(2500, c.read), func(int) error { return c.tell })
			if !errors.Is(err, broken) {
				t.Errorf("got %v", err)
			}
			if files, err := os.ReadDir(folder); err != nil || len(files) != 0 {
				t.Errorf("left behind: %v, %v", files, err)
			}
		})
	}
}

func TestProgressIsToldNowAndThen(t *testing.T) {
	var told []int
	f, err := writeCSV(t.TempDir(), 1, some(2500, nil), func(rows int) error { told = append(told, rows); return nil })
	if err != nil || f.rows != 2500 || len(told) != 2 || told[0] != 1000 || told[1] != 2000 {
		t.Errorf("%+v, %v, told %v", f, err, told)
	}
}
