package rpc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/umbel-go/umbel/backend"
	"github.com/umbel-go/umbel/backend/backendtest"
	"github.com/umbel-go/umbel/broker"
	_ "github.com/umbel-go/umbel/broker/amqp"
	_ "github.com/umbel-go/umbel/broker/memory"
	"github.com/umbel-go/umbel/codec"
	"github.com/umbel-go/umbel/internal/testenv"
	"github.com/umbel-go/umbel/protocol"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds what a test waits for.
const patience = 30 * time.Second

func brokerAt(t testing.TB, url string) broker.Broker {
	t.Helper()
	b, err := broker.Open(context.Background(), broker.Config{URLs: []string{url}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

func opened(t testing.TB, b broker.Broker, c backend.Config) *Backend {
	t.Helper()
	c.URL, c.Broker = "rpc://", b
	r, err := backend.Open(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r.(*Backend)
}

func put(t testing.TB, b backend.Backend, docs ...*protocol.Result) {
	t.Helper()
	for _, err := range b.Store(context.Background(), docs) {
		if err != nil {
			t.Fatal(err)
		}
	}
}

func doc(id string, s protocol.State, to string) *protocol.Result {
	return &protocol.Result{TaskID: id, Status: s, Result: codec.Of("value of " + id), HasChildren: true, ReplyTo: to, CorrelationID: id}
}

// await waits until id is told in state s.
func await(t testing.TB, b backend.Backend, id string, s protocol.State) *protocol.Result {
	t.Helper()
	got := make(chan *protocol.Result, 16)
	stop, err := b.Watch(context.Background(), []string{id}, func(r *protocol.Result) {
		select {
		case got <- r:
		default:
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	for {
		select {
		case r := <-got:
			if r.Status == s {
				return r
			}
		case <-timeout.C:
			t.Fatalf("%q was never told as %s", id, s)
		}
	}
}

// contract runs the suite with one broker for all of it.
func contract(t *testing.T, b broker.Broker) {
	open := func(t *testing.T, c backend.Config) backend.Backend {
		c.URL, c.Broker = "rpc://", b
		r, err := backend.Open(context.Background(), c)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	backendtest.Run(t,
		func(t *testing.T) backend.Backend { return open(t, backend.Config{}) },
		backendtest.Options{Peer: open})
}

func TestContractOverMemory(t *testing.T)   { contract(t, brokerAt(t, "memory://")) }
func TestContractOverRabbitMQ(t *testing.T) { contract(t, brokerAt(t, testenv.RabbitMQ(t).URL())) }

// A reply is a captured message from a worker to the sender.
type reply struct {
	Exchange   string
	RoutingKey string `json:"routing_key"`
	Properties map[string]any
	Headers    map[string]any
	Body       string
}

// replies are those of a captured conversation, in order; the task messages are left out.
func replies(t *testing.T, file string) []reply {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var captured struct {
		Messages []reply `json:"published_messages_in_order"`
	}
	if err := json.Unmarshal(text, &captured); err != nil {
		t.Fatal(err)
	}
	found := slices.DeleteFunc(captured.Messages, func(m reply) bool { return m.Properties["reply_to"] != nil })
	if len(found) == 0 {
		t.Fatalf("%s: no reply in this capture", file)
	}
	return found
}

func captures(t *testing.T, pattern string) []string {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("no captured messages: %v", err)
	}
	return files
}

// TestRepliesAreCelerys stores the documents of captured replies and compares what is published.
func TestRepliesAreCelerys(t *testing.T) {
	for _, file := range captures(t, "testdata/*.json") {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".json"), func(t *testing.T) {
			link := brokerAt(t, "memory://")
			worker := opened(t, link, backend.Config{})
			want := replies(t, file)
			queue := want[0].RoutingKey
			arrived := make(chan *broker.Delivery, len(want))
			c, err := link.Consume(t.Context(), broker.Subscription{
				Queue: queue, NoAck: true, Declare: broker.Topology{Queues: []broker.Queue{{Name: queue, AutoDelete: true}}},
				Deliver: func(d *broker.Delivery) { arrived <- d },
			})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close(context.Background())
			for _, m := range want {
				r, err := protocol.DecodeResult("application/json", "utf-8", []byte(m.Body))
				if err != nil {
					t.Fatal(err)
				}
				r.ReplyTo, r.CorrelationID = m.RoutingKey, m.Properties["correlation_id"].(string)
				put(t, worker, r)
				d := <-arrived
				if string(d.Body) != m.Body {
					t.Errorf("body\n got %s\nwant %s", d.Body, m.Body)
				}
				if d.Exchange != m.Exchange || d.RoutingKey != m.RoutingKey || len(d.Headers) != len(m.Headers) {
					t.Errorf("exchange %q, key %q, headers %v; want %q, %q, %v", d.Exchange, d.RoutingKey, d.Headers, m.Exchange, m.RoutingKey, m.Headers)
				}
				if got := properties(t, d.Properties); fmt.Sprint(got) != fmt.Sprint(m.Properties) {
					t.Errorf("properties\n got %v\nwant %v", got, m.Properties)
				}
			}
		})
	}
}

// properties are those of a message that are set, in the names and types of the captures.
func properties(t *testing.T, p protocol.Properties) map[string]any {
	t.Helper()
	m := map[string]any{
		"content_type": p.ContentType, "content_encoding": p.ContentEncoding,
		"delivery_mode": float64(p.DeliveryMode), "correlation_id": p.CorrelationID,
	}
	if p.HasPriority {
		m["priority"] = float64(p.Priority)
	}
	p.ContentType, p.ContentEncoding, p.DeliveryMode, p.CorrelationID, p.HasPriority = "", "", 0, "", false
	if p != (protocol.Properties{}) {
		t.Errorf("further properties: %+v", p)
	}
	return m
}

// TestRepliesOfBothFormsAreRead: release 5.6.2 writes the keys in another order and leaves some out.
func TestRepliesOfBothFormsAreRead(t *testing.T) {
	for _, file := range append(captures(t, "testdata/*.json"), captures(t, "testdata/v5.6.2-release/*.json")...) {
		t.Run(strings.TrimPrefix(file, "testdata/"), func(t *testing.T) {
			link := brokerAt(t, "memory://")
			b := opened(t, link, backend.Config{})
			last := make(map[string]protocol.State)
			for _, m := range replies(t, file) {
				var written struct{ Status protocol.State }
				if err := json.Unmarshal([]byte(m.Body), &written); err != nil {
					t.Fatal(err)
				}
				id := m.Properties["correlation_id"].(string)
				last[id] = written.Status
				if err := link.Publish(t.Context(), &broker.Message{RoutingKey: b.ReplyTo(), Envelope: protocol.Envelope{
					Properties: protocol.Properties{ContentType: "application/json", ContentEncoding: "utf-8", CorrelationID: id}, Body: []byte(m.Body),
				}}); err != nil {
					t.Fatal(err)
				}
			}
			for id, state := range last {
				if r := await(t, b, id, state); r.TaskID != id {
					t.Errorf("%q is told as %q", id, r.TaskID)
				}
			}
		})
	}
}

func TestPersistentRepliesHaveDeliveryMode2(t *testing.T) {
	b := opened(t, brokerAt(t, "memory://"), backend.Config{Persistent: true})
	m, err := b.message(doc("a", protocol.Success, "q"))
	if err != nil || m.Properties.DeliveryMode != protocol.Persistent {
		t.Fatalf("%+v, %v", m, err)
	}
}

func TestTheReplyQueueIsDeclaredWhenFirstWantedAndGoneAfterwards(t *testing.T) {
	rabbit := testenv.RabbitMQ(t)
	link := brokerAt(t, rabbit.URL())
	b := opened(t, link, backend.Config{})
	if _, err := link.Stat(t.Context(), b.queue); !errors.Is(err, broker.ErrNoQueue) {
		t.Fatalf("before it is wanted: %v", err)
	}
	// As Celery declares it: the same again is no drift.
	queue := b.ReplyTo()
	if err := link.Declare(t.Context(), broker.Topology{Queues: []broker.Queue{{
		Name: queue, Durable: true, AutoDelete: true, Arguments: protocol.Table{"x-expires": int32(86400000)},
	}}}); err != nil {
		t.Fatal(err)
	}
	put(t, b, doc("a", protocol.Success, queue))
	await(t, b, "a", protocol.Success)
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(patience); ; {
		_, err := link.Stat(t.Context(), queue)
		if errors.Is(err, broker.ErrNoQueue) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("after Close: %v", err)
		}
	}
}

func TestAReplyQueueComesBackWithTheConnection(t *testing.T) {
	rabbit := testenv.RabbitMQ(t)
	link := brokerAt(t, rabbit.URL())
	b := opened(t, link, backend.Config{})
	worker := opened(t, brokerAt(t, rabbit.URL()), backend.Config{})
	to := b.ReplyTo()
	put(t, worker, doc("before", protocol.Success, to))
	await(t, b, "before", protocol.Success)
	rabbit.CloseConnections()
	told := make(chan struct{})
	var once sync.Once
	stop, err := b.Watch(t.Context(), []string{"after"}, func(*protocol.Result) { once.Do(func() { close(told) }) })
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	// A reply sent while the queue is gone never arrives, which is how rpc:// is: send until one does.
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		put(t, worker, doc("after", protocol.Success, to))
		select {
		case <-told:
			return
		case <-tick.C:
		case <-deadline.C:
			t.Fatal("no reply arrives after the connection was cut")
		}
	}
}

func TestResultsOfNobodyAreNoError(t *testing.T) {
	b := opened(t, brokerAt(t, "memory://"), backend.Config{})
	if errs := b.Store(t.Context(), []*protocol.Result{doc("a", protocol.Success, ""), doc("b", protocol.Success, "gone")}); errs != nil {
		t.Fatal(errs)
	}
}

func TestOneBadDocumentHarmsNoOther(t *testing.T) {
	b := opened(t, brokerAt(t, "memory://"), backend.Config{})
	bad := doc("bad", protocol.Success, b.ReplyTo())
	bad.Result = codec.Of(make(chan int))
	errs := b.Store(t.Context(), []*protocol.Result{doc("a", protocol.Success, b.ReplyTo()), bad, doc("b", protocol.Success, b.ReplyTo())})
	if len(errs) != 3 || errs[0] != nil || !errors.Is(errs[1], backend.ErrUnstorable) || errs[2] != nil {
		t.Fatalf("%v", errs)
	}
	await(t, b, "a", protocol.Success)
	await(t, b, "b", protocol.Success)
}

func TestWhatHasArrivedIsRead(t *testing.T) {
	b := opened(t, brokerAt(t, "memory://"), backend.Config{})
	if _, err := b.Get(t.Context(), "a"); !errors.Is(err, backend.ErrUnsupported) || !strings.Contains(err.Error(), "redis://") {
		t.Fatalf("in a process that sends nothing: %v", err)
	}
	put(t, b, doc("a", protocol.Started, b.ReplyTo()), doc("a", protocol.Success, b.ReplyTo()), doc("a", protocol.Failure, b.ReplyTo()), doc("b", protocol.Success, b.ReplyTo()))
	await(t, b, "b", protocol.Success)
	r, err := b.Get(t.Context(), "a")
	if err != nil || r.Status != protocol.Success {
		t.Fatalf("%+v, %v: want the SUCCESS, which nothing overwrites", r, err)
	}
	many, err := b.GetMany(t.Context(), []string{"a", "b", "c"})
	if err != nil || len(many) != 2 {
		t.Fatalf("%v, %v", many, err)
	}
	if err := b.Forget(t.Context(), []string{"a", "c"}); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Get(t.Context(), "a"); !errors.Is(err, backend.ErrNotFound) {
		t.Fatalf("after Forget: %v", err)
	}
}

func TestWhatNobodyAsksForIsBounded(t *testing.T) {
	b := opened(t, brokerAt(t, "memory://"), backend.Config{})
	b.arrivals.most = 10
	w := doc("watched", protocol.Success, b.ReplyTo())
	var docs []*protocol.Result
	for i := range 50 {
		docs = append(docs, doc(fmt.Sprint(i), protocol.Success, b.ReplyTo()))
	}
	put(t, b, append(docs, w)...)
	await(t, b, "watched", protocol.Success)
	if n := b.arrivals.order.Len(); n != 10 || len(b.arrivals.byID) != 10 {
		t.Errorf("%d are kept, want 10", n)
	}
	if _, err := b.Get(t.Context(), "49"); err != nil {
		t.Errorf("the latest: %v", err)
	}
	b.arrivals.size = 300
	put(t, b, doc("large", protocol.Success, b.ReplyTo()))
	await(t, b, "large", protocol.Success)
	if b.arrivals.bytes > 300 {
		t.Errorf("%d bytes are kept, want at most 300", b.arrivals.bytes)
	}
}

func TestWhatNobodyAsksForExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := opened(t, brokerAt(t, "memory://"), backend.Config{Expires: time.Hour})
		put(t, b, doc("a", protocol.Success, b.ReplyTo()))
		await(t, b, "a", protocol.Success)
		time.Sleep(time.Hour)
		if n, err := b.Cleanup(t.Context()); n != 1 || err != nil {
			t.Fatalf("Cleanup: %d, %v; want 1", n, err)
		}
		if _, err := b.Get(t.Context(), "a"); !errors.Is(err, backend.ErrNotFound) {
			t.Fatal(err)
		}
	})
}

func TestABodyThatIsNoResultIsPassedOver(t *testing.T) {
	link := brokerAt(t, "memory://")
	b := opened(t, link, backend.Config{})
	for _, body := range []string{"", "{", "[]", `"text"`} {
		for _, content := range []string{"application/json", "application/x-python-serialize", ""} {
			if err := link.Publish(t.Context(), &broker.Message{RoutingKey: b.ReplyTo(), Envelope: protocol.Envelope{
				Properties: protocol.Properties{ContentType: content, CorrelationID: "x"}, Body: []byte(body)}}); err != nil {
				t.Fatal(err)
			}
		}
	}
	put(t, b, doc("a", protocol.Success, b.ReplyTo()))
	await(t, b, "a", protocol.Success)
}

func TestOpenRefusesWhatMeansNothing(t *testing.T) {
	link := brokerAt(t, "memory://")
	for name, c := range map[string]backend.Config{
		"no broker": {URL: "rpc://"}, "a host": {URL: "rpc://u:geheim@host/x", Broker: link},
		"an option": {URL: "rpc://", Broker: link, Options: map[string]any{"global_keyprefix": "x"}},
	} {
		if _, err := backend.Open(t.Context(), c); err == nil || strings.Contains(err.Error(), "geheim") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func BenchmarkReply(b *testing.B) {
	link := brokerAt(b, "memory://")
	r := opened(b, link, backend.Config{})
	d := doc("a", protocol.Progress, r.ReplyTo())
	b.ReportAllocs()
	for b.Loop() {
		put(b, r, d)
	}
}
