package beat_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/broker"
)

// What Celery's beat sent for a schedule, ours sends for the same settings: headers, properties and body, but for ids, times
// and who sent it, and but for umbel_tick.
func TestMessagesAreCelerys(t *testing.T) {
	text, err := os.ReadFile("testdata/messages.json")
	if err != nil {
		t.Fatal(err)
	}
	type message struct {
		Exchange   string
		RoutingKey string `json:"routing_key"`
		Properties map[string]any
		Headers    map[string]any
		Body       string
	}
	var g struct {
		Schedule map[string]any
		Messages []message
	}
	if err := json.Unmarshal(text, &g); err != nil {
		t.Fatal(err)
	}
	schedule, err := json.Marshal(g.Schedule)
	if err != nil {
		t.Fatal(err)
	}
	c, err := umbel.LoadConfig(umbel.LoadOptions{Dir: t.TempDir(), Environ: []string{"UMBEL_BROKER_URL=memory://", "UMBEL_RESULT_BACKEND=memory://",
		"UMBEL_BEAT_SCHEDULE=" + string(schedule)}})
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]message)
	synctest.Test(t, func(t *testing.T) {
		app := umbel.New("gapp", umbel.WithConfig(c), umbel.WithLogger(slog.New(slog.DiscardHandler)))
		defer app.Close()
		app.Intercept(func(_ context.Context, m *broker.Message) error {
			headers, err := json.Marshal(m.Headers)
			if err != nil {
				t.Error(err)
			}
			p := m.Properties
			out := message{Exchange: m.Exchange, RoutingKey: m.RoutingKey, Body: string(m.Body), Properties: map[string]any{
				"reply_to": p.ReplyTo, "correlation_id": p.CorrelationID, "priority": float64(p.Priority), "delivery_mode": float64(p.DeliveryMode),
				"content_encoding": p.ContentEncoding, "content_type": p.ContentType}}
			if p.Expiration != "" {
				out.Properties["expiration"] = p.Expiration
			}
			if err := json.Unmarshal(headers, &out.Headers); err != nil {
				t.Error(err)
			}
			if _, is := out.Headers["umbel_tick"].(string); !is {
				t.Errorf("umbel_tick is %v", out.Headers["umbel_tick"])
			}
			delete(out.Headers, "umbel_tick")
			got[out.Headers["task"].(string)] = out
			return nil
		})
		stop := start(t, app, newBeat())
		time.Sleep(5 * time.Second)
		stop()
	})
	// unlike brings together what differs each time.
	unlike := func(m *message) {
		for _, name := range []string{"id", "root_id", "origin", "lang"} {
			m.Headers[name] = "any"
		}
		for _, name := range []string{"eta", "expires"} {
			if m.Headers[name] != nil {
				m.Headers[name] = "a time"
			}
		}
		m.Properties["reply_to"], m.Properties["correlation_id"] = "any", "any"
	}
	seen := make(map[string]bool)
	for _, want := range g.Messages {
		task := want.Headers["task"].(string)
		if seen[task] {
			continue
		}
		seen[task] = true
		have, ok := got[task]
		if !ok {
			t.Errorf("%s was not sent", task)
			continue
		}
		unlike(&want)
		unlike(&have)
		if d := cmp.Diff(want, have); d != "" {
			t.Errorf("%s, Celery's and ours:\n%s", task, d)
		}
	}
	if len(seen) != 2 || len(got) != 2 {
		t.Errorf("Celery sent %d kinds of messages, we %d", len(seen), len(got))
	}
}
