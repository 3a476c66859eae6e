package worker_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/internal/faultnet"
	"github.com/umbel-go/umbel/internal/testenv"
	"github.com/umbel-go/umbel/worker"
)

// spooling is an app behind a link, with a spool.
func spooling(t *testing.T, url, file string, change ...func(*umbel.Config)) *umbel.App {
	t.Helper()
	c := umbel.Config{BrokerURL: []string{url}, BrokerConnectionTimeout: 30 * time.Second, TaskSpool: file, TaskSpoolAfter: 50 * time.Millisecond,
		ResultBackend: "memory://" + strings.ReplaceAll(t.Name(), "/", "-")}
	for _, f := range change {
		f(&c)
	}
	app := umbel.New("test", umbel.WithConfig(c), umbel.WithLogger(slog.New(slog.DiscardHandler)))
	t.Cleanup(func() {
		if err := app.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return app
}

// waiting is how many messages wait in the app's spool.
func waiting(t *testing.T, app *umbel.App) int {
	t.Helper()
	s, ok, err := app.Spool(deadline(t))
	if err != nil || !ok {
		t.Fatalf("spool: %v, %v", ok, err)
	}
	return s.Waiting
}

// arrivals are the numbers that come to the queue, in their order, as a client with a connection of its own sees them.
type arrivals struct {
	mu   sync.Mutex
	came []string
}

func arriving(t *testing.T, url string) *arrivals {
	t.Helper()
	b, err := broker.Open(deadline(t), broker.Config{URLs: []string{url}, ConnectTimeout: 30 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	a := &arrivals{}
	_, err = b.Consume(deadline(t), broker.Subscription{Queue: "celery", Prefetch: 10, Declare: broker.Topology{
		Exchanges: []broker.Exchange{{Name: "celery", Type: broker.Direct, Durable: true}}, Queues: []broker.Queue{{Name: "celery", Durable: true}},
		Bindings: []broker.Binding{{Source: "celery", Queue: "celery", RoutingKey: "celery"}}},
		Deliver: func(d *broker.Delivery) {
			a.mu.Lock()
			defer a.mu.Unlock()
			body, _, _ := strings.Cut(strings.TrimPrefix(string(d.Body), "[["), "]")
			a.came = append(a.came, body)
			_ = d.Ack()
		}})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func (a *arrivals) list() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.came)
}

// await waits until so many have come.
func (a *arrivals) await(t *testing.T, n int) []string {
	t.Helper()
	testenv.Await(t, fmt.Sprint(n, " messages"), func() bool { return len(a.list()) >= n }, func() string { return fmt.Sprint(a.list()) })
	return a.list()
}

func texts(from, to int) (out []string) {
	for n := from; n < to; n++ {
		out = append(out, fmt.Sprint(n))
	}
	return out
}

// cut takes the link down and waits until the app has noticed: what is on the wire then is unconfirmed, and nobody's business here.
func cut(t *testing.T, link *faultnet.Link, app *umbel.App) {
	t.Helper()
	link.Down()
	testenv.Await(t, "the loss is noticed", func() bool { c, ok := app.BrokerCondition(); return ok && !c.Connected }, nil)
}

func sendNumber(t *testing.T, app *umbel.App, n int, options ...umbel.SendOption) *umbel.AsyncResult {
	t.Helper()
	r, err := app.Send(deadline(t), "t", umbel.Args{n}, options...)
	if err != nil {
		t.Fatalf("send %d: %v", n, err)
	}
	return r
}

// publications is middleware that notes which sends were spooled.
type publications struct {
	mu      sync.Mutex
	spooled []bool
}

func (p *publications) AfterPublish(_ context.Context, of *umbel.Publication, _ error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.spooled = append(p.spooled, of.Spooled)
}

func TestWhatIsSentWhileTheBrokerIsAwayComesInItsOrder(t *testing.T) {
	t.Parallel()
	rabbit := testenv.RabbitMQ(t)
	link := faultnet.To(t, rabbit.Addr())
	app := spooling(t, rabbit.URLAt("amqp", link.Addr()), filepath.Join(t.TempDir(), "100% spool?.db"))
	seen := &publications{}
	app.Use(seen)
	came := arriving(t, rabbit.URL())
	if _, err := app.Broker(deadline(t)); err != nil { // or a slow machine has the first sends spooled
		t.Fatal(err)
	}
	for n := range 5 {
		sendNumber(t, app, n)
	}
	came.await(t, 5)
	cut(t, link, app)
	for n := 5; n < 20; n++ {
		sendNumber(t, app, n, umbel.Priority(uint8(n%10))) // which the spool does not heed
	}
	calls := make([]umbel.Call, 10)
	for i := range calls {
		calls[i] = umbel.Call{Name: "t", Input: umbel.Args{20 + i}}
	}
	if results, err := app.SendMany(deadline(t), calls); err != nil || len(results) != 10 || results[9] == nil {
		t.Fatalf("send many: %v", err)
	}
	if n := waiting(t, app); n != 25 {
		t.Errorf("%d messages wait in the spool, want 25", n)
	}
	link.Up()
	if got := came.await(t, 30); !slices.Equal(got, texts(0, 30)) {
		t.Errorf("came %v", got)
	}
	testenv.Await(t, "an empty spool", func() bool { return waiting(t, app) == 0 }, nil)
	sendNumber(t, app, 30)
	came.await(t, 31)
	seen.mu.Lock()
	defer seen.mu.Unlock()
	for n, spooled := range seen.spooled {
		if spooled != (n >= 5 && n < 30) {
			t.Errorf("message %d: spooled %v", n, spooled)
		}
	}
}

func TestASpoolOutlivesItsProcessAndABrokerThatWasNeverThere(t *testing.T) {
	t.Parallel()
	rabbit := testenv.RabbitMQ(t)
	link := faultnet.To(t, rabbit.Addr())
	link.Refuse(true)
	file := filepath.Join(t.TempDir(), "spool.db")
	first := spooling(t, rabbit.URLAt("amqp", link.Addr()), file)
	for n := range 10 {
		sendNumber(t, first, n)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	came := arriving(t, rabbit.URL())
	second := spooling(t, rabbit.URL(), file)
	sendNumber(t, second, 10) // opens the spool, and must not overtake what is in it
	if got := came.await(t, 11); !slices.Equal(got, texts(0, 11)) {
		t.Errorf("came %v", got)
	}
}

// A process that sends, and forwards, is killed at any point; another that waits on the same file takes over.
func TestASpoolSurvivesKill9AndIsForwardedByAnotherProcess(t *testing.T) {
	t.Parallel()
	rabbit := testenv.RabbitMQ(t)
	link := faultnet.To(t, rabbit.Addr())
	link.Refuse(true)
	file := filepath.Join(t.TempDir(), "spool.db")
	child := exec.Command(os.Args[0], "-test.run=^TestSpoolingChild$", "-test.v")
	child.Env = append(os.Environ(), "UMBEL_TEST_SPOOL="+file, "UMBEL_TEST_SPOOL_BROKER="+rabbit.URLAt("amqp", link.Addr()))
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = child.Process.Kill(); _ = child.Wait() })
	sent := 0 // that the child says were sent
	lines := bufio.NewScanner(out)
	for sent < 300 && lines.Scan() {
		if _, err := fmt.Sscanf(lines.Text(), "sent %d", new(int)); err == nil {
			sent++
		}
	}
	if sent < 300 {
		t.Fatalf("the child sent %d", sent)
	}
	other := spooling(t, rabbit.URL(), file)
	if n := waiting(t, other); n < sent {
		t.Errorf("%d wait in the spool, %d were sent", n, sent)
	}
	came := arriving(t, rabbit.URL())
	link.Up() // the child forwards, for it came first
	came.await(t, 50)
	if err := child.Process.Kill(); err != nil { // and goes on sending until then
		t.Fatal(err)
	}
	for lines.Scan() {
		if _, err := fmt.Sscanf(lines.Text(), "sent %d", new(int)); err == nil {
			sent++
		}
	}
	testenv.Await(t, "an empty spool", func() bool { return waiting(t, other) == 0 }, nil)
	got := came.await(t, sent)
	first := make(map[string]bool)
	var order []string
	for _, n := range got {
		if !first[n] {
			first[n] = true
			order = append(order, n)
		}
	}
	if len(order) < sent || !slices.Equal(order, texts(0, len(order))) {
		t.Errorf("of %d that were sent came %d, in the order %v", sent, len(order), order)
	}
	if again := len(got) - len(order); again > 100 {
		t.Errorf("%d came twice: more than were in the forwarder's hands", again)
	}
}

// TestSpoolingChild is the process that TestASpoolSurvivesKill9AndIsForwardedByAnotherProcess kills.
func TestSpoolingChild(t *testing.T) {
	file := os.Getenv("UMBEL_TEST_SPOOL")
	if file == "" {
		t.Skip("it is run by another test")
	}
	app := spooling(t, os.Getenv("UMBEL_TEST_SPOOL_BROKER"), file)
	for n := range 5000 {
		sendNumber(t, app, n)
		fmt.Println("sent", n)
	}
	time.Sleep(time.Minute) // it is killed
}

func TestAFullSpoolAndOneThatMayNotBeUsedAreErrors(t *testing.T) {
	t.Parallel()
	rabbit := testenv.RabbitMQ(t)
	link := faultnet.To(t, rabbit.Addr())
	app := spooling(t, rabbit.URLAt("amqp", link.Addr()), filepath.Join(t.TempDir(), "spool.db"), func(c *umbel.Config) { c.TaskSpoolMax = 3 })
	if _, err := app.Broker(deadline(t)); err != nil {
		t.Fatal(err)
	}
	sendNumber(t, app, 0)
	cut(t, link, app)
	for n := range 3 {
		sendNumber(t, app, n)
	}
	_, err := app.Send(deadline(t), "t", umbel.Args{3})
	var full *umbel.SpoolFullError
	if !errors.As(err, &full) || full.Most != 3 || !errors.Is(err, broker.ErrNotSent) || !strings.Contains(err.Error(), "spool.db holds 3") {
		t.Errorf("send to a full spool: %v", err)
	}
	short, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := app.Send(short, "t", umbel.Args{4}, umbel.Spool(false)); !errors.Is(err, broker.ErrNotSent) || errors.As(err, &full) {
		t.Errorf("send past the spool: %v", err)
	}
	gone, cancelGone := context.WithCancel(t.Context())
	cancelGone()
	if _, err := app.Send(gone, "t", umbel.Args{5}); err == nil {
		t.Error("a send whose caller has gone was taken")
	}
	if n := waiting(t, app); n != 3 {
		t.Errorf("%d wait", n)
	}

	none := rabbitApp(t, rabbit.URL(), umbel.Config{})
	if _, err := none.Send(deadline(t), "t", umbel.Args{0}, umbel.Spool(true)); err == nil || !strings.Contains(err.Error(), "task_spool") {
		t.Errorf("Spool(true) without a spool: %v", err)
	}
	for text, c := range map[string]umbel.Config{
		"is no file": {TaskSpool: "redis://h"},
		"rpc://":     {TaskSpool: "x.db", ResultBackend: "rpc://"},
	} {
		c.BrokerURL = []string{rabbit.URL()}
		bad := umbel.New("test", umbel.WithConfig(c), umbel.WithLogger(slog.New(slog.DiscardHandler)))
		if _, err := bad.Send(deadline(t), "t", umbel.Args{0}); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%+v: %v, want %q", c.TaskSpool, err, text)
		}
		if err := bad.Close(); err != nil {
			t.Error(err)
		}
	}
}

// What is due later is delayed by the broker once it is there, what has expired meanwhile ends as REVOKED, and what the broker
// refuses for good is set aside.
func TestTheSpoolHeedsETAAndExpiryAndSetsAsideWhatIsRefused(t *testing.T) {
	t.Parallel()
	rabbit := testenv.RabbitMQ(t)
	link := faultnet.To(t, rabbit.Addr())
	app := spooling(t, rabbit.URLAt("amqp", link.Addr()), filepath.Join(t.TempDir(), "spool.db"))
	ran := make(chan int, 10)
	umbel.Register(app, "t", func(_ context.Context, n int) (int, error) { ran <- n; return n, nil })
	start(t, app, worker.Config{Concurrency: 1})
	cut(t, link, app)
	due := time.Now().Add(time.Hour)
	later := sendNumber(t, app, 1, umbel.ETA(due))
	expired := sendNumber(t, app, 2, umbel.ExpiresIn(100*time.Millisecond))
	sendNumber(t, app, 3, umbel.Exchange("nowhere"), umbel.RoutingKey("x"))
	last := sendNumber(t, app, 4)
	time.Sleep(200 * time.Millisecond) // until the second has expired
	link.Up()
	var got int
	if err := last.Get(deadline(t), &got); err != nil || got != 4 {
		t.Errorf("the last: %v, %v", got, err)
	}
	testenv.Await(t, "the one that has expired is REVOKED", func() bool {
		state, err := expired.State(deadline(t))
		return err == nil && state == umbel.Revoked
	}, nil)
	b, err := app.Broker(deadline(t))
	if err != nil {
		t.Fatal(err)
	}
	list, _, err := b.(broker.Scheduler).Scheduled(deadline(t), "", 10)
	if err != nil || len(list) != 1 || list[0].Properties.CorrelationID != later.ID() || list[0].Due.Sub(due).Abs() > 3*time.Second {
		t.Errorf("delayed: %+v, %v", list, err)
	}
	s, _, err := app.Spool(deadline(t))
	if err != nil || s.Waiting != 0 || s.Refused != 1 {
		t.Errorf("spool %+v, %v", s, err)
	}
	if len(ran) != 1 || <-ran != 4 {
		t.Error("another task ran")
	}
}
