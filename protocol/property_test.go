package protocol

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/umbel-go/umbel/codec"
)

// Generators are shared and remember things about themselves, so the tests that draw from them do not run in parallel.
var (
	anyValue = rapid.Custom(func(t *rapid.T) codec.Value {
		return codec.Of(rapid.OneOf(
			rapid.Just[any](nil),
			rapid.Map(rapid.Bool(), asAny[bool]),
			rapid.Map(rapid.Int64(), asAny[int64]),
			rapid.Map(rapid.Float64(), asAny[float64]),
			rapid.Map(rapid.String(), asAny[string]),
			rapid.Map(rapid.SliceOf(rapid.Map(rapid.String(), asAny[string])), asAny[[]any]),
		).Draw(t, "value"))
	})
	anyName   = rapid.StringMatching(`[a-zA-Zé_."\\ ]{1,12}`)
	anyValues = rapid.SliceOfN(anyValue, 0, 4)
	anyFields = rapid.Custom(func(t *rapid.T) []codec.NamedValue {
		var out []codec.NamedValue
		for _, name := range rapid.SliceOfNDistinct(anyName, 0, 4, rapid.ID[string]).Draw(t, "names") {
			out = append(out, codec.NamedValue{Name: name, Value: anyValue.Draw(t, "value")})
		}
		return out
	})
	anySignature = rapid.Custom(func(t *rapid.T) *Signature {
		return &Signature{Task: anyName.Draw(t, "task"), Args: anyValues.Draw(t, "args"), Kwargs: anyFields.Draw(t, "kwargs"),
			Options: anyFields.Draw(t, "options"), Immutable: rapid.Bool().Draw(t, "immutable"),
			SubtaskType: rapid.SampledFrom([]string{"", "chain", "group", "chord"}).Draw(t, "type")}
	})
	anySignatures = rapid.OneOf(rapid.Just[[]*Signature](nil), rapid.SliceOfN(anySignature, 0, 3))
	anyTime       = rapid.Custom(func(t *rapid.T) time.Time {
		if rapid.Bool().Draw(t, "none") {
			return time.Time{}
		}
		offset := rapid.IntRange(-86399, 86399).Draw(t, "offset")
		loc := codec.Naive
		if offset%3 != 0 {
			loc = time.FixedZone("", offset)
		}
		return time.UnixMicro(rapid.Int64Range(-50_000_000_000_000_000, 200_000_000_000_000_000).Draw(t, "micro")).In(loc)
	})
	anyLimit = rapid.Map(rapid.Int64Range(0, 1e9), func(ms int64) time.Duration { return time.Duration(ms) * time.Millisecond })
)

func asAny[T any](v T) any { return v }

// same compares values as JSON, and times by the moment they are and whether they are naive.
var same = cmp.Options{sameText, cmp.Comparer(func(a, b time.Time) bool {
	return a.Equal(b) && (a.Location() == codec.Naive) == (b.Location() == codec.Naive)
})}

func TestAnyTaskArrivesAsItWasSent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := rapid.StringMatching(`[a-z0-9é -]{1,8}`)
		orNone := func(label string) string { return rapid.OneOf(rapid.Just(""), id).Draw(t, label) }
		sent := &Task{
			Version: rapid.SampledFrom([]int{1, 2}).Draw(t, "protocol"), Name: anyName.Draw(t, "name"), ID: id.Draw(t, "id"),
			ETA: anyTime.Draw(t, "eta"), Expires: anyTime.Draw(t, "expires"), Group: orNone("group"),
			Retries:   rapid.IntRange(0, 1<<31-1).Draw(t, "retries"),
			TimeLimit: anyLimit.Draw(t, "hard"), SoftTimeLimit: anyLimit.Draw(t, "soft"),
		}
		if sent.HasGroupIndex = rapid.Bool().Draw(t, "indexed"); sent.HasGroupIndex {
			sent.GroupIndex = rapid.IntRange(0, 1<<40).Draw(t, "index")
		}
		body := &Body{Args: anyValues.Draw(t, "args"), Kwargs: anyFields.Draw(t, "kwargs"),
			Embed: Embed{Callbacks: anySignatures.Draw(t, "callbacks"), Errbacks: anySignatures.Draw(t, "errbacks")}}
		if rapid.Bool().Draw(t, "chord") {
			body.Embed.Chord = anySignature.Draw(t, "body")
		}
		if sent.Version == 2 { // what protocol 1 has no place for
			sent.Lang, sent.Shadow, sent.Origin, sent.ParentID = "py", orNone("shadow"), orNone("origin"), orNone("parent")
			sent.RootID = id.Draw(t, "root")
			sent.ArgsRepr, sent.KwargsRepr = "(…)", "{…}"
			sent.ReplacedTaskNesting = rapid.IntRange(0, 9).Draw(t, "nesting")
			sent.StampedHeaders = rapid.SliceOf(anyName).Draw(t, "stamped")
			sent.Stamps = Table{}
			body.Embed.Chain = anySignatures.Draw(t, "chain")
			if rapid.Bool().Draw(t, "says") {
				says := rapid.Bool().Draw(t, "ignore")
				sent.IgnoreResult = &says
			}
		}
		env, err := EncodeTask(sent, body, EncodeOptions{Protocol: sent.Version, Now: time.Unix(0, 0)})
		if err != nil {
			t.Fatal(err)
		}
		got, err := DecodeTask(env, DecodeOptions{})
		if err != nil {
			t.Fatal(err)
		}
		decoded, err := got.DecodeBody(DecodeOptions{})
		if err != nil {
			t.Fatal(err)
		}
		got.Properties, got.Headers = Properties{}, nil
		if sent.Version == 1 {
			got.ArgsRepr, got.KwargsRepr = "", ""
		}
		if d := cmp.Diff(sent, got, same, cmpopts.IgnoreUnexported(Task{})); d != "" {
			t.Errorf("task (-sent +got):\n%s", d)
		}
		if d := cmp.Diff(body, decoded, same, equateEmptyFields); d != "" {
			t.Errorf("body (-sent +got):\n%s", d)
		}
	})
}

// equateEmptyFields: no keyword arguments are nil or none, all the same. Lists of signatures keep the difference.
var equateEmptyFields = cmp.FilterValues(func(a, b []codec.NamedValue) bool { return len(a)+len(b) == 0 }, cmp.Ignore())

func TestAnyResultIsReadAsItWasWritten(t *testing.T) {
	var anyTuple func(depth int) *rapid.Generator[ResultTuple]
	anyTuple = func(depth int) *rapid.Generator[ResultTuple] {
		return rapid.Custom(func(t *rapid.T) ResultTuple {
			r := ResultTuple{ID: rapid.StringN(1, 5, -1).Draw(t, "id"), IsGroup: rapid.Bool().Draw(t, "group")}
			if depth < 3 && rapid.Bool().Draw(t, "more") {
				parent := anyTuple(depth+1).Draw(t, "parent")
				r.Parent = &parent
			}
			if r.IsGroup {
				r.Members = []ResultTuple{}
				if depth < 3 {
					r.Members = rapid.SliceOfN(anyTuple(depth+1), 0, 3).Draw(t, "members")
				}
			}
			return r
		})
	}
	rapid.Check(t, func(t *rapid.T) {
		want := &Result{
			TaskID: rapid.String().Draw(t, "id"), Status: State(rapid.StringN(1, 9, -1).Draw(t, "status")),
			Result: anyValue.Draw(t, "result"), DateDone: anyTime.Draw(t, "done"),
			GroupID: rapid.String().Draw(t, "group"), ParentID: rapid.String().Draw(t, "parent"),
		}
		if want.HasTraceback = rapid.Bool().Draw(t, "failed"); want.HasTraceback {
			want.Traceback = rapid.String().Draw(t, "traceback")
		}
		if want.HasChildren = rapid.Bool().Draw(t, "parental"); want.HasChildren {
			want.Children = rapid.SliceOfN(anyTuple(0), 0, 3).Draw(t, "children")
		}
		if rapid.Bool().Draw(t, "extended") {
			want.Extended = &Extended{Name: rapid.String().Draw(t, "name"), Args: anyValue.Draw(t, "args"), Kwargs: anyValue.Draw(t, "kwargs"),
				Worker: rapid.String().Draw(t, "worker"), Queue: rapid.String().Draw(t, "queue"), Retries: rapid.IntRange(0, 99).Draw(t, "retries")}
		}
		for _, serializer := range []string{"json", "msgpack", "yaml"} {
			enc, err := EncodeResult(want, serializer)
			if err != nil {
				t.Fatal(serializer, err)
			}
			got, err := DecodeResult(enc.ContentType, enc.ContentEncoding, enc.Body)
			if err != nil {
				t.Fatal(serializer, err)
			}
			if d := cmp.Diff(want, got, same); d != "" {
				t.Errorf("%s (-want +got):\n%s", serializer, d)
			}
		}
	})
}
