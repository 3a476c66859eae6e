package notice

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A platform is EC2's metadata service and ECS's, as they answer.
type platform struct {
	mu      sync.Mutex
	answers map[string]string // path → document
	tokens  int
	valid   string
	asked   int
}

func (p *platform) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked++
	if r.URL.Path == "/latest/api/token" {
		if r.Method != http.MethodPut || r.Header.Get("X-aws-ec2-metadata-token-ttl-seconds") == "" {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		p.tokens++
		p.valid = fmt.Sprintf("token-%d", p.tokens)
		fmt.Fprint(w, p.valid)
		return
	}
	if strings.HasPrefix(r.URL.Path, "/latest/") && r.Header.Get("X-aws-ec2-metadata-token") != p.valid {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	if text, there := p.answers[r.URL.Path]; there {
		fmt.Fprint(w, text)
		return
	}
	w.WriteHeader(http.StatusNotFound)
}

func (p *platform) say(path, text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answers[path] = text
}

func (p *platform) await(t *testing.T, what string, f func() bool) {
	t.Helper()
	for range 6000 {
		p.mu.Lock()
		ok := f()
		p.mu.Unlock()
		if ok {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatalf("there is still not: %s", what)
}

func TestNoticesAreHeardOnce(t *testing.T) {
	p := &platform{answers: map[string]string{"/v4/abc/task": `{"Cluster": "c", "DesiredStatus": "RUNNING", "KnownStatus": "RUNNING"}`}}
	server := httptest.NewServer(p)
	defer server.Close()
	ctx, cancel := context.WithCancel(t.Context())
	heard, ended := make(chan Notice, 10), make(chan struct{})
	go func() {
		defer close(ended)
		Watch(ctx, Config{Kinds: []string{Spot, Rebalance, ECS}, Instance: server.URL, Container: server.URL + "/v4/abc", Every: time.Millisecond,
			Log: slog.New(slog.DiscardHandler)}, func(n Notice) { heard <- n })
	}()
	p.await(t, "a few rounds", func() bool { return p.asked > 20 })
	if len(heard) > 0 {
		t.Fatalf("heard %+v, though nothing was said", <-heard)
	}
	p.mu.Lock()
	p.valid = "another" // as after a restart of the service
	p.mu.Unlock()
	p.await(t, "a new token", func() bool { return p.tokens == 2 })

	at := time.Date(2026, 11, 25, 8, 22, 0, 0, time.UTC)
	next := func(want Notice) {
		t.Helper()
		select {
		case got := <-heard:
			if got != want {
				t.Errorf("heard %+v, want %+v", got, want)
			}
		case <-time.After(30 * time.Second):
			t.Fatalf("not heard: %+v", want)
		}
	}
	p.say("/latest/meta-data/events/recommendations/rebalance", `{"noticeTime": "2026-11-25T08:00:00Z"}`)
	next(Notice{Kind: Rebalance, Text: "recommended at 2026-11-25T08:00:00Z"})
	p.say("/latest/meta-data/spot/instance-action", `{"action": "terminate", "time": "2026-11-25T08:22:00Z"}`)
	next(Notice{Kind: Spot, At: at, Text: "terminate"})
	p.say("/v4/abc/task", `{"DesiredStatus": "STOPPED"}`)
	next(Notice{Kind: ECS, Text: "the desired status of the task is STOPPED"})
	cancel()
	<-ended
	if len(heard) > 0 {
		t.Errorf("heard again: %+v", <-heard)
	}
}

func TestAServiceThatDoesNotAnswerIsNoNotice(t *testing.T) {
	p := &platform{answers: map[string]string{"/task": "<html>"}}
	server := httptest.NewServer(p)
	defer server.Close()
	w := &watch{config: Config{Instance: "http://127.0.0.1:1", Container: server.URL}, client: server.Client()}
	for _, kind := range []string{Spot, Rebalance, ECS, "flood"} {
		if n, err := w.ask(t.Context(), kind); n != nil || err == nil {
			t.Errorf("%s: %+v, %v; want an error", kind, n, err)
		}
	}
}
