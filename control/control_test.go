package control_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/codec"
	"github.com/umbel-go/umbel/control"
	"github.com/umbel-go/umbel/internal/testenv"
	"github.com/umbel-go/umbel/protocol"

	_ "github.com/umbel-go/umbel/broker/amqp"
	_ "github.com/umbel-go/umbel/broker/memory"
	_ "github.com/umbel-go/umbel/broker/sqlite"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var spaces atomic.Int64

// everywhere runs a test on each kind of broker; open connects once more to the same one.
func everywhere(t *testing.T, test func(t *testing.T, open func() broker.Broker)) {
	t.Helper()
	for name, url := range map[string]func(t *testing.T) string{
		"memory":   func(*testing.T) string { return fmt.Sprintf("memory://control-test-%d", spaces.Add(1)) },
		"sqlite":   func(t *testing.T) string { return "sqlite://" + filepath.Join(t.TempDir(), "control.db") },
		"rabbitmq": func(t *testing.T) string { return testenv.RabbitMQ(t).URL() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := url(t)
			test(t, func() broker.Broker {
				b, err := broker.Open(deadline(t), broker.Config{URLs: []string{u}})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() {
					if err := b.Close(); err != nil {
						t.Errorf("close broker: %v", err)
					}
				})
				return b
			})
		})
	}
}

func deadline(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// listen starts a node that says its name and the command's arguments.
func listen(t *testing.T, b broker.Broker, name string, heard func(*control.Request)) *control.Node {
	t.Helper()
	n, err := control.Listen(deadline(t), b, control.NodeConfig{Name: name, Handle: func(_ context.Context, r *control.Request) (any, error) {
		if heard != nil {
			heard(r)
		}
		switch r.Method {
		case "fail":
			return nil, control.Failf("KeyError", "it's gone")
		case "break":
			return nil, errors.New("no luck")
		case "panic":
			panic("ouch")
		case "silent":
			return nil, control.ErrNoReply
		}
		return control.Done("pong"), nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(deadline(t)); err != nil {
			t.Errorf("close node: %v", err)
		}
	})
	return n
}

const (
	patient = 20 * time.Second      // for a reply that comes
	brief   = 50 * time.Millisecond // where none comes
)

func names(replies []control.Reply) []string {
	out := []string{}
	for _, r := range replies {
		out = append(out, r.Node)
	}
	return out
}

func TestTheNodesThatAreMeantAnswerOnceEach(t *testing.T) {
	everywhere(t, func(t *testing.T, open func() broker.Broker) {
		ours, theirs := open(), open()
		for _, name := range []string{"a@one", "b@one"} {
			listen(t, ours, name, nil)
		}
		listen(t, theirs, "a@two", nil)
		client := control.NewClient(open(), control.Mailbox{})
		for name, c := range map[string]struct {
			cmd  control.Command
			want []string
		}{
			"all":         {control.Command{Limit: 3}, []string{"a@one", "a@two", "b@one"}},
			"by name":     {control.Command{Destination: []string{"b@one"}}, []string{"b@one"}},
			"by glob":     {control.Command{Pattern: "a@*", Limit: 2}, []string{"a@one", "a@two"}},
			"by regexp":   {control.Command{Pattern: "[ab]@on", Matcher: control.Regexp, Limit: 2}, []string{"a@one", "b@one"}},
			"nobody's":    {control.Command{Destination: []string{"c@one"}, Timeout: brief}, []string{}},
			"until limit": {control.Command{Pattern: "b@*", Limit: 1}, []string{"b@one"}},
			"by the end":  {control.Command{Pattern: "*@two", Limit: 1}, []string{"a@two"}},
		} {
			c.cmd.Method = "ping"
			if c.cmd.Timeout == 0 {
				c.cmd.Timeout = patient
			}
			replies, err := client.Call(deadline(t), c.cmd)
			if err != nil || !slices.Equal(names(replies), c.want) {
				t.Errorf("%s: %v, %v; want %v", name, names(replies), err, c.want)
			}
			for _, r := range replies {
				if text, failed, ok := r.Outcome(); text != "pong" || failed || !ok {
					t.Errorf("%s: %s said %v", name, r.Node, r.Value)
				}
			}
		}
		if _, err := client.Call(deadline(t), control.Command{Method: "ping", Pattern: "[", Matcher: control.Regexp}); err == nil {
			t.Error("a pattern that is no regular expression was sent")
		}
	})
}

func TestAHundredNodesAnswerOnceEach(t *testing.T) {
	everywhere(t, func(t *testing.T, open func() broker.Broker) {
		var heard atomic.Int64
		brokers := []broker.Broker{open(), open(), open(), open()}
		for i := range 100 {
			listen(t, brokers[i%len(brokers)], fmt.Sprintf("w%d@host", i), func(*control.Request) { heard.Add(1) })
		}
		client := control.NewClient(open(), control.Mailbox{})
		seen := make(map[string]int)
		err := client.Each(deadline(t), control.Command{Method: "ping", Timeout: patient, Limit: 100}, func(r control.Reply) { seen[r.Node]++ })
		if err != nil || len(seen) != 100 {
			t.Fatalf("%d nodes answered, %v", len(seen), err)
		}
		for n, times := range seen {
			if times != 1 {
				t.Errorf("%s answered %d times", n, times)
			}
		}
		if n := heard.Load(); n != 100 {
			t.Errorf("the command was carried out %d times", n)
		}
	})
}

func TestFailuresAreShownAsPythonShowsThem(t *testing.T) {
	everywhere(t, func(t *testing.T, open func() broker.Broker) {
		b := open()
		listen(t, b, "w@host", nil)
		client := control.NewClient(b, control.Mailbox{})
		for method, want := range map[string]string{
			"fail": `KeyError("it's gone")`, "break": "Exception('no luck')", "panic": "RuntimeError('panic: ouch')",
		} {
			replies, err := client.Call(deadline(t), control.Command{Method: method, Limit: 1, Timeout: patient})
			if err != nil || len(replies) != 1 || replies[0].Failure() != want {
				t.Errorf("%s: %v, %v; want %s", method, replies, err, want)
			}
		}
		replies, err := client.Call(deadline(t), control.Command{Method: "silent", Timeout: brief})
		if err != nil || len(replies) != 0 {
			t.Errorf("silent: %v, %v", replies, err)
		}
	})
}

func TestNobodyListens(t *testing.T) {
	everywhere(t, func(t *testing.T, open func() broker.Broker) {
		client := control.NewClient(open(), control.Mailbox{})
		// The timeout is longer than the test's patience: that nobody is there is known at once.
		replies, err := client.Call(deadline(t), control.Command{Method: "ping", Timeout: time.Hour})
		if err != nil || len(replies) != 0 {
			t.Errorf("%v, %v", replies, err)
		}
		if err := client.Cast(deadline(t), control.Command{Method: "ping"}); err != nil {
			t.Error(err)
		}
	})
}

// A node that answers late, twice, to another request, in another's name, or with what cannot be read.
func TestRepliesThatWereNotAskedForAreIgnored(t *testing.T) {
	everywhere(t, func(t *testing.T, open func() broker.Broker) {
		b := open()
		forge := func(r *control.Request, env *protocol.Envelope) {
			m := &broker.Message{Envelope: *env, Exchange: r.ReplyTo.Exchange, RoutingKey: r.ReplyTo.RoutingKey}
			if err := b.Publish(deadline(t), m); err != nil {
				t.Error(err)
			}
		}
		reply := func(ticket, node string) *protocol.Envelope {
			env, err := protocol.EncodeControlReply(&protocol.ControlReply{Node: node, Ticket: ticket, Value: codec.Of("forged"), Clock: 1 << 60}, protocol.EncodeOptions{})
			if err != nil {
				t.Error(err)
			}
			return env
		}
		var late atomic.Pointer[control.Request]
		listen(t, b, "w@host", func(r *control.Request) {
			if r.Ticket == "" {
				return
			}
			if before := late.Swap(r); before != nil { // the reply to the earlier request, now
				env := reply(before.Ticket, "late@host")
				forge(r, env)
			}
			forge(r, reply("another ticket", "forged@host"))
			forge(r, reply(r.Ticket, "stranger@host"))
			broken := reply(r.Ticket, "w@host")
			broken.Body = []byte("{")
			forge(r, broken)
			pickled := reply(r.Ticket, "w@host")
			pickled.Properties.ContentType = "application/x-python-serialize"
			forge(r, pickled)
		})
		client := control.NewClient(open(), control.Mailbox{})
		for range 2 {
			replies, err := client.Call(deadline(t), control.Command{Method: "ping", Destination: []string{"w@host", "other@host"}, Limit: 1, Timeout: patient})
			if err != nil || len(replies) != 1 || replies[0].Node != "w@host" {
				t.Fatalf("%v, %v", replies, err)
			}
			if text, _, _ := replies[0].Outcome(); text != "pong" {
				t.Errorf("the node said %v", replies[0].Value)
			}
		}
	})
}

func TestRequestsThatCannotBeReadHarmNobody(t *testing.T) {
	everywhere(t, func(t *testing.T, open func() broker.Broker) {
		b := open()
		heard := make(chan *control.Request, 16)
		listen(t, b, "w@host", func(r *control.Request) { heard <- r })
		client := control.NewClient(b, control.Mailbox{})
		good, err := protocol.EncodeControlRequest(&protocol.ControlRequest{Method: "ping", Ticket: "t",
			ReplyTo: protocol.ReplyAddress{Exchange: "", RoutingKey: "celery"}}, protocol.EncodeOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for _, change := range []func(*protocol.Envelope){
			func(e *protocol.Envelope) { e.Body = []byte("[") },
			func(e *protocol.Envelope) { e.Properties.ContentType = "application/x-python-serialize" },
			func(e *protocol.Envelope) { e.Body = []byte(`{"method": "ping", "matcher": "pcre", "pattern": "("}`) },
			func(*protocol.Envelope) {}, // wants its reply in a work queue
		} {
			env := *good
			change(&env)
			if err := b.Publish(deadline(t), &broker.Message{Envelope: env, Exchange: "celery.pidbox"}); err != nil {
				t.Fatal(err)
			}
		}
		replies, err := client.Call(deadline(t), control.Command{Method: "ping", Limit: 1, Timeout: patient})
		if err != nil || len(replies) != 1 {
			t.Errorf("afterwards: %v, %v", replies, err)
		}
		if _, err := b.Stat(deadline(t), "celery"); !errors.Is(err, broker.ErrNoQueue) {
			t.Errorf("a reply went to a work queue: %v", err)
		}
		if n := len(heard); n != 2 {
			t.Errorf("%d commands were carried out, want the one with the odd address and the last", n)
		}
	})
}

// Two workers of one name: each hears every command.
func TestTwoNodesOfOneNameBothHear(t *testing.T) {
	everywhere(t, func(t *testing.T, open func() broker.Broker) {
		heard := make(chan string, 8)
		listen(t, open(), "w@host", func(*control.Request) { heard <- "first" })
		listen(t, open(), "w@host", func(*control.Request) { heard <- "second" })
		if err := control.NewClient(open(), control.Mailbox{}).Cast(deadline(t), control.Command{Method: "x"}); err != nil {
			t.Fatal(err)
		}
		got := []string{<-heard, <-heard}
		slices.Sort(got)
		if !slices.Equal(got, []string{"first", "second"}) {
			t.Errorf("heard by %v", got)
		}
	})
}

func TestTheClockFollowsOthers(t *testing.T) {
	var c control.Clock
	if c.Forward() != 1 || c.Adjust(10) != 11 || c.Adjust(3) != 12 || c.Adjust(1<<60) != 13 || c.Now() != 13 {
		t.Errorf("the clock stands at %d", c.Now())
	}
}
