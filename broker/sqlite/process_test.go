package sqlite

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/internal/sqlitefile"
	"github.com/umbel-go/umbel/protocol"
)

// Tests that need real processes run this test binary again, in a role. A role says what it does on stdout, line by
// line, and ends when its stdin does, so that none outlives the test.

var roles = map[string]func(b broker.Broker, say func(...any), over <-chan struct{}) error{
	"hold":   hold,
	"send":   send,
	"hammer": hammer,
}

// play runs a role if the environment asks for one. It does not return then.
func play() {
	role := roles[os.Getenv("UMBEL_TEST_ROLE")]
	if role == nil {
		return
	}
	out := bufio.NewWriter(os.Stdout)
	var mu sync.Mutex
	say := func(words ...any) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Fprintln(out, words...)
		out.Flush()
	}
	over := make(chan struct{})
	go func() {
		io.Copy(io.Discard, os.Stdin)
		close(over)
	}()
	b, err := broker.Open(context.Background(), broker.Config{URLs: []string{os.Getenv("UMBEL_TEST_URL")}})
	if err == nil {
		say("ready")
		err = role(b, say, over)
	}
	if err == nil {
		err = b.Close()
	}
	if err != nil {
		say("error", err)
		os.Exit(1)
	}
	say("closed")
	os.Exit(0)
}

// hold takes deliveries and settles none until it is told to end.
func hold(b broker.Broker, say func(...any), over <-chan struct{}) error {
	var mu sync.Mutex
	var held []*broker.Delivery
	_, err := b.Consume(context.Background(), broker.Subscription{Queue: "celery", Prefetch: 20,
		Deliver: func(d *broker.Delivery) {
			mu.Lock()
			held = append(held, d)
			mu.Unlock()
			say("held", string(d.Body))
		},
		Notify: func(s broker.ConsumerState, err error) {
			if s == broker.ConsumerLost {
				mu.Lock()
				stale := held[0].Ack()
				mu.Unlock()
				say("lost", stale)
				return
			}
			say("restored", s == broker.ConsumerRestored)
		}})
	<-over
	return err
}

// send publishes one after the other until it is killed.
func send(b broker.Broker, say func(...any), over <-chan struct{}) error {
	for i := 0; ; i++ {
		select {
		case <-over:
			return nil
		default:
		}
		say("try", i)
		if err := b.Publish(context.Background(), text("celery", fmt.Sprint(i))); err != nil {
			return err
		}
		say("sent", i)
	}
}

const perHammer = 400

// hammer publishes from many goroutines and consumes what all hammers publish.
func hammer(b broker.Broker, say func(...any), over <-chan struct{}) error {
	c, err := b.Consume(context.Background(), broker.Subscription{Queue: "celery", Prefetch: 20, Deliver: func(d *broker.Delivery) {
		if d.Ack() == nil {
			say("got", string(d.Body))
		}
	}})
	if err != nil {
		return err
	}
	var all sync.WaitGroup
	for g := range 8 {
		all.Go(func() {
			for i := range perHammer / 8 {
				id := fmt.Sprintf("%s.%d.%d", os.Getenv("UMBEL_TEST_NAME"), g, i)
				start := time.Now()
				if err := b.Publish(context.Background(), text("celery", id)); err != nil {
					say("error", err)
					return
				}
				say("sent", id, time.Since(start).Microseconds())
			}
		})
	}
	all.Wait()
	<-over
	return c.Close(context.Background())
}

func text(queue, body string) *broker.Message {
	return &broker.Message{RoutingKey: queue, Envelope: protocol.Envelope{
		Properties: protocol.Properties{DeliveryMode: protocol.Persistent}, Body: []byte(body)}}
}

// A child is this test binary in a role.
type child struct {
	t     *testing.T
	cmd   *exec.Cmd
	stdin io.Closer
	lines chan string // closed when the child has ended
}

func start(t *testing.T, role, url, name string) *child {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), "UMBEL_TEST_ROLE="+role, "UMBEL_TEST_URL="+url, "UMBEL_TEST_NAME="+name)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c := &child{t: t, cmd: cmd, stdin: in, lines: make(chan string, 1<<16)} // more than any role says
	read := make(chan struct{})
	go func() {
		defer close(read)
		for s := bufio.NewScanner(out); s.Scan(); {
			c.lines <- s.Text()
		}
		close(c.lines)
	}()
	t.Cleanup(func() {
		in.Close()
		cmd.Process.Kill()
		<-read
		cmd.Wait()
	})
	if l := c.line(); l != "ready" {
		t.Fatalf("child %s said %q", role, l)
	}
	return c
}

// line is the child's next line.
func (c *child) line() string {
	c.t.Helper()
	select {
	case l, ok := <-c.lines:
		if !ok {
			c.t.Fatal("the child has ended")
		}
		return l
	case <-time.After(20 * time.Second):
		c.t.Fatal("the child says nothing")
		return ""
	}
}

func (c *child) signal(s os.Signal) {
	c.t.Helper()
	if err := c.cmd.Process.Signal(s); err != nil {
		c.t.Fatal(err)
	}
}

// stop stops the child and returns when it stands still: the signal alone only asks for it.
func (c *child) stop() error {
	if err := c.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		return err
	}
	for {
		var status syscall.WaitStatus
		_, err := syscall.Wait4(c.cmd.Process.Pid, &status, syscall.WUNTRACED, nil)
		switch {
		case err == syscall.EINTR:
		case err != nil:
			return err
		case status.Stopped():
			return nil
		default:
			return fmt.Errorf("the child has ended: %v", status)
		}
	}
}

// kill ends the child as a crash would and returns what it said last.
func (c *child) kill() (rest []string) {
	c.signal(syscall.SIGKILL)
	for l := range c.lines {
		rest = append(rest, l)
	}
	return rest
}

func declareCelery(t *testing.T, b *Broker) {
	t.Helper()
	if err := b.Declare(t.Context(), broker.Topology{Queues: []broker.Queue{{Name: "celery", Durable: true}}}); err != nil {
		t.Fatal(err)
	}
}

// collect consumes until n deliveries have come.
func collect(t *testing.T, b *Broker, n int) map[string]*broker.Delivery {
	t.Helper()
	got := make(chan *broker.Delivery, 1<<16)
	c, err := b.Consume(t.Context(), broker.Subscription{Queue: "celery", Deliver: func(d *broker.Delivery) {
		if err := d.Ack(); err != nil {
			t.Error(err)
		}
		got <- d
	}})
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string]*broker.Delivery)
	for range n {
		select {
		case d := <-got:
			if all[string(d.Body)] != nil {
				t.Errorf("message %s came twice", d.Body)
			}
			all[string(d.Body)] = d
		case <-time.After(20 * time.Second):
			t.Fatalf("%d of %d messages came", len(all), n)
		}
	}
	if err := c.Close(t.Context()); err != nil {
		t.Error(err)
	}
	return all
}

func TestDeliveriesOfAKilledProcessComeBackToAnother(t *testing.T) {
	b := fresh(t)
	declareCelery(t, b)
	for i := range 50 {
		if err := b.Publish(t.Context(), text("celery", fmt.Sprint(i))); err != nil {
			t.Fatal(err)
		}
	}
	c := start(t, "hold", "sqlite://"+b.file.Path(), "")
	held := make(map[string]bool)
	for range 20 {
		held[strings.TrimPrefix(c.line(), "held ")] = true
	}
	killed := time.Now()
	c.kill()
	all := collect(t, b, 50)
	t.Logf("all of it was here %v after the kill", time.Since(killed))
	for body, d := range all {
		if want := held[body]; d.Redelivered != want || (d.Deliveries == 1) != want {
			t.Errorf("message %s: redelivered %v, deliveries %d; held by the dead: %v", body, d.Redelivered, d.Deliveries, want)
		}
	}
	if s, err := b.Stat(t.Context(), "celery"); err != nil || s.Ready+s.Unsettled+s.Consumers > 0 {
		t.Errorf("left: %+v, %v", s, err)
	}
}

func TestWhatAKilledSenderWasToldIsThere(t *testing.T) {
	b := fresh(t)
	declareCelery(t, b)
	for _, after := range []int{1, 7, 100} {
		c := start(t, "send", "sqlite://"+b.file.Path(), "")
		tried, sent := 0, 0
		note := func(l string) {
			what, n, _ := strings.Cut(l, " ")
			i, _ := strconv.Atoi(n)
			switch what {
			case "try":
				tried = i + 1
			case "sent":
				sent = i + 1
			default:
				t.Error(l)
			}
		}
		for sent < after {
			note(c.line())
		}
		for _, l := range c.kill() {
			note(l)
		}
		s, err := b.Stat(t.Context(), "celery")
		if err != nil {
			t.Fatal(err)
		}
		if s.Ready < sent || s.Ready > tried {
			t.Errorf("%d messages in the queue, %d confirmed, %d tried", s.Ready, sent, tried)
		}
		for i, all := 0, collect(t, b, s.Ready); i < sent; i++ {
			if all[fmt.Sprint(i)] == nil {
				t.Errorf("message %d was confirmed and is lost", i)
			}
		}
	}
}

func TestThreeProcessesShareOneFile(t *testing.T) {
	b := fresh(t)
	declareCelery(t, b)
	begun := time.Now()
	var children []*child
	for _, name := range []string{"a", "b", "c"} {
		children = append(children, start(t, "hammer", "sqlite://"+b.file.Path(), name))
	}
	came := make(map[string]int)
	var mu sync.Mutex
	var all sync.WaitGroup
	done := make(chan struct{})
	for i, c := range children {
		all.Go(func() {
			var got, sent int
			var longest int64
			for l := range c.lines {
				f := strings.Fields(l)
				switch f[0] {
				case "sent":
					sent++
					us, _ := strconv.ParseInt(f[2], 10, 64)
					longest = max(longest, us)
				case "got":
					got++
					mu.Lock()
					if came[f[1]]++; len(came) == 3*perHammer {
						close(done)
					}
					mu.Unlock()
				case "closed":
				default:
					t.Error(l)
				}
			}
			if sent != perHammer {
				t.Errorf("process %d sent %d of %d", i, sent, perHammer)
			}
			t.Logf("process %d: took %d, its slowest publish waited %d µs", i, got, longest)
		})
	}
	select {
	case <-done:
	case <-time.After(25 * time.Second):
		mu.Lock()
		t.Errorf("%d of %d messages came", len(came), 3*perHammer)
		mu.Unlock()
	}
	t.Logf("%d messages in %v", 3*perHammer, time.Since(begun))
	for _, c := range children {
		c.stdin.Close()
	}
	all.Wait()
	for id, n := range came {
		if n != 1 {
			t.Errorf("message %s was acknowledged %d times", id, n)
		}
	}
}

func TestKillingAProcessUnderLoadLosesNothing(t *testing.T) {
	b := fresh(t)
	declareCelery(t, b)
	url := "sqlite://" + b.file.Path()
	var mu sync.Mutex
	sent, got := make(map[string]bool), make(map[string]bool)
	count := make(chan struct{}, 1)
	note := func(l string) {
		mu.Lock()
		defer mu.Unlock()
		f := strings.Fields(l)
		switch f[0] {
		case "sent":
			sent[f[1]] = true
		case "got":
			got[f[1]] = true
		}
		signal(count)
	}
	victim, survivor := start(t, "hammer", url, "v"), start(t, "hammer", url, "s")
	var all sync.WaitGroup
	all.Go(func() {
		for l := range survivor.lines {
			note(l)
		}
	})
	for range 150 {
		note(victim.line())
	}
	for _, l := range victim.kill() {
		note(l)
	}
	for deadline := time.After(20 * time.Second); ; {
		mu.Lock()
		missing := 0
		for id := range sent {
			// What the dead said it acknowledged may have come back, or not; what it never said must come to us.
			if !got[id] {
				missing++
			}
		}
		finished := missing == 0 && len(sent) >= perHammer
		mu.Unlock()
		if finished {
			break
		}
		select {
		case <-count:
		case <-deadline:
			t.Fatalf("%d confirmed messages never came", missing)
		}
	}
	survivor.stdin.Close()
	all.Wait()
	if s, err := b.Stat(t.Context(), "celery"); err != nil || s.Unsettled+s.Consumers > 0 { // ready: what the dead one published and could not say so
		t.Errorf("left: %+v, %v", s, err)
	}
}

func TestProcessThatHangsIsReplacedAndFindsOut(t *testing.T) {
	path := quick(t) + "/umbel.db?lease=1&lock_timeout=1"
	b := openURL(t, "sqlite://"+path)
	defer b.Close()
	declareCelery(t, b)
	if err := b.Publish(t.Context(), text("celery", "x")); err != nil {
		t.Fatal(err)
	}
	var c *child
	for tries := 0; ; tries++ {
		c = start(t, "hold", "sqlite://"+path, "")
		if l := c.line(); l != "held x" {
			t.Fatal(l)
		}
		// Stopped while we write: it cannot be in the middle of a write of its own, which would keep everybody out.
		err := b.file.Write(t.Context(), func(*sqlitefile.Tx) error { return c.stop() })
		if err == nil {
			// But it may be the next in turn, and keep everybody out as well: not what is tried here.
			err = b.file.Write(t.Context(), func(*sqlitefile.Tx) error { return nil })
		}
		if err == nil {
			break
		}
		if tries == 10 {
			t.Fatal(err)
		}
		c.kill()
	}
	d := collect(t, b, 1)["x"]
	if d == nil || !d.Redelivered {
		t.Errorf("delivered %+v", d)
	}
	c.signal(syscall.SIGCONT)
	if l := c.line(); l != "lost "+broker.ErrStale.Error() {
		t.Errorf("the process that had hung said %q", l)
	}
	if l := c.line(); l != "restored true" {
		t.Errorf("the process that had hung said %q", l)
	}
	if err := b.Publish(t.Context(), text("celery", "y")); err != nil {
		t.Fatal(err)
	}
	if l := c.line(); l != "held y" {
		t.Errorf("the process that had hung said %q", l)
	}
}

func TestWhatDiedUnseenIsFoundByTheNextToOpen(t *testing.T) {
	url := "sqlite://" + quick(t) + "/umbel.db"
	b := openURL(t, url)
	declareCelery(t, b)
	must(t, b.Publish(t.Context(), text("celery", "x")), b.Close())
	c := start(t, "hold", url, "")
	if l := c.line(); l != "held x" {
		t.Fatal(l)
	}
	c.kill()
	b = openURL(t, url)
	defer b.Close()
	empties(t, b, "message 1, ready 1, queue 1")
}
