package database

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/umbel-go/umbel/protocol"
)

// TestAFoldedBatchIsWhatWritingOneByOneLeaves: with and without a SUCCESS that was there before.
func TestAFoldedBatchIsWhatWritingOneByOneLeaves(t *testing.T) {
	states := []string{string(protocol.Started), string(protocol.Retry), string(protocol.Failure), string(protocol.Success)}
	apply := func(table map[string]row, r row) {
		if table[r.id].status != string(protocol.Success) {
			table[r.id] = r
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		ids := rapid.SampledFrom([]string{"a", "b", "c", "d"})
		n := 0
		rows := rapid.Custom(func(t *rapid.T) row {
			n++
			return row{id: ids.Draw(t, "id"), status: rapid.SampledFrom(states).Draw(t, "status"), document: fmt.Append(nil, n)}
		})
		one, two := make(map[string]row), make(map[string]row)
		for _, r := range rapid.SliceOf(rows).Draw(t, "before") {
			apply(one, r)
			apply(two, r)
		}
		var batch []*write
		for _, rs := range rapid.SliceOf(rapid.SliceOf(rows)).Draw(t, "batch") {
			batch = append(batch, &write{rows: rs})
			for _, r := range rs {
				apply(one, r)
			}
		}
		folded := fold(batch)
		for i, r := range folded {
			if i > 0 && folded[i-1].id >= r.id {
				t.Fatalf("%q comes after %q: transactions could deadlock", r.id, folded[i-1].id)
			}
			apply(two, r)
		}
		if fmt.Sprint(one) != fmt.Sprint(two) {
			t.Fatalf("folded %v\none by one %v", two, one)
		}
	})
}

// TestNoticesHoldEveryIDOrSaySo: every payload fits and nothing is left out.
func TestNoticesHoldEveryIDOrSaySo(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := rapid.Custom(func(t *rapid.T) string {
			text := rapid.SampledFrom([]string{"x", "ü", `"`, "\n", "<", "60000000-0000-4000-8000-000000000001"}).Draw(t, "text")
			return strings.Repeat(text, rapid.IntRange(0, 200).Draw(t, "times"))
		})
		ids := rapid.SliceOfN(id, 1, 40).Draw(t, "ids")
		var got []string
		for _, payload := range notices(ids) {
			if payload == noticeAll {
				return // the longest of all is close to the limit
			}
			if len(payload) >= 8000 {
				t.Fatalf("a payload of %d bytes", len(payload))
			}
			var some []string
			if err := json.Unmarshal([]byte(payload), &some); err != nil {
				t.Fatal(err)
			}
			got = append(got, some...)
		}
		if fmt.Sprint(got) != fmt.Sprint(ids) {
			t.Fatalf("got %q, want %q", got, ids)
		}
	})
	long := string(make([]byte, 3000)) // six bytes each as JSON
	if got := notices([]string{"a", long}); len(got) != 1 || got[0] != noticeAll {
		t.Fatalf("%.100q", got)
	}
}
