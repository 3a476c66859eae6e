package protocol

import (
	"testing"
	"time"

	"github.com/umbel-go/umbel/codec"
)

func benchEnvelope(b *testing.B, file string) *Envelope {
	b.Helper()
	return captured{file, readJSONFile(b, file).(map[string]any)}.envelope(b)
}

// The header alone: what a worker pays for every message it receives.
func BenchmarkDecodeTask(b *testing.B) {
	env := benchEnvelope(b, "publish/task_plain.json")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := DecodeTask(env, DecodeOptions{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecodeTaskWithETAAndExpires(b *testing.B) {
	env := benchEnvelope(b, "publish/task_plain.json")
	env.Headers["eta"], env.Headers["expires"] = "2026-11-23T09:57:24.051801+00:00", "2026-11-23T10:57:24.051801+00:00"
	b.ReportAllocs()
	for b.Loop() {
		if _, err := DecodeTask(env, DecodeOptions{}); err != nil {
			b.Fatal(err)
		}
	}
}

// Header and body: what it pays for one that runs.
func BenchmarkDecodeTaskAndBody(b *testing.B) {
	for name, file := range map[string]string{"plain": "publish/task_delay_kwargs.json", "chain": "publish/canvas_chain3.json", "protocol 1": "publish/proto1_plain.json"} {
		b.Run(name, func(b *testing.B) {
			env := benchEnvelope(b, file)
			b.ReportAllocs()
			b.SetBytes(int64(len(env.Body)))
			for b.Loop() {
				task, err := DecodeTask(env, DecodeOptions{})
				if err != nil {
					b.Fatal(err)
				}
				if _, err := task.DecodeBody(DecodeOptions{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkEncodeTask(b *testing.B) {
	task := &Task{Name: "shop.charge", ID: "00000000-0000-4000-8000-000000000001", Origin: "gen1@host", ArgsRepr: "(2, 3)", KwargsRepr: "{}"}
	body := &Body{Args: []codec.Value{codec.JSON([]byte("2")), codec.JSON([]byte("3"))}}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := EncodeTask(task, body, EncodeOptions{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendResult(b *testing.B) {
	r := &Result{TaskID: "00000000-0000-4000-8000-000000000001", Status: Success, Result: codec.JSON([]byte("5")), HasChildren: true,
		DateDone: time.Date(2026, 11, 23, 10, 0, 9, 163799000, time.UTC)}
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		var err error
		if buf, err = AppendResult(buf[:0], r); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecodeResult(b *testing.B) {
	doc := []byte(`{"status": "SUCCESS", "result": 2, "traceback": null, "children": [], "date_done": "2026-11-23T10:01:12.842692+00:00", "task_id": "10000000-0000-4000-8000-000000000046"}`)
	b.ReportAllocs()
	b.SetBytes(int64(len(doc)))
	for b.Loop() {
		if _, err := DecodeResultJSON(doc); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseTime(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseTime("2026-11-23T09:57:24.051801+00:00"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkFormatTime(b *testing.B) {
	at := time.Date(2026, 11, 23, 9, 57, 24, 51801000, time.UTC)
	b.ReportAllocs()
	for b.Loop() {
		_ = FormatTime(at)
	}
}
