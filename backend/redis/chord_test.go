package redis

import (
	"slices"
	"testing"

	"github.com/umbel-go/umbel/backend"
	"github.com/umbel-go/umbel/codec"
	"github.com/umbel-go/umbel/internal/testenv"
	"github.com/umbel-go/umbel/protocol"
)

// The keys and values are those that Celery leaves: flows chord_partial, chord_failure_errback and group_saved.
func TestChordsAndGroupsAreKeptByteForByteAsCeleryKeepsThem(t *testing.T) {
	r := testenv.Redis(t)
	b := dial(t, configOf(r))
	ctx := t.Context()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	key := func(part string) string { return r.Prefix() + "celery-taskset-meta-g" + part }
	exc := protocol.Exception{Type: "ValueError", Module: "builtins", Message: []codec.Value{codec.Of("boom"), codec.Of(42)}}
	check(b.ExpectParts(ctx, "g", 3))
	check(b.AddParts(ctx, "g", 1))
	for _, p := range []backend.ChordPart{
		{TaskID: "b", Index: 1, HasIndex: true, State: protocol.Failure, Result: exc.Value()},
		{TaskID: "a", Index: 0, HasIndex: true, State: protocol.Success, Result: codec.Of(2)},
		{TaskID: "c", State: protocol.Success, Result: codec.JSON([]byte(`[2, 4]`))},
	} {
		p.Group = "g"
		if _, err := b.RecordPart(ctx, p); err != nil {
			t.Fatal(err)
		}
	}
	want := []any{`[1, "a", "SUCCESS", 2]`, "0",
		`[1, "b", "FAILURE", {"exc_type": "ValueError", "exc_message": ["boom", 42], "exc_module": "builtins"}]`, "1",
		`[1, "c", "SUCCESS", [2, 4]]`, "inf"}
	if got := r.Do("ZRANGE", key(".j"), "0", "-1", "WITHSCORES").([]any); !slices.Equal(got, want) {
		t.Errorf("parts %v\nwant %v", got, want)
	}
	for part, want := range map[string]string{".s": "3", ".t": "1"} {
		if got := r.Do("GET", key(part)); got != want {
			t.Errorf("%s is %v, want %s", part, got, want)
		}
	}
	for _, part := range []string{".j", ".s", ".t"} {
		if ttl := r.Do("TTL", key(part)).(int64); ttl < 86000 || ttl > 86400 {
			t.Errorf("%s lives %d s, want a day", part, ttl)
		}
	}
	check(b.ForgetChord(ctx, "g"))
	check(b.SaveGroup(ctx, protocol.ResultTuple{ID: "g", IsGroup: true, Members: []protocol.ResultTuple{{ID: "a"}, {ID: "b"}}}))
	if got, want := r.Do("GET", key("")), `{"result": [["g", null], [[["a", null], null], [["b", null], null]]]}`; got != want {
		t.Errorf("saved group\n%v\nwant\n%s", got, want)
	}
	if n := r.Do("DBSIZE"); n != int64(1) {
		t.Errorf("%v keys are left, want the group alone: %v", n, r.Do("KEYS", "*"))
	}
}

// Each command as Celery sends it where it matters: parts that Python has recorded are counted and read.
func TestPartsOfPythonAreCounted(t *testing.T) {
	r := testenv.Redis(t)
	b := dial(t, configOf(r))
	key := r.Prefix() + "celery-taskset-meta-g"
	r.Do("SETEX", key+".s", "86400", "2")
	r.Do("ZADD", key+".j", "0", `[1, "py", "SUCCESS", 4]`)
	done, err := b.RecordPart(t.Context(), backend.ChordPart{Group: "g", TaskID: "go", Index: 1, HasIndex: true, State: protocol.Success, Result: codec.Of(5)})
	if err != nil || !done {
		t.Fatalf("complete is %t, %v", done, err)
	}
	var ids []string
	err = b.ChordParts(t.Context(), "g", func(p backend.ChordPart) error { ids = append(ids, p.TaskID); return nil })
	if err != nil || !slices.Equal(ids, []string{"py", "go"}) {
		t.Fatalf("parts of %v, %v", ids, err)
	}
}
