package protocol

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/umbel-go/umbel/codec"
)

// What a client got back when it sent a task, group, chain or chord, and what it saved of a group in Redis.
func TestCapturedTuplesAreWrittenAsTheyCame(t *testing.T) {
	t.Parallel()
	seen, groups, parents := 0, 0, 0
	check := func(where string, tuple []byte) {
		seen++
		got, err := DecodeResultTuple(codec.JSON(tuple))
		if err != nil {
			t.Errorf("%s: %v", where, err)
			return
		}
		if got.IsGroup {
			groups++
		}
		if got.Parent != nil {
			parents++
		}
		written, err := got.AppendJSON(nil)
		if err != nil || string(written) != string(tuple) {
			t.Errorf("%s: %v\n came    %s\n written %s", where, err, tuple, written)
		}
	}
	eachFile(t, []string{"publish", "flows", "release"}, func(name string, doc any) {
		walk(name, doc, func(where string, object map[string]any) {
			if tuple, ok := object["client_result_tuple"]; ok && tuple != nil {
				text, err := json.Marshal(tuple) // ids and brackets only
				if err != nil {
					t.Fatal(err)
				}
				check(where, []byte(strings.ReplaceAll(string(text), ",", ", ")))
			}
			key, _ := object["key"].(string)
			if saved, ok := object["value"].(string); ok && strings.HasPrefix(key, "celery-taskset-meta-") && strings.HasPrefix(saved, `{"result": `) {
				check(where, []byte(strings.TrimSuffix(strings.TrimPrefix(saved, `{"result": `), "}")))
			}
		})
	})
	if seen < 60 || groups < 5 || parents < 5 {
		t.Errorf("saw %d tuples, %d of groups, %d with parents: is testdata complete?", seen, groups, parents)
	}
}

func TestTuplesOfOthersAreReadLiberally(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]ResultTuple{
		`"a"`:                       {ID: "a"},
		`["a", null]`:               {ID: "a"},
		`[["a"], null]`:             {ID: "a"},
		`[["a", "p"], null]`:        {ID: "a", Parent: &ResultTuple{ID: "p"}},
		`[[7, null], null]`:         {ID: "7"},
		`[["g", null], []]`:         {ID: "g", IsGroup: true, Members: []ResultTuple{}},
		`[["g", null], ["m"]]`:      {ID: "g", IsGroup: true, Members: []ResultTuple{{ID: "m"}}},
		`[[null, null], null]`:      {},
		`[["é\u0000", null], null]`: {ID: "é\x00"},
	} {
		got, err := DecodeResultTuple(codec.JSON([]byte(text)))
		if d := cmp.Diff(want, got); err != nil || d != "" {
			t.Errorf("%s: %v\n%s", text, err, d)
		}
	}
}

func TestBadTuplesAreErrors(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat(`[["a", `, 5000) + "null" + strings.Repeat(`], null]`, 5000)
	for _, text := range []string{`null`, `""`, `{}`, `[]`, `[["a", null]]`, `[["a", null], {}]`, `[[], null]`, `[[{}, null], null]`,
		`[["a", null, 1], null]`, `[["a", null], [null]]`, `[`, deep} {
		if got, err := DecodeResultTuple(codec.JSON([]byte(text))); err == nil {
			t.Errorf("%.40s: got %+v, want an error", text, got)
		}
	}
}

func TestTupleTooDeepToReadIsNotWritten(t *testing.T) {
	t.Parallel()
	chain := &ResultTuple{ID: "first"}
	for range codec.MaxDepth {
		chain = &ResultTuple{ID: "next", Parent: chain}
	}
	if _, err := chain.AppendJSON(nil); err == nil {
		t.Error("want an error: no reader takes such a tuple")
	}
	for chain = chain.Parent; chain != nil; chain = chain.Parent {
		text, err := chain.AppendJSON(nil)
		if err != nil {
			continue
		}
		if _, err := DecodeResultTuple(codec.JSON(text)); err != nil {
			t.Fatalf("written but not readable: %v", err)
		}
		return
	}
	t.Error("nothing could be written")
}
