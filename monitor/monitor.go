package monitor

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/event"
	"github.com/umbel-go/umbel/internal/management"
	"github.com/umbel-go/umbel/internal/vitals"
	"github.com/umbel-go/umbel/monitor/access"
	"github.com/umbel-go/umbel/monitor/api"
	"github.com/umbel-go/umbel/monitor/cloudwatch"
	"github.com/umbel-go/umbel/monitor/fleet"
	"github.com/umbel-go/umbel/monitor/flower"
	"github.com/umbel-go/umbel/monitor/history"
	"github.com/umbel-go/umbel/monitor/mask"
	"github.com/umbel-go/umbel/monitor/prometheus"
	"github.com/umbel-go/umbel/monitor/web"
	"github.com/umbel-go/umbel/protocol"
)

const (
	headerPatience = 10 * time.Second // of a client's request
	bodyPatience   = 30 * time.Second
	answerPatience = time.Minute
	idlePatience   = 2 * time.Minute
	headersMost    = 64 << 10
	stopPatience   = 10 * time.Second
)

// A Monitor watches a fleet.
type Monitor struct {
	app    *umbel.App
	config Config
	guard  *access.Guard
	mask   *mask.Mask
	tls    *tls.Config // nil: pages are served without
	ready  chan struct{}

	newcomer chan struct{} // a worker has said that it is there; holds one
	addr     string        // set before ready is closed
}

// New checks the settings; nothing is opened before Run.
func New(app *umbel.App, c Config) (*Monitor, error) {
	c = c.withDefaults()
	if err := c.check(); err != nil {
		return nil, err
	}
	guard, err := access.New(c.Access)
	if err != nil {
		return nil, err
	}
	m, err := mask.New(c.Mask)
	if err != nil {
		return nil, err
	}
	secure, err := c.TLS.Config(c.Log)
	if err != nil {
		return nil, err
	}
	return &Monitor{app: app, config: c, guard: guard, mask: m, tls: secure, ready: make(chan struct{}), newcomer: make(chan struct{}, 1)}, nil
}

// Ready is closed once pages are served; Addr then says where.
func (m *Monitor) Ready() <-chan struct{} { return m.ready }

// Addr is the address that Run listens at.
func (m *Monitor) Addr() string { return m.addr }

// Scheme is how pages are served: https or http.
func (m *Monitor) Scheme() string {
	if m.tls != nil {
		return "https"
	}
	return "http"
}

// Run watches and serves until ctx ends. What was heard before is then on disk.
func (m *Monitor) Run(ctx context.Context) (err error) {
	store, err := history.Open(ctx, m.config.History)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	b, err := m.app.Broker(ctx)
	if err != nil {
		return err
	}
	settings, err := m.app.Config()
	if err != nil {
		return err
	}
	events := m.config.Events
	if events == (event.Config{}) {
		events = settings.EventConfig()
	}
	accept, err := m.app.Accept()
	if err != nil {
		return err
	}
	listener, err := m.listen()
	if err != nil {
		return err
	}
	defer listener.Close()

	var face *api.API
	recorder := history.NewRecorder(store, history.RecorderConfig{Mask: m.mask.Event, Changed: func(list []*history.Task) { face.Changed(list) }})
	watched, err := m.fleet(ctx, fleet.Config{Store: store, Recorder: recorder, Broker: b, Forget: m.config.Forget, Every: m.config.Every, Log: m.config.Log})
	if err != nil {
		return err
	}
	face = api.New(api.Config{Store: store, Recorder: recorder, Fleet: watched, Guard: m.guard, App: m.app, Mask: m.mask, Schedules: m.config.Schedules, Version: m.config.Version,
		ReadOnly: m.config.Access.ReadOnly, Anonymous: len(m.config.Access.Users) == 0 && m.config.Access.OIDC == nil, Log: m.config.Log})
	exporter := prometheus.New(prometheus.Config{Fleet: watched, Recorder: recorder, Store: store, Log: m.config.Log})
	hide, _, err := vitals.Join(vitals.Config{Address: settings.MetricsAddress, TokenFile: settings.MetricsTokenFile,
		Public: settings.MetricsPublic, Names: settings.MetricsNames, Log: m.config.Log}, exporter)
	if err != nil {
		return err
	}
	defer hide()
	server := &http.Server{Handler: m.handler(face, exporter, settings.MetricsNames), ReadHeaderTimeout: headerPatience, ReadTimeout: bodyPatience, WriteTimeout: answerPatience,
		IdleTimeout: idlePatience, MaxHeaderBytes: headersMost, TLSConfig: m.tls, ErrorLog: slog.NewLogLogger(m.config.Log.Handler(), slog.LevelDebug),
		BaseContext: func(net.Listener) context.Context { return ctx }}

	// What is heard stops first, then what writes it.
	writing, stopWriting := context.WithCancel(context.WithoutCancel(ctx))
	defer stopWriting()
	g, run := errgroup.WithContext(ctx)
	recorded := make(chan error, 1)
	go func() { recorded <- recorder.Run(writing) }()
	receiver, err := event.Receive(ctx, b, event.ReceiverConfig{Config: events, Accept: accept, Log: m.config.Log, Notify: watched.Link,
		Handle: func(events []*protocol.Event, at time.Time) {
			m.welcome(events)
			watched.Apply(events, at)
			exporter.Apply(events)
			recorder.Record(run, events, at)
		}})
	if err != nil {
		stopWriting()
		return errors.Join(fmt.Errorf("listen to events: %w", err), <-recorded)
	}
	g.Go(func() error { return watched.Run(run) })
	g.Go(func() error { return store.Keep(run) })
	g.Go(func() error { return exporter.Run(run) })
	if c := m.config.CloudWatch; c != nil {
		g.Go(func() error { return cloudwatch.New(*c, watched, exporter, m.config.Log).Run(run) })
	}
	g.Go(func() error { return face.Run(run) })
	g.Go(func() error { return m.askForEvents(run) })
	g.Go(func() error {
		serve := server.Serve
		if m.tls != nil {
			serve = func(l net.Listener) error { return server.ServeTLS(l, "", "") }
		}
		if err := serve(listener); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serve pages: %w", err)
		}
		return nil
	})
	g.Go(func() error {
		<-run.Done()
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopPatience)
		defer cancel()
		closed := receiver.Close(end)
		if err := server.Shutdown(end); err != nil {
			return errors.Join(closed, server.Close())
		}
		return closed
	})
	m.addr = listener.Addr().String()
	close(m.ready)
	err = g.Wait()
	stopWriting()
	return errors.Join(err, <-recorded)
}

const (
	// askEvery is how often workers are asked to send events, and askNew how long after one has said that it is there: it says so
	// a little before it can be asked.
	askEvery = 10 * time.Second
	askNew   = 2 * time.Second
)

// welcome notes that a worker has come.
func (m *Monitor) welcome(events []*protocol.Event) {
	for _, e := range events {
		if e.Type() == protocol.TypeWorkerOnline {
			select {
			case m.newcomer <- struct{}{}:
			default: // somebody else has come, and they are asked together
			}
		}
	}
}

// askForEvents makes workers send events that were started without -E.
func (m *Monitor) askForEvents(ctx context.Context) error {
	if m.config.QuietWorkers {
		return nil
	}
	wait := time.NewTimer(0)
	defer wait.Stop()
	for {
		select {
		case <-wait.C:
			if err := m.app.Control().Cast(ctx, "enable_events", nil); err != nil && ctx.Err() == nil {
				m.config.Log.Warn("cannot ask workers to send events", "error", err)
			}
			wait.Reset(askEvery)
		case <-m.newcomer:
			wait.Reset(askNew)
		case <-ctx.Done():
			return nil
		}
	}
}

func (m *Monitor) listen() (net.Listener, error) {
	network, addr := "tcp", m.config.Listen
	if strings.HasPrefix(addr, "/") {
		network = "unix"
		if st, err := os.Stat(addr); err == nil && st.Mode().Type() == os.ModeSocket {
			_ = os.Remove(addr) // of one that was killed; who still listens there is found by the lock of the history
		}
	}
	l, err := net.Listen(network, addr)
	if err != nil {
		return nil, fmt.Errorf("listen for pages: %w", err)
	}
	return l, nil
}

func (m *Monitor) fleet(ctx context.Context, c fleet.Config) (*fleet.Fleet, error) {
	plans, err := m.app.RoutedQueues()
	if err != nil {
		return nil, err
	}
	settings, err := m.app.Config()
	if err != nil {
		return nil, err
	}
	c.Paused = m.app.PausedQueues
	c.Control, c.Scaling, c.Advise = m.app.Control(), m.config.Scaling, m.config.Advise
	for _, q := range plans {
		c.Queues = append(c.Queues, q.Name)
		if q.Name != settings.TaskDefaultQueue || len(settings.TaskQueues) > 0 {
			c.Wanted = append(c.Wanted, q.Name)
		}
		if q.DeadLetter != "" && !slices.Contains(c.Queues, q.DeadLetter) {
			c.Queues, c.DeadLetters = append(c.Queues, q.DeadLetter), append(c.DeadLetters, q.DeadLetter)
		}
	}
	if m.config.ManagementURL != "" {
		if c.Management, err = management.Open(ctx, management.Config{URL: m.config.ManagementURL, Vhost: m.config.Vhost, Timeout: 5 * time.Second}); err != nil {
			return nil, err
		}
	}
	return fleet.New(ctx, c)
}

// handler is everything that is served.
func (m *Monitor) handler(face *api.API, exporter *prometheus.Exporter, names []string) http.Handler {
	mux := http.NewServeMux()
	pages := web.Handler(m.config.Prefix)
	mux.HandleFunc("GET /healthcheck", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = w.Write([]byte("OK"))
	})
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { vitals.Health(w, vitals.Source.Live, exporter) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) { vitals.Health(w, vitals.Source.Ready, exporter) })
	mux.Handle("GET /metrics", m.guard.Wrap(access.Need(access.Read, func(w http.ResponseWriter, r *http.Request) {
		vitals.Show(w, r, names, exporter)
	}, api.Deny), api.Deny))
	mux.Handle("POST /api/v1/login", face.Login())
	mux.Handle("POST /api/v1/logout", face.Logout())
	mux.Handle("GET /api/v1/login", face.Ways())
	mux.Handle("GET /login/oidc", face.Depart(m.config.Prefix))
	mux.Handle("GET /login/callback", face.Arrive(m.config.Prefix))
	mux.Handle("/api/v1/", m.guard.Wrap(face, api.Deny))
	mux.Handle("/api/", m.guard.Wrap(flower.New(face), api.Deny))
	mux.Handle("/", pages) // no data in them: whoever may read it is found out when they ask for it
	var h http.Handler = mux
	if p := m.config.Prefix; p != "" {
		h = http.StripPrefix(p, mux)
	}
	return access.Harden(h, m.config.Access.Open())
}
