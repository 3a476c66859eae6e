package protocol

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/umbel-go/umbel/codec"
)

// Python is the oracle: testdata/python has its own repr, and the last line of its traceback, for each document.
func TestReprIsPythons(t *testing.T) {
	t.Parallel()
	cases := readJSONFile(t, "python/exceptions.json").([]any)
	if len(cases) < 30 {
		t.Fatalf("%d cases", len(cases))
	}
	for _, c := range cases {
		c := c.(map[string]any)
		doc, err := json.Marshal(c["doc"])
		if err != nil {
			t.Fatal(err)
		}
		e, err := DecodeException(codec.JSON(doc))
		if err != nil {
			t.Errorf("%s: %v", doc, err)
			continue
		}
		if got, want := e.Repr(), c["repr"].(string); got != want {
			t.Errorf("repr of %s:\n want %s\n got  %s", doc, want, got)
		}
		if line := c["line"].(string); line != "" && !strings.HasPrefix(line, "Task of kind") {
			if got := e.Error(); got != line {
				t.Errorf("line of %s:\n want %q\n got  %q", doc, line, got)
			}
		}
	}
}

func TestReprOfNestedClassIsItsLastName(t *testing.T) {
	t.Parallel()
	e := &Exception{Type: "Order.Missing", Module: "shop.errors", Message: []codec.Value{codec.Of("x"), codec.Of(int64(3))}}
	if got := e.Repr(); got != "Missing('x', 3)" {
		t.Errorf("repr %s", got)
	}
	if got := e.Error(); got != "shop.errors.Order.Missing: ('x', 3)" {
		t.Errorf("error %s", got)
	}
	if got := string(e.Value().Raw()); got != `{"exc_type": "Order.Missing", "exc_message": ["x", 3], "exc_module": "shop.errors"}` {
		t.Errorf("value %s", got)
	}
}

func TestUnencodableArgumentBecomesItsRepr(t *testing.T) {
	t.Parallel()
	e := &Exception{Type: "E", Message: []codec.Value{codec.Of("a"), codec.Of(make(chan int)), codec.Of(true)}}
	var doc struct {
		Message []any   `json:"exc_message"`
		Module  *string `json:"exc_module"`
	}
	if err := json.Unmarshal(e.Value().Raw(), &doc); err != nil {
		t.Fatal(err)
	}
	text, ok := doc.Message[1].(string)
	if len(doc.Message) != 3 || doc.Message[0] != "a" || !ok || text == "" || doc.Message[2] != true || doc.Module != nil {
		t.Errorf("got %s", e.Value().Raw())
	}
}

func TestExceptionsOfOthersAreReadLiberally(t *testing.T) {
	t.Parallel()
	for doc, want := range map[string]string{
		`{"exc_type": "E"}`: "E()",
		`{"exc_type": "E", "exc_message": null, "exc_module": null}`: "E()",
		`{"exc_type": "E", "exc_message": "text"}`:                   "E('text')",
		`{"exc_type": "E", "exc_message": {"a": 1}, "other": []}`:    "E({'a': 1})",
		`"went wrong"`: "Exception('went wrong')",
		`[1, 2]`:       "Exception([1, 2])",
	} {
		e, err := DecodeException(codec.JSON([]byte(doc)))
		if err != nil {
			t.Errorf("%s: %v", doc, err)
		} else if got := e.Repr(); got != want {
			t.Errorf("%s: want %s, got %s", doc, want, got)
		}
	}
	for _, doc := range []string{`null`, `{}`, `{"exc_type": null}`, `{"exc_type": []}`, `{"exc_type": "E", "exc_module": {}}`, `{"exc_type"`} {
		if e, err := DecodeException(codec.JSON([]byte(doc))); err == nil {
			t.Errorf("%s: got %v, want an error", doc, e)
		}
	}
}
