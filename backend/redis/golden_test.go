package redis

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/redis/rueidis"

	"github.com/umbel-go/umbel/backend"
	"github.com/umbel-go/umbel/codec"
	"github.com/umbel-go/umbel/internal/testenv"
	"github.com/umbel-go/umbel/protocol"
)

// A capture is what Celery left in Redis after a flow.
type capture struct {
	RedisAfter []struct {
		Key, Type string
		TTL       int
		Value     any
	} `json:"redis_after"`
}

// documents are all JSON documents that Celery stored in the captured flows, by task id.
func documents(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob("../../protocol/testdata/flows/*.json")
	if err != nil || len(files) < 20 {
		t.Fatalf("captured flows: %d files, %v", len(files), err)
	}
	docs := make(map[string]string)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var c capture
		if err := json.Unmarshal(text, &c); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		for _, k := range c.RedisAfter {
			_, id, ok := strings.Cut(k.Key, taskKey)
			if v, isText := k.Value.(string); ok && isText && strings.HasPrefix(v, "{") {
				docs[id] = v
			}
		}
	}
	if len(docs) < 50 {
		t.Fatalf("only %d captured documents", len(docs))
	}
	return docs
}

func TestWhatCeleryStoredIsStoredByteForByteAndPublishedOnItsKey(t *testing.T) {
	r := testenv.Redis(t)
	b := dial(t, configOf(r))
	docs := documents(t)
	heard := listen(t, b, r.Prefix()+"*")
	for id, want := range docs {
		d, err := protocol.DecodeResult(codecJSON, "utf-8", []byte(want))
		if err != nil {
			t.Fatalf("%s: %v", want, err)
		}
		if errs := b.Store(t.Context(), []*protocol.Result{d}); errs != nil {
			t.Fatal(errs)
		}
		key := r.Prefix() + "celery-task-meta-" + id
		if got := r.Do("GET", key); got != want {
			t.Errorf("stored\n%s\nwant\n%s", got, want)
		}
		if ttl := r.Do("TTL", key).(int64); ttl < 86000 || ttl > 86400 {
			t.Errorf("%s lives %d s, want a day", key, ttl)
		}
		if m := receive(t, heard); m.Channel != key || m.Message != want {
			t.Errorf("published on %s\n%s\nwant %s", m.Channel, m.Message, want)
		}
	}
}

const codecJSON = "application/json"

// listen returns every message on channels of a pattern.
func listen(t *testing.T, b *Backend, pattern string) <-chan rueidis.PubSubMessage {
	t.Helper()
	heard := make(chan rueidis.PubSubMessage, 1000)
	conn, release := b.client.Dedicate()
	conn.SetPubSubHooks(rueidis.PubSubHooks{OnMessage: func(m rueidis.PubSubMessage) { heard <- m }})
	if err := conn.Do(t.Context(), conn.B().Psubscribe().Pattern(pattern).Build()).Error(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		conn.Close()
		release()
	})
	return heard
}

func TestResultExpiresDecidesHowLongDocumentsLive(t *testing.T) {
	r := testenv.Redis(t)
	for _, tt := range []struct {
		config backend.Config
		want   int64
	}{
		{backend.Config{}, 86400},
		{backend.Config{Expires: 3600e9}, 3600},
		{backend.Config{Expires: 1}, 1},
		{backend.Config{Expires: -1}, -1}, // Redis's word for "for ever"
	} {
		c := configOf(r)
		c.Expires = tt.config.Expires
		b := dial(t, c)
		r.Do("FLUSHDB")
		store(t, b, success("x"))
		if got := r.Do("TTL", r.Prefix()+"celery-task-meta-x").(int64); got != tt.want && got != tt.want-1 {
			t.Errorf("Expires %v: lives %d s, want %d", tt.config.Expires, got, tt.want)
		}
	}
}

func TestAGlobalKeyprefixIsKeptApartAsCeleryDoes(t *testing.T) {
	r := testenv.Redis(t)
	for prefix, want := range map[string]string{
		"shop": "shop_celery-task-meta-x", "shop_": "shop_celery-task-meta-x", "shop:": "shop:celery-task-meta-x",
		"shop-": "shop-celery-task-meta-x", "shop.": "shop.celery-task-meta-x", "": "celery-task-meta-x",
	} {
		b := dial(t, backend.Config{URL: r.URL(), Options: map[string]any{"global_keyprefix": prefix}})
		r.Do("FLUSHDB")
		store(t, b, success("x"))
		if got := r.Do("EXISTS", want); got != int64(1) {
			t.Errorf("prefix %q: keys are %v, want %s", prefix, r.Do("KEYS", "*"), want)
		}
	}
}

// What other writers, other serializers and hand-made documents look like: a SUCCESS in any of them stays.
func TestASuccessOfAnyWriterIsNotOverwritten(t *testing.T) {
	r := testenv.Redis(t)
	b := dial(t, configOf(r))
	large := strings.Repeat("x", 1<<20)
	for name, text := range map[string]string{
		"celery":           `{"status": "SUCCESS", "result": 1}`,
		"compact JSON":     `{"status":"SUCCESS","result":1}`,
		"another order":    `{"result": "` + large + `", "task_id": "x", "status": "SUCCESS"}`,
		"msgpack":          encoded(t, "msgpack"),
		"yaml":             encoded(t, "yaml"),
		"yaml from Python": "children: []\ndate_done: null\nresult: 4\nstatus: SUCCESS\ntask_id: x\ntraceback: null\n",
	} {
		key := r.Prefix() + "celery-task-meta-x"
		r.Do("SET", key, text)
		store(t, b, failure("x"))
		if got := r.Do("GET", key); got != text {
			t.Errorf("%s: overwritten by %v", name, got)
		}
	}
	for name, text := range map[string]string{
		"celery":               `{"status": "FAILURE", "result": 1}`,
		"a state like it":      `{"status": "SUCCESSFUL", "result": 1}`,
		"a result like it":     `{"status":"FAILURE","result":{"status":"SUCCESS"}}`,
		"yaml":                 "result: |-\n  status: SUCCESS\nstatus: FAILURE\n",
		"nothing":              "",
		"no document":          "\x00\xff",
		"broken JSON":          `{"stat`,
		"another value's type": `["SUCCESS"]`,
	} {
		key := r.Prefix() + "celery-task-meta-x"
		r.Do("SET", key, text)
		store(t, b, success("x"))
		if got := r.Do("GET", key); got == text {
			t.Errorf("%s: %q was not overwritten", name, text)
		}
	}
}

func encoded(t *testing.T, serializer string) string {
	t.Helper()
	e, err := protocol.EncodeResult(success("x"), serializer)
	if err != nil {
		t.Fatal(err)
	}
	return string(e.Body)
}

func success(id string) *protocol.Result {
	return &protocol.Result{TaskID: id, Status: protocol.Success, Result: codec.Of(int64(5)), HasChildren: true}
}

func failure(id string) *protocol.Result {
	e := protocol.Exception{Type: "ValueError", Module: "builtins", Message: []codec.Value{codec.Of("boom")}}
	return &protocol.Result{TaskID: id, Status: protocol.Failure, Result: e.Value(), HasChildren: true}
}

func store(t testing.TB, b *Backend, docs ...*protocol.Result) {
	t.Helper()
	for i, err := range b.Store(context.Background(), docs) {
		if err != nil {
			t.Fatalf("store %s: %v", docs[i].TaskID, err)
		}
	}
}
