package codec

import (
	"encoding/json"
	"testing"
	"time"
)

type benchOrder struct {
	ID       int64    `json:"order_id"`
	Customer string   `json:"customer"`
	Total    float64  `json:"total"`
	Paid     bool     `json:"paid"`
	Items    []string `json:"items"`
}

var (
	benchStruct = benchOrder{7, "Zoë Example", 42.5, true, []string{"chair", "table", "lamp"}}
	benchMap    = map[string]any{"order_id": int64(7), "customer": "Zoë Example", "total": 42.5, "paid": true, "items": []any{"chair", "table", "lamp"}}
	benchBody   = []byte(`[[], {"order_id": 7, "customer": "Zo\u00eb Example", "total": 42.5, "paid": true, "items": ["chair", "table", "lamp"]}, {"callbacks": null, "errbacks": null, "chain": null, "chord": null}]`)
	benchKwargs = []byte(`{"order_id": 7, "customer": "Zo\u00eb Example", "total": 42.5, "paid": true, "items": ["chair", "table", "lamp"]}`)
	benchTyped  = []byte(`{"order_id": 7, "customer": "x", "total": {"__type__": "decimal", "__value__": "42.5"}, "paid": true, "items": ["chair"]}`)
)

func benchEncode(b *testing.B, v any) {
	b.Run("umbel", func(b *testing.B) {
		b.ReportAllocs()
		var buf []byte
		for b.Loop() {
			var err error
			if buf, err = AppendJSON(buf[:0], v); err != nil {
				b.Fatal(err)
			}
		}
		b.SetBytes(int64(len(buf)))
	})
	b.Run("encoding-json", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := json.Marshal(v); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkEncodeStruct(b *testing.B)        { benchEncode(b, benchStruct) }
func BenchmarkEncodeStructPointer(b *testing.B) { benchEncode(b, &benchStruct) }
func BenchmarkEncodeMap(b *testing.B)           { benchEncode(b, benchMap) }
func BenchmarkEncodeTime(b *testing.B)          { benchEncode(b, map[string]any{"at": time.Unix(1e9, 0).UTC()}) }

func BenchmarkDecodeStruct(b *testing.B) {
	b.Run("umbel", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var o benchOrder
			if err := JSON(benchKwargs).Decode(&o); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("umbel-typed-value", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var o benchOrder
			if err := JSON(benchTyped).Decode(&o); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("encoding-json", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var o benchOrder
			if err := json.Unmarshal(benchKwargs, &o); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkDecodeAny(b *testing.B) {
	b.Run("umbel", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := JSON(benchBody).Any(); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("encoding-json", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var v any
			if err := json.Unmarshal(benchBody, &v); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkSplitBody(b *testing.B) {
	b.ReportAllocs()
	b.SetBytes(int64(len(benchBody)))
	for b.Loop() {
		parts, err := SplitArray(benchBody)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := SplitObject(parts[1].Raw()); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRepr(b *testing.B) {
	for name, args := range map[string][]Value{"raw": {JSON(benchKwargs)}, "struct": {Of(benchStruct)}, "map": {Of(benchMap)}} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				ReprArgs(args)
			}
		})
	}
}

func BenchmarkCompress(b *testing.B) {
	body := make([]byte, 0, 1<<16)
	for len(body) < 1<<16 {
		body = append(body, benchBody...)
	}
	for _, name := range aliases {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(body)))
			for b.Loop() {
				if _, _, err := Compress(name, body); err != nil {
					b.Fatal(err)
				}
			}
		})
		mime, packed, err := Compress(name, body)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(name+"-back", func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(body)))
			for b.Loop() {
				if _, err := Decompress(mime, packed, 1<<20); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
