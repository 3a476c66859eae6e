package notice

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"
)

// Kinds of notices.
const (
	Spot      = "spot"
	Rebalance = "rebalance"
	ECS       = "ecs"
)

// A Notice is what the platform says.
type Notice struct {
	Kind string
	At   time.Time // when it will happen; zero when that is not said
	Text string    // in the platform's words
}

// Config says where to listen.
type Config struct {
	// Kinds to listen for.
	Kinds []string

	// Instance is EC2's metadata service, http://169.254.169.254 unless a proxy stands before it.
	Instance string

	// Container is the address that ECS gives in ECS_CONTAINER_METADATA_URI_V4.
	Container string

	// Every is how often to ask. Defaults to 5 s, as AWS recommends.
	Every time.Duration

	Log *slog.Logger
}

const (
	askWait    = 2 * time.Second
	tokenLife  = 6 * time.Hour
	answerMost = 1 << 20
)

// Listen is Watch in the background, until stop is called, which waits for it.
func Listen(c Config, f func(Notice)) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		Watch(ctx, c, f)
	}()
	return func() {
		cancel()
		<-ended
	}
}

// Watch asks until ctx ends and gives each notice to f once. A service that does not answer is logged once, and asked on.
func Watch(ctx context.Context, c Config, f func(Notice)) {
	if c.Every <= 0 {
		c.Every = 5 * time.Second
	}
	w := &watch{config: c, client: &http.Client{Timeout: askWait, Transport: &http.Transport{Proxy: nil, MaxIdleConns: 2, IdleConnTimeout: time.Minute}}}
	defer w.client.CloseIdleConnections()
	told, silent := make(map[string]bool), make(map[string]bool)
	tick := time.NewTicker(c.Every)
	defer tick.Stop()
	for {
		for _, kind := range c.Kinds {
			if told[kind] {
				continue
			}
			n, err := w.ask(ctx, kind)
			switch {
			case ctx.Err() != nil:
				return
			case err != nil && !silent[kind]:
				silent[kind] = true
				c.Log.Warn("cannot ask whether this worker is to be stopped; asking on", "notice", kind, "error", err)
			case err == nil:
				silent[kind] = false
			}
			if n != nil {
				told[kind] = true
				f(*n)
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

type watch struct {
	config Config
	client *http.Client
	token  string // of the instance's metadata service
	until  time.Time
}

// ask asks once; nil is no notice.
func (w *watch) ask(ctx context.Context, kind string) (*Notice, error) {
	switch kind {
	case Spot:
		var action struct {
			Action string    `json:"action"`
			Time   time.Time `json:"time"`
		}
		if there, err := w.instance(ctx, "/latest/meta-data/spot/instance-action", &action); err != nil || !there {
			return nil, err
		}
		return &Notice{Kind: kind, At: action.Time, Text: action.Action}, nil
	case Rebalance:
		var notice struct {
			NoticeTime string `json:"noticeTime"`
		}
		if there, err := w.instance(ctx, "/latest/meta-data/events/recommendations/rebalance", &notice); err != nil || !there {
			return nil, err
		}
		return &Notice{Kind: kind, Text: "recommended at " + notice.NoticeTime}, nil
	case ECS:
		var task struct{ DesiredStatus string }
		if there, err := w.get(ctx, strings.TrimSuffix(w.config.Container, "/")+"/task", nil, &task); err != nil || !there {
			return nil, err
		}
		if task.DesiredStatus != "STOPPED" {
			return nil, nil
		}
		return &Notice{Kind: kind, Text: "the desired status of the task is STOPPED"}, nil
	}
	return nil, fmt.Errorf("a notice of the unknown kind %q", kind)
}

// instance reads from EC2's metadata service, version 2: every question carries a token.
func (w *watch) instance(ctx context.Context, path string, into any) (there bool, err error) {
	base := strings.TrimSuffix(w.config.Instance, "/")
	if time.Now().After(w.until) {
		r, err := http.NewRequestWithContext(ctx, http.MethodPut, base+"/latest/api/token", nil)
		if err != nil {
			return false, err
		}
		r.Header.Set("X-aws-ec2-metadata-token-ttl-seconds", fmt.Sprint(int(tokenLife.Seconds())))
		token, err := w.send(r)
		if err != nil {
			return false, fmt.Errorf("get a token of the metadata service: %w", err)
		}
		w.token, w.until = string(token), time.Now().Add(tokenLife-time.Minute)
	}
	there, err = w.get(ctx, base+path, http.Header{"X-Aws-Ec2-Metadata-Token": {w.token}}, into)
	if errors.Is(err, errToken) {
		w.until = time.Time{}
	}
	return there, err
}

// get reads a document; there is none with status 404.
func (w *watch) get(ctx context.Context, url string, header http.Header, into any) (there bool, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false, err
	}
	for name, v := range header {
		r.Header[name] = v
	}
	text, err := w.send(r)
	if errors.Is(err, errNone) {
		return false, nil
	} else if err != nil {
		return false, err
	}
	if err := json.Unmarshal(text, into); err != nil {
		return false, fmt.Errorf("read the answer of %s: %w", r.URL.Path, err)
	}
	return true, nil
}

var (
	errNone  = errors.New("not found")
	errToken = errors.New("the token is not valid any more")
)

func (w *watch) send(r *http.Request) ([]byte, error) {
	a, err := w.client.Do(r)
	if err != nil {
		return nil, err
	}
	defer a.Body.Close()
	text, err := io.ReadAll(io.LimitReader(a.Body, answerMost))
	switch {
	case err != nil:
		return nil, err
	case a.StatusCode == http.StatusNotFound:
		return nil, errNone
	case a.StatusCode == http.StatusUnauthorized:
		return nil, errToken
	case a.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("%s answers %s", r.URL.Path, a.Status)
	}
	return text, nil
}
