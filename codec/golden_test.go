package codec

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A vector is one message captured from Celery 5.6, see testdata/golden.
type vector struct {
	Properties struct {
		ContentType     string `json:"content_type"`
		ContentEncoding string `json:"content_encoding"`
	}
	Headers struct {
		ArgsRepr    string
		KwargsRepr  string
		Compression string
	}
	Body         string
	BodyEncoding string                   `json:"body_encoding"`
	RedisAfter   []struct{ Value string } `json:"redis_after"`
}

func golden(t *testing.T, name string) (v vector, body []byte) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "golden", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	body = []byte(v.Body)
	if v.BodyEncoding == "base64" {
		if body, err = base64.StdEncoding.DecodeString(v.Body); err != nil {
			t.Fatal(err)
		}
	}
	return v, body
}

// same compares two values by what they become on the wire, where every distinction that matters is visible.
func same(t *testing.T, what string, got, want any) {
	t.Helper()
	g, err := AppendJSON(nil, got)
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	w, err := AppendJSON(nil, want)
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	if diff := cmp.Diff(string(w), string(g)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// rewrite reads a body generically with its members' order and writes it again.
func rewrite(t *testing.T, serializer string, body []byte) string {
	t.Helper()
	v, err := readJSON(body, true)
	if err != nil {
		t.Fatal(err)
	}
	e, err := Marshal(serializer, v)
	if err != nil {
		t.Fatal(err)
	}
	return string(e.Body)
}

func TestGoldenJSONIsWrittenByteForByte(t *testing.T) {
	for _, name := range []string{"serializer_json", "json_custom_types", "task_argsrepr_nested", "task_argsrepr_truncated"} {
		_, body := golden(t, name)
		if diff := cmp.Diff(string(body), rewrite(t, "json", body)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	v, _ := golden(t, "json_types_result")
	result := v.RedisAfter[0].Value
	if diff := cmp.Diff(result, rewrite(t, "json", []byte(result))); diff != "" {
		t.Errorf("json_types_result (-want +got):\n%s", diff)
	}
}

func TestGoldenMsgpack(t *testing.T) {
	_, asJSON := golden(t, "serializer_json")
	v, asMsgpack := golden(t, "serializer_msgpack")
	if got := rewrite(t, "msgpack", asJSON); got != string(asMsgpack) {
		t.Errorf("written as\n%x, Celery writes\n%x", got, asMsgpack)
	}
	e, err := Marshal("msgpack", 1)
	if err != nil || e.ContentType != v.Properties.ContentType || e.ContentEncoding != v.Properties.ContentEncoding {
		t.Errorf("Marshal(msgpack) = %v, %v", e, err)
	}
	_, types := golden(t, "serializer_msgpack_types")
	got, err := Unmarshal(v.Properties.ContentType, "binary", types)
	if err != nil {
		t.Fatal(err)
	}
	embed := map[string]any{"callbacks": nil, "errbacks": nil, "chain": nil, "chord": nil}
	same(t, "types", got, []any{
		[]any{[]byte{0, 255}, nil, 1.25, -3, 1 << 40, "é", []any{1, map[string]any{"a": []byte("x")}}}, map[string]any{}, embed})
	_, result := golden(t, "result_msgpack")
	doc, err := Unmarshal("application/x-msgpack", "binary", result)
	if err != nil || doc.(map[string]any)["status"] != "SUCCESS" || doc.(map[string]any)["result"] != int64(5) {
		t.Errorf("result = %v, %v", doc, err)
	}
}

func TestGoldenYAML(t *testing.T) {
	_, asJSON := golden(t, "serializer_json")
	v, asYAML := golden(t, "serializer_yaml")
	if got := rewrite(t, "yaml", asJSON); got != string(asYAML) {
		t.Errorf("written as\n%s, Celery writes\n%s", got, asYAML)
	}
	_, types := golden(t, "serializer_yaml_types")
	got, err := Unmarshal(v.Properties.ContentType, v.Properties.ContentEncoding, types)
	if err != nil {
		t.Fatal(err)
	}
	text, err := Marshal("yaml", got)
	if err != nil {
		t.Fatal(err)
	}
	if string(text.Body) != string(types) {
		t.Errorf("written as\n%s, Celery writes\n%s", text.Body, types)
	}
}

func TestGoldenCompression(t *testing.T) {
	for _, alias := range []string{"gzip", "zlib", "bzip2", "lzma", "brotli", "zstd"} {
		v, body := golden(t, "compression_"+alias)
		got, err := Decompress(v.Headers.Compression, body, 0)
		if err != nil {
			t.Errorf("%s: %v", alias, err)
			continue
		}
		if !strings.HasPrefix(string(got), `[[2, 3], {}, {"callbacks": null`) {
			t.Errorf("%s unpacks to %q", alias, got)
		}
		mime, _, err := Compress(alias, got)
		if err != nil || mime != v.Headers.Compression {
			t.Errorf("Compress(%s) names %q, Celery %q (%v)", alias, mime, v.Headers.Compression, err)
		}
	}
}

func TestGoldenRepr(t *testing.T) {
	for _, name := range []string{"serializer_json", "json_custom_types", "task_argsrepr_nested", "task_argsrepr_truncated"} {
		v, body := golden(t, name)
		parts, err := SplitArray(body)
		if err != nil {
			t.Fatal(err)
		}
		args, err := SplitArray(parts[0].Raw())
		if err != nil {
			t.Fatal(err)
		}
		kwargs, err := SplitObject(parts[1].Raw())
		if err != nil {
			t.Fatal(err)
		}
		if name == "json_custom_types" { // its last argument was a tuple before it was JSON
			v.Headers.ArgsRepr = strings.Replace(v.Headers.ArgsRepr, "(1, 2))", "[1, 2])", 1)
		}
		if name == "task_argsrepr_nested" {
			v.Headers.ArgsRepr = strings.Replace(v.Headers.ArgsRepr, "(1,), ())", "[1], [])", 1)
		}
		if diff := cmp.Diff(v.Headers.ArgsRepr, ReprArgs(args)); diff != "" {
			t.Errorf("%s args (-want +got):\n%s", name, diff)
		}
		if diff := cmp.Diff(v.Headers.KwargsRepr, ReprKwargs(kwargs)); diff != "" {
			t.Errorf("%s kwargs (-want +got):\n%s", name, diff)
		}
		// Decoded arguments must show the same as raw ones.
		for i := range args {
			x, err := args[i].ordered(0)
			if err != nil {
				t.Fatal(err)
			}
			args[i] = Of(x)
		}
		if diff := cmp.Diff(v.Headers.ArgsRepr, ReprArgs(args)); diff != "" {
			t.Errorf("%s decoded args (-want +got):\n%s", name, diff)
		}
	}
}

func TestGoldenPickleIsRefused(t *testing.T) {
	v, body := golden(t, "serializer_pickle")
	if _, err := Unmarshal(v.Properties.ContentType, v.Properties.ContentEncoding, body); !errors.Is(err, ErrPickle) {
		t.Errorf("Unmarshal: %v", err)
	}
}
