package protocol

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/umbel-go/umbel/codec"
)

func TestNewTaskHasEveryHeader(t *testing.T) {
	t.Parallel()
	now := time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC)
	task := &Task{Name: "shop.charge", ID: "i", Origin: "gen1@host", Expires: now.Add(90500 * time.Millisecond),
		TimeLimit: 30 * time.Second, SoftTimeLimit: 1500 * time.Millisecond}
	body := &Body{
		Args:   []codec.Value{codec.Of(2), codec.Of("é")},
		Kwargs: []codec.NamedValue{{Name: "total", Value: codec.Of(1.0)}},
	}
	env, err := EncodeTask(task, body, EncodeOptions{Now: now, Extra: Table{"mine": 1, "origin": "caller"}})
	if err != nil {
		t.Fatal(err)
	}
	want := &Envelope{
		Properties: Properties{ContentType: "application/json", ContentEncoding: "utf-8", DeliveryMode: Persistent,
			CorrelationID: "i", Expiration: "90500"},
		Headers: Table{
			"lang": "go", "task": "shop.charge", "id": "i", "shadow": nil, "eta": nil, "expires": "2024-01-02T03:05:35.500000+00:00",
			"group": nil, "group_index": nil, "retries": int32(0), "timelimit": []any{int32(30), 1.5}, "root_id": "i",
			"parent_id": nil, "argsrepr": "(2, 'é')", "kwargsrepr": "{'total': 1.0}", "origin": "caller", "ignore_result": nil,
			"replaced_task_nesting": int32(0), "stamped_headers": nil, "stamps": Table{}, "mine": 1,
		},
		Body: []byte(`[[2, "\u00e9"], {"total": 1.0}, {"callbacks": null, "errbacks": null, "chain": null, "chord": null}]`),
	}
	if d := cmp.Diff(want, env); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	if d := cmp.Diff(Properties{}, task.Properties); d != "" {
		t.Errorf("the task was changed: %s", d)
	}
}

func TestResentTaskLosesWhatTellsOfOneDelivery(t *testing.T) {
	t.Parallel()
	came := minimal(`[[], {}, {}]`)
	came.Properties.UserID = "somebody"
	came.Properties.Priority, came.Properties.HasPriority = 3, true
	for name, v := range map[string]any{"x-death": []any{Table{"count": int64(1)}}, "x-first-death-queue": "q", "x-last-death-reason": "rejected",
		"x-delivery-count": int64(4), "mine": "kept", "lang": "py"} {
		came.Headers[name] = v
	}
	packed, err := EncodeTask(&Task{Name: "t", ID: "i"}, &Body{}, EncodeOptions{Compression: "zlib"})
	if err != nil {
		t.Fatal(err)
	}
	came.Body, came.Headers["compression"] = packed.Body, packed.Headers["compression"]
	task, body := mustDecode(t, came)
	task.Retries++
	sent, err := EncodeTask(task, body, EncodeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for name := range sent.Headers {
		if strings.HasPrefix(name, "x-") || name == "compression" {
			t.Errorf("header %s was sent again", name)
		}
	}
	if sent.Headers["mine"] != "kept" || sent.Headers["lang"] != "py" || sent.Headers["retries"] != int32(1) ||
		sent.Properties.UserID != "" || sent.Properties.Priority != 3 || !sent.Properties.HasPriority {
		t.Errorf("got %+v", sent)
	}
	if !bytes.HasPrefix(sent.Body, []byte("[[], {}, ")) {
		t.Errorf("body %q", sent.Body)
	}
	if _, ok := came.Headers["x-death"]; !ok {
		t.Error("the received headers were changed")
	}
	// Without a body it goes out as it came: compressed.
	if sent, err = EncodeTask(task, nil, EncodeOptions{Serializer: "yaml"}); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(sent.Body, came.Body) || sent.Headers["compression"] != "application/x-gzip" || sent.Properties.ContentType != "application/json" {
		t.Errorf("got %+v", sent)
	}
	if _, body := mustDecode(t, sent); body == nil {
		t.Error("no body")
	}
}

func TestEverySerializerAndProtocolRoundTrips(t *testing.T) {
	t.Parallel()
	step := &Signature{Task: "next", Args: []codec.Value{codec.Of([]any{int64(1), "x"})}, SubtaskType: "chain",
		Kwargs:  []codec.NamedValue{{Name: "a", Value: codec.Of(map[string]any{"k": nil})}},
		Options: []codec.NamedValue{{Name: "queue", Value: codec.Of("q")}}, Immutable: true}
	task := &Task{Name: "t", ID: "i", Group: "g", GroupIndex: 7, HasGroupIndex: true, Retries: 2,
		ETA: time.Date(2030, 1, 2, 3, 4, 5, 6000, time.UTC), TimeLimit: 1500 * time.Millisecond}
	body := &Body{
		Args:   []codec.Value{codec.Of([]byte{0, 255}), codec.Of(int64(1) << 40), codec.Of(1.5), codec.Of(nil)},
		Kwargs: []codec.NamedValue{{Name: "b", Value: codec.Of("é")}},
		Embed:  Embed{Callbacks: []*Signature{step}, Errbacks: []*Signature{}, Chord: step},
	}
	for _, serializer := range []string{"json", "msgpack", "yaml"} {
		for _, compression := range []string{"", "zlib", "zstd", "brotli", "bzip2", "xz"} {
			for _, protocol := range []int{1, 2} {
				env, err := EncodeTask(task, body, EncodeOptions{Serializer: serializer, Compression: compression, Protocol: protocol})
				if err != nil {
					t.Fatal(serializer, compression, protocol, err)
				}
				got, decoded := mustDecode(t, env)
				if got.Version != protocol || got.Name != "t" || got.ID != "i" || got.Group != "g" || got.GroupIndex != 7 || !got.HasGroupIndex ||
					got.Retries != 2 || !got.ETA.Equal(task.ETA) || got.TimeLimit != task.TimeLimit {
					t.Errorf("%s %s %d: got %+v", serializer, compression, protocol, got)
				}
				if d := cmp.Diff(body, decoded, sameText); d != "" {
					t.Errorf("%s %s %d (-sent +got):\n%s", serializer, compression, protocol, d)
				}
			}
		}
	}
}

func TestChainIsNestedIntoCallbacksOfProtocolOne(t *testing.T) {
	t.Parallel()
	_, body := mustDecode(t, captured{"", readJSONFile(t, "publish/canvas_chain3.json").(map[string]any)}.envelope(t))
	first := &Signature{Task: "first"}
	body.Embed.Callbacks = []*Signature{first}
	env, err := EncodeTask(&Task{Name: "t", ID: "i"}, body, EncodeOptions{Protocol: 1})
	if err != nil {
		t.Fatal(err)
	}
	_, got := mustDecode(t, env)
	if got.Embed.Chain != nil || len(got.Embed.Callbacks) != 2 || got.Embed.Callbacks[0].Task != "first" || got.Embed.Callbacks[1].Task != "gapp.add" {
		t.Fatalf("got %+v", got.Embed)
	}
	link, ok := field(got.Embed.Callbacks[1].Options, "link")
	if !ok {
		t.Fatal("the next step has no link")
	}
	links, err := readSignatures(codec.NamedValue{Name: "link", Value: link})
	if err != nil || len(links) != 1 || links[0].Task != "gapp.mul" {
		t.Errorf("got %v, %v", links, err)
	}
	if _, ok := field(body.Embed.Chain[1].Options, "link"); ok || len(body.Embed.Callbacks) != 1 {
		t.Error("the body that was sent has changed")
	}
	// A link that was there stays first.
	two, err := got.Embed.Callbacks[1].linked(first)
	if err != nil {
		t.Fatal(err)
	}
	link, _ = field(two.Options, "link")
	if links, err = readSignatures(codec.NamedValue{Name: "link", Value: link}); err != nil || len(links) != 2 || links[1].Task != "first" {
		t.Errorf("got %v, %v", links, err)
	}
}

func TestTasksThatCannotBeSent(t *testing.T) {
	t.Parallel()
	received, err := DecodeTask(minimal(`[[], {}, {}]`), DecodeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	soon := time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC)
	for want, c := range map[string]struct {
		task *Task
		body *Body
		o    EncodeOptions
	}{
		"no name":                {&Task{ID: "i"}, nil, EncodeOptions{}},
		"no id":                  {&Task{Name: "t"}, nil, EncodeOptions{}},
		"Now is required":        {&Task{Name: "t", ID: "i", Expires: soon}, nil, EncodeOptions{}},
		"year 10000":             {&Task{Name: "t", ID: "i", ETA: soon.AddDate(10000-2024, 0, 0)}, nil, EncodeOptions{}},
		"unknown task protocol":  {&Task{Name: "t", ID: "i"}, nil, EncodeOptions{Protocol: 3}},
		"call DecodeBody first":  {received, nil, EncodeOptions{Protocol: 1}},
		"args: item 1":           {&Task{Name: "t", ID: "i"}, &Body{Args: []codec.Value{{}, codec.Of(func() {})}}, EncodeOptions{}},
		`kwargs: "a"`:            {&Task{Name: "t", ID: "i"}, &Body{Kwargs: []codec.NamedValue{{Name: "a", Value: codec.Of(func() {})}}}, EncodeOptions{}},
		`chord: signature "bad"`: {&Task{Name: "t", ID: "i"}, &Body{Embed: Embed{Chord: &Signature{Task: "bad", Args: []codec.Value{codec.Of(func() {})}}}}, EncodeOptions{}},
		"nosuchserializer":       {&Task{Name: "t", ID: "i"}, nil, EncodeOptions{Serializer: "nosuchserializer"}},
		"nosuchcompression":      {&Task{Name: "t", ID: "i"}, nil, EncodeOptions{Compression: "nosuchcompression"}},
	} {
		_, err := EncodeTask(c.task, c.body, c.o)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "encode task "+c.task.Name+"["+c.task.ID+"]") {
			t.Errorf("got %v, want an error with %q", err, want)
		}
	}
}

func TestExpiredTaskIsSentWithZero(t *testing.T) {
	t.Parallel()
	now := time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC)
	env, err := EncodeTask(&Task{Name: "t", ID: "i", Expires: now.Add(-time.Hour)}, nil, EncodeOptions{Now: now})
	if err != nil || env.Properties.Expiration != "0" {
		t.Errorf("%v: %+v", err, env)
	}
}

// RabbitMQ closes the channel of whoever publishes an expiration beyond 32 bits.
func TestFarExpiryIsLeftToTheWorker(t *testing.T) {
	t.Parallel()
	now := time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC)
	for left, want := range map[int64]string{1<<32 - 1: "4294967295", 1 << 32: ""} {
		env, err := EncodeTask(&Task{Name: "t", ID: "i", Expires: now.Add(time.Duration(left) * time.Millisecond)}, nil, EncodeOptions{Now: now})
		if err != nil || env.Properties.Expiration != want || env.Headers["expires"] == nil {
			t.Errorf("%d ms: expiration %q, header %v, %v; want %q and the header", left, env.Properties.Expiration, env.Headers["expires"], err, want)
		}
	}
}

func TestDecompressionIsBounded(t *testing.T) {
	t.Parallel()
	big := &Body{Args: []codec.Value{codec.Of(strings.Repeat("a", 1<<20))}}
	env, err := EncodeTask(&Task{Name: "t", ID: "i", ArgsRepr: "(…)"}, big, EncodeOptions{Compression: "zstd"})
	if err != nil {
		t.Fatal(err)
	}
	task, err := DecodeTask(env, DecodeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err = task.DecodeBody(DecodeOptions{Limit: 1 << 19}); err == nil || !strings.Contains(err.Error(), "can't decode message body") {
		t.Errorf("got %v", err)
	}
	if _, err = task.DecodeBody(DecodeOptions{Limit: 1 << 21}); err != nil {
		t.Error(err)
	}
}

func TestSmallBodiesAreNotCompressed(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		argument   string
		compressed bool
	}{"small": {"x", false}, "large": {strings.Repeat("x", 600), true}} {
		body := &Body{Args: []codec.Value{codec.Of(row.argument)}}
		env, err := EncodeTask(&Task{Name: "t", ID: "i"}, body, EncodeOptions{Compression: "gzip", CompressMin: 500})
		if err != nil {
			t.Fatal(err)
		}
		if _, is := env.Headers["compression"]; is != row.compressed {
			t.Errorf("%s: compressed is %v", name, is)
		}
		if _, got := mustDecode(t, env); len(got.Args) != 1 || got.Args[0].String() != body.Args[0].String() {
			t.Errorf("%s: came back as %v", name, got.Args)
		}
	}
}
