package protocol

import (
	"math"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/umbel-go/umbel/codec"
)

func TestTextsAreReadFromWhatIsHarmless(t *testing.T) {
	t.Parallel()
	id := uuid.MustParse("12345678-1234-5678-1234-567812345678")
	for _, c := range []struct {
		v    any
		want string
		ok   bool
	}{
		{nil, "", true}, {"a", "a", true}, {[]byte("a"), "a", true}, {id, id.String(), true}, {int32(7), "7", true}, {uint64(7), "7", true},
		{7.0, "", false}, {true, "", false}, {time.Time{}, "", false}, {Table{}, "", false}, {[]any{}, "", false},
	} {
		if got, ok := text(c.v); got != c.want || ok != c.ok {
			t.Errorf("%T %v: got %q, %v", c.v, c.v, got, ok)
		}
	}
}

func TestNumbersAreReadFromWhatIsHarmless(t *testing.T) {
	t.Parallel()
	for _, v := range []any{7, int8(7), int16(7), int32(7), int64(7), uint(7), uint8(7), uint16(7), uint32(7), uint64(7), float32(7), 7.0, "7"} {
		if got, ok := integer(v); got != 7 || !ok {
			t.Errorf("integer %T: got %d, %v", v, got, ok)
		}
		if got, ok := seconds(v); got != 7*time.Second || !ok {
			t.Errorf("seconds %T: got %v, %v", v, got, ok)
		}
	}
	for _, v := range []any{nil, true, 7.5, math.NaN(), math.Inf(1), 1e300, "7.5", "", "seven", []any{7}, uint64(math.MaxUint64)} {
		if got, ok := integer(v); ok {
			t.Errorf("integer %T %v: got %d", v, v, got)
		}
	}
	for _, v := range []any{-1, int64(math.MaxInt32) + 1, "many"} {
		if got, ok := count(v); ok {
			t.Errorf("count %v: got %d", v, got)
		}
	}
	for _, v := range []any{-1, -0.5, math.NaN(), math.Inf(-1), "NaN", "soon", true, Table{}} {
		if got, ok := seconds(v); ok {
			t.Errorf("seconds %v: got %v", v, got)
		}
	}
	for v, want := range map[any]time.Duration{
		nil: 0, 0: 0, 20.5: 20500 * time.Millisecond, float32(0.5): 500 * time.Millisecond, codec.Decimal("1.25"): 1250 * time.Millisecond,
		1e300: math.MaxInt64, "inf": math.MaxInt64, int64(math.MaxInt64): math.MaxInt64,
	} {
		if got, ok := seconds(v); got != want || !ok {
			t.Errorf("seconds %v: got %v, %v, want %v", v, got, ok, want)
		}
	}
	if got, ok := seconds(new(big.Int).Lsh(big.NewInt(1), 100)); got != math.MaxInt64 || !ok {
		t.Errorf("seconds of a big number: got %v, %v", got, ok)
	}
}

func TestNumbersAreWrittenAsCelerysClientDoes(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]any{0: nil, 30 * time.Second: int32(30), 20500 * time.Millisecond: 20.5, math.MaxInt64: 9223372036.854775807} {
		if got := number(d); got != want {
			t.Errorf("%v: got %T %v, want %T %v", d, got, got, want, want)
		}
	}
	if got := narrow(1 << 40); got != int64(1<<40) {
		t.Errorf("got %T %v", got, got)
	}
}

func TestHybridOfEverySerializer(t *testing.T) {
	t.Parallel()
	fields := map[string]any{"args": []any{int64(1)}, "kwargs": map[string]any{}, "retries": int64(3), "eta": "2024-01-02T03:04:05+00:00"}
	for _, serializer := range []string{"json", "msgpack", "yaml"} {
		for _, compression := range []string{"", "zstd"} {
			enc, err := codec.Marshal(serializer, fields)
			if err != nil {
				t.Fatal(err)
			}
			env := &Envelope{
				Properties: Properties{ContentType: enc.ContentType, ContentEncoding: enc.ContentEncoding},
				Headers:    Table{"task": "t", "id": "i"}, Body: enc.Body,
			}
			if compression != "" {
				if env.Headers["compression"], env.Body, err = codec.Compress(compression, enc.Body); err != nil {
					t.Fatal(err)
				}
			}
			task, body := mustDecode(t, env)
			if len(body.Args) != 1 || task.Name != "t" || task.ID != "i" || task.Retries != 3 || FormatTime(task.ETA) != "2024-01-02T03:04:05+00:00" {
				t.Errorf("%s %s: got %+v, %+v", serializer, compression, task, body)
			}
			// As others write it: all headers there, only the body of the old form.
			env.Headers["timelimit"], env.Headers["retries"] = nil, int32(5)
			if task, body = mustDecode(t, env); len(body.Args) != 1 || task.Retries != 5 {
				t.Errorf("%s %s: got %+v, %+v", serializer, compression, task, body)
			}
		}
	}
}

func TestTextThatIsNoUTF8CanStillBeWritten(t *testing.T) {
	t.Parallel()
	doc, err := AppendResult(nil, &Result{TaskID: "a\xff", Status: Failure, Traceback: "é\x00\xfe\"", HasTraceback: true})
	if err != nil {
		t.Fatal(err)
	}
	r, err := DecodeResultJSON(doc)
	if err != nil || !strings.HasPrefix(r.TaskID, "a") || !strings.HasPrefix(r.Traceback, "é\x00") || !strings.HasSuffix(r.Traceback, `"`) {
		t.Errorf("%v: %+v\n%s", err, r, doc)
	}
}

func TestCustomHeadersAreTheSendersOwn(t *testing.T) {
	t.Parallel()
	task, err := DecodeTask(captured{"", readJSONFile(t, "publish/task_all_options.json").(map[string]any)}.envelope(t), DecodeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	want := Table{"x-custom": "v", "x-num": int32(5), "x-nested": Table{"a": []any{int32(1), nil}}}
	if d := cmp.Diff(want, task.CustomHeaders()); d != "" {
		t.Error(d)
	}
	task.Headers = Table{"task": "t", "x-death": []any{}}
	if got := task.CustomHeaders(); got != nil {
		t.Errorf("got %v, want none", got)
	}
}
