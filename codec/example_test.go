package codec_test

import (
	"errors"
	"fmt"

	"github.com/umbel-go/umbel/codec"
)

// A worker splits a message's body once, and decodes each argument into the type that wants it.
func ExampleValue_Decode() {
	kwargs, err := codec.SplitObject([]byte(`{"order_id": 7, "total": {"__type__": "decimal", "__value__": "42.50"}}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	var id int64
	var total codec.Decimal
	fmt.Println(kwargs[0].Value.Decode(&id), id)
	fmt.Println(kwargs[1].Value.Decode(&total), total)
	fmt.Println(kwargs[1].Value.Decode(&id))
	// Output:
	// <nil> 7
	// <nil> 42.50
	// want integer, got 42.50
}

// What a struct becomes on the wire: Python's spelling, and kombu's envelopes for what JSON has no form for.
func ExampleAppendJSON() {
	type order struct {
		ID    int64      `json:"order_id"`
		Total float64    `json:"total"`
		Due   codec.Date `json:"due"`
	}
	b, err := codec.AppendJSON(nil, order{7, 42, codec.Date{Year: 2024, Month: 1, Day: 2}})
	fmt.Println(string(b), err)
	// Output: {"order_id": 7, "total": 42.0, "due": {"__type__": "date", "__value__": "2024-01-02"}} <nil>
}

// Logs and events show arguments as Python would.
func ExampleReprArgs() {
	fmt.Println(codec.ReprArgs([]codec.Value{codec.Of(2), codec.JSON([]byte(`[null, true, "it's"]`))}))
	fmt.Println(codec.ReprKwargs([]codec.NamedValue{{Name: "z", Value: codec.Of(4)}}))
	// Output:
	// (2, [None, True, 'it\'s'])
	// {'z': 4}
}

func ExampleDecompress() {
	mime, packed, err := codec.Compress("gzip", make([]byte, 1<<20))
	fmt.Println(mime, err)
	_, err = codec.Decompress(mime, packed, 1000)
	var bomb *codec.BombError
	fmt.Println(errors.As(err, &bomb), bomb.Limit)
	// Output:
	// application/x-gzip <nil>
	// true 1000
}
