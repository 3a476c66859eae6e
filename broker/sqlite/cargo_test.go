package sqlite

import (
	"bytes"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/umbel-go/umbel/protocol"
)

func TestCargoSurvivesTheFile(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var want []*item
		var b []byte
		for range rapid.IntRange(0, 20).Draw(t, "n") {
			d := &item{id: rapid.Int64().Draw(t, "id"), rank: -rapid.Int64Range(0, 255).Draw(t, "rank"), place: rapid.Int64().Draw(t, "place"),
				deliveries: rapid.Int64Range(0, 99).Draw(t, "deliveries"), expires: rapid.Int64().Draw(t, "expires")}
			want = append(want, d)
			b = appendCargo(b, d)
		}
		got, err := decodeCargo(b)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%d items came back as %d, %v", len(want), len(got), err)
		}
	})
}

func FuzzCargo(f *testing.F) {
	f.Add(appendCargo(nil, &item{id: 1, rank: -5, place: 2, deliveries: 3, expires: 4}))
	f.Fuzz(func(t *testing.T, b []byte) {
		items, err := decodeCargo(b)
		if err != nil {
			return
		}
		var again []byte
		for _, d := range items {
			again = appendCargo(again, d)
		}
		twice, err := decodeCargo(again)
		if err != nil || !reflect.DeepEqual(items, twice) {
			t.Errorf("%v, %v", twice, err)
		}
	})
}

func TestArgumentsCompareByValueNotWidth(t *testing.T) {
	a := protocol.Table{"x-max-priority": int32(10), "x-queue-mode": "lazy"}
	if d := differ(a, protocol.Table{"x-max-priority": int64(10), "x-queue-mode": "lazy"}); d != "" {
		t.Error(d)
	}
	for want, b := range map[string]protocol.Table{
		"x-max-priority is 10, declared as 5":    {"x-max-priority": int32(5), "x-queue-mode": "lazy"},
		"x-queue-mode is lazy, declared without": {"x-max-priority": int32(10)},
		"x-expires is not set, declared as 7":    {"x-max-priority": int32(10), "x-queue-mode": "lazy", "x-expires": int32(7)},
	} {
		if d := differ(a, b); !strings.Contains(d, want) {
			t.Errorf("%q does not say %q", d, want)
		}
	}
	first, err := encodeArguments(a)
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		if b, _ := encodeArguments(a); !bytes.Equal(b, first) {
			t.Fatal("equal arguments are written differently")
		}
	}
}
