package faultnet

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience decides only how long a failing test takes.
const patience = time.Minute

// echo is a server that sends back what it gets.
func echo(t *testing.T) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { // ends with its connection, which the link or the client closes
				defer c.Close()
				io.Copy(c, c)
			}()
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return l.Addr().String()
}

// dial connects through the link and speaks once, so that the connection is known to stand at both ends.
func dial(t *testing.T, l *Link) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", l.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(patience))
	say(t, c, "hello")
	hear(t, c, "hello")
	return c
}

func say(t *testing.T, c net.Conn, s string) {
	t.Helper()
	if _, err := io.WriteString(c, s); err != nil {
		t.Fatalf("say %q: %v", s, err)
	}
}

func hear(t *testing.T, c net.Conn, want string) {
	t.Helper()
	got := make([]byte, len(want))
	if n, err := io.ReadFull(c, got); err != nil || string(got) != want {
		t.Fatalf("heard %q (%v), want %q", got[:n], err, want)
	}
}

// silent checks that nothing comes for a moment. It cannot fail a link that works; one that leaks is caught by what
// comes later, too.
func silent(t *testing.T, c net.Conn) {
	t.Helper()
	c.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	defer c.SetReadDeadline(time.Now().Add(patience))
	var one [1]byte
	if n, err := c.Read(one[:]); n > 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("heard %q (%v), want silence", one[:n], err)
	}
}

// ended checks that the connection is over, and returns what came before its end.
func ended(t *testing.T, c net.Conn) (last []byte) {
	t.Helper()
	last, err := io.ReadAll(c)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatal("the connection stands")
	}
	return last
}

func TestCutEndsWhatIsOpenAndTakesWhatComes(t *testing.T) {
	l := To(t, echo(t))
	a, b := dial(t, l), dial(t, l)
	if n := l.Open(); n != 2 {
		t.Errorf("%d open, want 2", n)
	}
	if n := l.Cut(); n != 2 {
		t.Errorf("cut %d, want 2", n)
	}
	if n := l.Open(); n != 0 {
		t.Errorf("%d open right after the cut", n)
	}
	ended(t, a)
	ended(t, b)
	dial(t, l)
	<-l.Accepts(3)
	if n := l.Accepted(); n != 3 {
		t.Errorf("accepted %d, want 3", n)
	}
}

func TestSayIsHeardByEveryClientAndNotByTheServer(t *testing.T) {
	l := To(t, echo(t))
	a, b := dial(t, l), dial(t, l)
	l.Say([]byte("psst"))
	for _, c := range []net.Conn{a, b} {
		hear(t, c, "psst")
		say(t, c, "and on")
		hear(t, c, "and on")
	}
}

func TestTapSeesWhatClientsSendAndNothingElse(t *testing.T) {
	l := To(t, echo(t))
	first := dial(t, l)
	type piece struct {
		conn int
		sent string
	}
	seen := make(chan piece, 100)
	l.Tap(func(conn int, sent []byte) { seen <- piece{conn, string(sent)} })
	second := dial(t, l) // says hello
	say(t, first, "one")
	hear(t, first, "one")
	for _, want := range []piece{{2, "hello"}, {1, "one"}} {
		if got := <-seen; got != want {
			t.Errorf("tapped %v, want %v", got, want)
		}
	}
	l.Tap(nil)
	say(t, second, "two")
	hear(t, second, "two")
	if len(seen) > 0 {
		t.Errorf("tapped %v after the end", <-seen)
	}
}

func TestDownRefusesUntilUp(t *testing.T) {
	l := To(t, echo(t))
	a := dial(t, l)
	l.Down()
	ended(t, a)
	if c, err := net.Dial("tcp", l.Addr()); err == nil {
		c.SetDeadline(time.Now().Add(patience))
		ended(t, c)
		c.Close()
	}
	if n := l.Accepted(); n != 1 {
		t.Errorf("accepted %d, want 1", n)
	}
	l.Up()
	dial(t, l)
}

func TestFreezeHoldsAndThawLetsGo(t *testing.T) {
	l := To(t, echo(t))
	c := dial(t, l)
	l.Freeze()
	say(t, c, "later")
	silent(t, c)
	l.Thaw()
	hear(t, c, "later")

	l.FreezeReplies() // half: the question arrives
	say(t, c, "half")
	silent(t, c)
	l.Thaw()
	hear(t, c, "half")

	l.FreezeRequests()
	say(t, c, "other half")
	silent(t, c)
	l.Thaw()
	hear(t, c, "other half")
}

func TestDropLosesWhatIsBeyondTheLimit(t *testing.T) {
	l := To(t, echo(t))
	c := dial(t, l)
	l.DropReplies(Bytes(3))
	say(t, c, "abcdef")
	hear(t, c, "abc")
	silent(t, c)
	l.Heal()
	say(t, c, "again")
	hear(t, c, "again")

	l.DropReplies(After(2))
	for _, s := range []string{"one", "two"} {
		say(t, c, s)
		hear(t, c, s)
	}
	say(t, c, "three")
	silent(t, c)
	l.Heal()

	l.DropRequests(Now())
	say(t, c, "lost")
	silent(t, c)
	l.Heal()
	say(t, c, "found")
	hear(t, c, "found")
}

func TestCutAfterIsToTheByteAndOnce(t *testing.T) {
	l := To(t, echo(t))
	c := dial(t, l)
	l.CutAfterReplies(Bytes(4))
	say(t, c, "abcdef")
	if last := ended(t, c); !bytes.HasPrefix([]byte("abcd"), last) {
		t.Errorf("heard %q before the cut, want no more than abcd", last)
	}
	c = dial(t, l) // the fault is spent
	l.CutAfterRequests(Bytes(0))
	say(t, c, "x")
	if last := ended(t, c); len(last) > 0 {
		t.Errorf("heard %q, want nothing", last)
	}
	dial(t, l)
}

func TestDelayHoldsEachChunk(t *testing.T) {
	l := To(t, echo(t))
	c := dial(t, l)
	l.Delay(30 * time.Millisecond)
	began := time.Now()
	say(t, c, "slow")
	hear(t, c, "slow")
	if took := time.Since(began); took < 60*time.Millisecond {
		t.Errorf("there and back took %v, want at least twice the delay", took)
	}
	l.Heal()
	say(t, c, "fast")
	hear(t, c, "fast")
}

func TestAServerThatIsGoneIsFelt(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := listener.Addr().String()
	listener.Close()
	l := To(t, addr)
	c, err := net.Dial("tcp", l.Addr())
	if err != nil {
		return
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	ended(t, c)
}
