package worker

import (
	"fmt"
	"log/slog"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/protocol"
)

func attemptOf(c *consumer, retries int) *run {
	return &run{consumer: c, epoch: c.epoch.Load(), task: &protocol.Task{ID: "id", Retries: retries}}
}

func claims(w *twins, r *run) claim {
	c, _ := w.claim(r)
	return c
}

// The publish of a copy outlives the connection that its original came by: the original has been handed out again and has
// begun by the time that the copy is there.
func TestACopyThatComesLateDoesNotBeginBesideItsOriginal(t *testing.T) {
	var w twins
	work, parking := &consumer{}, &consumer{}
	late := attemptOf(work, 0)
	if claims(&w, late) != claimed {
		t.Fatal("the first to come may not begin")
	}
	work.epoch.Add(1)
	w.lost()
	original := attemptOf(work, 0)
	if claims(&w, original) != claimed {
		t.Fatal("nobody takes over from a run that has lost its connection")
	}
	if _, ok := w.begin(original); !ok {
		t.Fatal("it does not begin")
	}
	if w.hold(late, parking, 0) {
		t.Error("a run holds a claim that was taken from it")
	}
	late.consumer = parking
	if claims(&w, late) != hasBegun {
		t.Error("both messages begin")
	}
}

// Nobody knows yet whether the first will begin: acked now, the task might be lost.
func TestASecondMessageWaitsForWhatBecomesOfTheFirst(t *testing.T) {
	var w twins
	work := &consumer{}
	first, second := attemptOf(work, 0), attemptOf(work, 0)
	if claims(&w, first) != claimed || claims(&w, second) != mustWait {
		t.Fatal("the second does not wait")
	}
	if waiting := w.leave(first, false); len(waiting) != 1 || waiting[0] != second {
		t.Errorf("%d are told that the first is gone, want the second", len(waiting))
	}
	w.leave(first, true)
	if claims(&w, second) != claimed {
		t.Error("the second may not begin when the first is gone")
	}
}

// The next attempt has the same id and is another matter, as is a message whose first one's ack has arrived.
func TestAnotherAttemptIsNoSecondMessage(t *testing.T) {
	var w twins
	c := &consumer{}
	first := attemptOf(c, 0)
	claims(&w, first)
	w.parked(first, true)
	w.begin(first)
	if got := claims(&w, attemptOf(c, 0)); got != claimed {
		t.Errorf("a message is taken for a copy although the ack of the first has arrived: %v", got)
	}
	w.keep(first)
	if got := claims(&w, attemptOf(c, 1)); got != claimed {
		t.Errorf("the next attempt is taken for a copy of this one: %v", got)
	}
}

// An attempt that ran twice sends the next one twice. The state of the first run's next attempt may be written over by the second
// run: its next attempt must run as well.
func TestAMessageThatAnotherRunHasSentIsNoCopy(t *testing.T) {
	sent := func(at string) *broker.Delivery {
		return &broker.Delivery{Message: broker.Message{Envelope: protocol.Envelope{Body: []byte("[[], {}, {}]"),
			Headers: protocol.Table{umbel.HeaderAttempts: []any{protocol.Table{"at": at, "worker": "w1@host", "error": "again"}}}}}}
	}
	one, copied := sent("10:00:00"), sent("10:00:00")
	if fingerprint(one) != fingerprint(copied) {
		t.Error("a copy is not known")
	}
	if fingerprint(one) == fingerprint(sent("10:00:01")) {
		t.Error("two messages are taken for copies of one")
	}
	var w twins
	work := &consumer{}
	message := func(at string) *run {
		r := attemptOf(work, 1)
		r.print = fingerprint(sent(at))
		return r
	}
	first := message("10:00:00")
	claims(&w, first)
	w.begin(first)
	w.keep(first)
	if claims(&w, message("10:00:00")) != hasBegun {
		t.Error("a copy of what has begun begins")
	}
	if claims(&w, message("10:00:01")) != claimed {
		t.Error("what another run has sent is taken for a copy")
	}
}

// A connection is lost again and again, at any moment and with any number of acks unread, while one task is handed out, parked
// and run: it is run once, and its messages are gone in the end.
func TestOneTaskRunsOnceWhateverIsLost(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newTwinModel(t)
		for range rapid.IntRange(0, 120).Draw(t, "steps") {
			m.step(rapid.Bool().Draw(t, "cut?") && m.cuts < 6)
		}
		for n := 0; m.step(false); n++ {
			if n > 2000 {
				t.Fatalf("does not come to an end: %s", m)
			}
		}
		if m.begun != 1 || len(m.messages) != 0 {
			t.Fatalf("the task ran %d times and %d messages are left: %s", m.begun, len(m.messages), m)
		}
	})
}

// twinModel is a broker with one work queue and one parking queue, and the steps of a worker's runs between which anything
// may happen. What decides is the worker's own code.
type twinModel struct {
	t       *rapid.T
	w       *Worker
	work    *consumer
	parking *consumer

	session  int
	told     map[*consumer]int // the session that a consumer knows
	messages []*twinMessage
	unread   []*twinMessage // acks
	runs     []*twinRun
	begun    int
	cuts     int
	trace    []string
}

type twinMessage struct {
	name   string
	parked *twinRun // who awaits it, while it is in the parking queue
	held   bool
	again  bool
}

// A twinRun is a run and how far it is.
type twinRun struct {
	*run
	at      string
	message *twinMessage
	session int

	copied  *twinMessage // taken
	epoch   uint32       // of the parking consumer then
	brought int          // the session then
	given   bool         // the answer is there: copied, or nil if the connection was lost
	mine    bool
	acked   bool
}

// twinDelivery settles at the model's broker.
type twinDelivery struct {
	m       *twinModel
	message *twinMessage
	session int
	gone    bool
}

func (d *twinDelivery) Ack(uint64) error {
	if d.gone || d.session != d.m.session {
		return broker.ErrStale
	}
	d.gone = true
	d.m.unread = append(d.m.unread, d.message)
	return nil
}

func (d *twinDelivery) Reject(uint64, bool) error {
	if d.gone || d.session != d.m.session {
		return broker.ErrStale
	}
	d.gone = true
	d.message.held, d.message.again = false, true
	return nil
}

func newTwinModel(t *rapid.T) *twinModel {
	m := &twinModel{t: t, w: &Worker{log: slog.New(slog.DiscardHandler)}}
	m.work, m.parking = m.consumer("work"), m.consumer("parking")
	m.told = map[*consumer]int{m.work: 0, m.parking: 0}
	m.messages = []*twinMessage{{name: "original"}}
	return m
}

func (m *twinModel) consumer(queue string) *consumer {
	c := &consumer{worker: m.w, queue: umbel.QueuePlan{Name: queue}}
	c.home, c.acked.size = c, recentMost
	return c
}

func (m *twinModel) String() string { return fmt.Sprint(m.trace) }

// step takes one of the steps that are possible; false when there is none.
func (m *twinModel) step(cut bool) bool {
	var steps []func()
	add := func(name string, f func()) {
		steps = append(steps, func() { m.trace = append(m.trace, name); f() })
	}
	for _, c := range []*consumer{m.work, m.parking} {
		if m.told[c] != m.session {
			add("tell "+c.queue.Name, func() { m.tell(c) })
		}
	}
	for _, msg := range m.messages {
		switch {
		case msg.held:
		case msg.parked != nil && m.told[m.parking] == m.session:
			add("bring "+msg.name, func() { m.bring(msg) })
		case msg.parked == nil && m.told[m.work] == m.session:
			add("deliver "+msg.name, func() { m.deliver(msg) })
		}
	}
	if len(m.unread) > 0 {
		add("read", func() {
			i := slices.Index(m.messages, m.unread[0])
			m.messages, m.unread = slices.Delete(m.messages, i, i+1), m.unread[1:]
		})
	}
	for _, r := range m.runs {
		if f := m.next(r); f != nil {
			add(r.at+" "+r.message.name, f)
		}
	}
	if cut {
		add("cut", m.cut)
	}
	if len(steps) == 0 {
		return false
	}
	steps[rapid.IntRange(0, len(steps)-1).Draw(m.t, "step")]()
	return true
}

// cut loses the connection; acks that the broker has not read are lost with it.
func (m *twinModel) cut() {
	m.cuts++
	m.session++
	m.unread = nil
	for _, msg := range m.messages {
		if msg.held {
			msg.held, msg.again = false, true
		}
	}
}

// tell is what notify does.
func (m *twinModel) tell(c *consumer) {
	m.told[c] = m.session
	c.epoch.Add(1)
	m.w.twins.lost()
	if c == m.parking {
		for _, r := range m.runs {
			if r.at == "publish" || r.at == "await" {
				r.given = true
			}
		}
	}
	for _, t := range c.acked.drain() {
		m.w.finished.add(t)
	}
}

// bring hands a copy to who awaits it; it goes to the work queue if nobody does.
func (m *twinModel) bring(msg *twinMessage) {
	r := msg.parked
	msg.parked = nil
	msg.again = true
	if r.given || r.at != "publish" && r.at != "await" {
		return
	}
	msg.held = true
	r.given, r.copied, r.epoch, r.brought = true, msg, m.parking.epoch.Load(), m.session
}

// deliver is admission.
func (m *twinModel) deliver(msg *twinMessage) {
	msg.held = true
	r := &twinRun{at: "prepare", message: msg, session: m.session}
	r.run = &run{consumer: m.work, epoch: m.work.epoch.Load(), again: msg.again, known: &known{}, request: &umbel.Request{},
		task: &protocol.Task{ID: "id"}, delivery: &broker.Delivery{Settler: &twinDelivery{m: m, message: msg, session: m.session}}}
	if msg.again && m.w.done(r.run) {
		return
	}
	m.runs = append(m.runs, r)
}

// next is the next step of a run; nil when it cannot take one.
func (m *twinModel) next(r *twinRun) func() {
	w := m.w
	switch r.at {
	case "prepare":
		return func() {
			switch {
			case r.stale():
				r.over()
				r.at = ""
			case !r.again:
				r.at = "enter"
			case w.claims(r.run):
				r.at = "publish"
			default:
				r.at = ""
			}
		}
	case "publish":
		return func() {
			how := rapid.SampledFrom([]string{"sent", "not sent", "unconfirmed", "unconfirmed and sent"}).Draw(m.t, "publish")
			if how == "sent" || how == "unconfirmed and sent" {
				m.messages = append(m.messages, &twinMessage{name: fmt.Sprint("copy", len(m.trace)), parked: r})
			}
			if r.at = "await"; how != "sent" {
				m.untaken(r, how != "not sent")
			}
		}
	case "await":
		if !r.given {
			return nil
		}
		return func() {
			if r.copied == nil {
				m.untaken(r, true)
				return
			}
			r.mine = w.twins.hold(r.run, m.parking, r.epoch)
			r.acked, r.session = w.settle(r.delivery, settleAck), m.session
			r.at = "flush"
		}
	case "flush":
		if r.acked && r.session == m.session && len(m.unread) > 0 {
			return nil
		}
		return func() {
			w.twins.parked(r.run, r.acked && r.session == m.session)
			r.delivery, r.consumer, r.run.epoch, r.message = &broker.Delivery{Settler: &twinDelivery{m: m, message: r.copied, session: r.brought}}, m.parking, r.epoch, r.copied
			r.parkedAt = r.parkedAt.AddDate(1, 0, 0)
			switch {
			case !r.mine && !w.claims(r.run):
				r.at = ""
			case r.stale():
				w.leaveToCopy(r.run)
				r.at = ""
			default:
				r.at = "enter"
			}
		}
	case "enter":
		return func() {
			if !w.enter(r.run) {
				r.at = ""
				return
			}
			m.begun++
			r.at = "running"
		}
	case "running":
		return func() {
			w.settleRun(r.run, settleAck)
			r.at = ""
		}
	}
	return nil
}

// untaken is a copy that did not come.
func (m *twinModel) untaken(r *twinRun, maybe bool) {
	if r.copied != nil { // it came after all
		r.given, r.at = true, "await"
		return
	}
	m.w.letGo(r.run, maybe)
	r.over()
	r.at = ""
	if !r.stale() {
		m.w.giveBack(r.delivery)
	}
}
