package codec

import (
	"bytes"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
)

func TestPlainJSONIsWhatKombuWroteBeforeItTypedValues(t *testing.T) {
	berlin := time.FixedZone("", 3600)
	id := uuid.MustParse("60000000-0000-4000-8000-000000000001")
	v := []any{
		time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC), time.Date(2026, 1, 2, 3, 4, 5, 0, berlin), time.Date(2026, 1, 2, 3, 4, 5, 0, Naive),
		Date{Year: 2026, Month: 1, Day: 2}, TimeOfDay{Hour: 3, Minute: 4, Second: 5}, Decimal("1.50"), id,
		map[string]any{"a": []any{id, 1.0, "ü"}},
	}
	const want = `["2026-01-02T03:04:05.000006Z", "2026-01-02T03:04:05+01:00", "2026-01-02T03:04:05", "2026-01-02T00:00:00", "03:04:05", ` +
		`"1.50", "60000000-0000-4000-8000-000000000001", {"a": ["60000000-0000-4000-8000-000000000001", 1.0, "\u00fc"]}]`
	e, err := Marshal(SerializerPlainJSON, v)
	if err != nil {
		t.Fatal(err)
	}
	if string(e.Body) != want || e.ContentType != "application/json" || e.ContentEncoding != "utf-8" {
		t.Errorf("%s %s\n got %s\nwant %s", e.ContentType, e.ContentEncoding, e.Body, want)
	}
	const script = `
import datetime as d, decimal, uuid, sys
import kombu
if kombu.VERSION >= (5, 3): sys.exit("kombu here types its values")
from kombu.utils.json import dumps
u = uuid.UUID("60000000-0000-4000-8000-000000000001")
print(dumps([d.datetime(2026,1,2,3,4,5,6,d.timezone.utc), d.datetime(2026,1,2,3,4,5,0,d.timezone(d.timedelta(hours=1))),
  d.datetime(2026,1,2,3,4,5), d.date(2026,1,2), d.time(3,4,5), decimal.Decimal("1.50"), u, {"a": [u, 1.0, "ü"]}]))`
	out, err := exec.CommandContext(t.Context(), "/usr/bin/python3", "-c", script).Output()
	if err != nil {
		t.Skipf("no kombu before 5.3 to ask: %v", err)
	}
	if got := strings.TrimSpace(string(out)); got != want {
		t.Errorf("kombu writes %s", got)
	}
}

func TestPlainJSONLeavesEverythingElseAsItIs(t *testing.T) {
	for _, raw := range []string{
		`{"__type__": "datetime"}`, `{"__type__": "color", "__value__": "red"}`, `{"__type__": "uuid", "__value__": "no uuid"}`,
		`{"a": "__type__", "b": [1.0, 1e400, NaN, 12345678901234567890123]}`, `["\u005f_type__"]`, `"__type__"`, `null`, `[]`,
		`{"__type__": "bytes", "__value__": "x", "more": 1}`,
	} {
		if got, err := AppendPlainJSON(nil, []byte(raw)); err != nil || string(got) != raw {
			t.Errorf("%s became %s, %v", raw, got, err)
		}
	}
	got, err := AppendPlainJSON([]byte("x"), []byte(`{"k": {"__value__": "AP8=", "__type__": "base64"}, "b": {"__type__": "bytes", "__value__": "hi"}}`))
	if want := `x{"k": "AP8=", "b": "aGk="}`; err != nil || string(got) != want {
		t.Errorf("bytes: %s, %v; want %s", got, err, want)
	}
	if _, err := AppendPlainJSON(nil, []byte(`[{"__type__": ]`)); err == nil {
		t.Error("broken JSON passed")
	}
}

func TestPlainJSONReadsBackIntoTypes(t *testing.T) {
	type order struct {
		At    time.Time
		Day   Date
		Price Decimal
		ID    uuid.UUID
	}
	in := order{time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC), Date{Year: 2026, Month: 1, Day: 2}, "1.50", uuid.New()}
	e, err := Marshal(SerializerPlainJSON, in)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(e.Body, []byte("__type__")) {
		t.Fatalf("typed: %s", e.Body)
	}
	var out order
	if err := JSON(e.Body).Decode(&out); err != nil {
		t.Fatal(err)
	}
	if !out.At.Equal(in.At) || out.Day != in.Day || out.Price != in.Price || out.ID != in.ID {
		t.Errorf("\n got %+v\nwant %+v", out, in)
	}
}
