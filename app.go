package umbel

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/google/uuid"

	"github.com/umbel-go/umbel/backend"
	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/control"
	"github.com/umbel-go/umbel/internal/setting"
)

// An App is a set of tasks and the settings they share. It connects when it first needs to, and may be used from many
// goroutines. Celery: Celery('name').
type App struct {
	name   string
	origin string // gen<pid>@<host>
	oid    string // names this process in reply_to when no backend does
	hooks  hooks  // written before the app is used, only read after
	eager  atomic.Bool
	plan   atomic.Pointer[plan]                                        // nil until the settings are needed; stored with mu held
	link   atomic.Pointer[link]                                        // nil until connected
	dial   func(context.Context, broker.Config) (broker.Broker, error) // written before the app connects
	clock  control.Clock                                               // of remote control
	taker  atomic.Pointer[func(context.Context, *broker.Message) error]
	spool  atomic.Pointer[spool] // nil until needed; stored with opening held

	mu     sync.Mutex // guards what follows
	tasks  map[string]*Definition
	own    map[string]*Definition // built in; written by New only
	funcs  []RouteFunc
	config *Config // nil until loaded; defaults filled in
	log    *slog.Logger

	commands map[string]ControlCommand // of remote control, the user's own

	opening turn // held while connecting; guards closed
	closed  bool
}

// An AppOption says something of an App at New.
type AppOption func(*App)

// WithConfig takes settings from c and from nothing else. Without it they are loaded when they are first needed: from
// umbel.yaml and the environment, as LoadConfig does by default.
func WithConfig(c Config) AppOption {
	return func(a *App) {
		c := c.WithDefaults()
		a.config = &c
	}
}

// WithLogger sends the app's log there. Defaults to slog.Default().
func WithLogger(l *slog.Logger) AppOption { return func(a *App) { a.log = l } }

// New makes an app. It reads nothing and connects to nothing.
func New(name string, options ...AppOption) *App {
	host, err := os.Hostname()
	if err != nil {
		host = "localhost"
	}
	a := &App{name: name, origin: fmt.Sprintf("gen%d@%s", os.Getpid(), host), oid: uuid.NewString(), opening: newTurn(), dial: broker.Open, tasks: make(map[string]*Definition)}
	for _, o := range options {
		o(a)
	}
	a.own = a.builtin()
	return a
}

// Name is the name given to New.
func (a *App) Name() string { return a.name }

// Logger is where the app logs.
func (a *App) Logger() *slog.Logger {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.log == nil {
		return slog.Default()
	}
	return a.log
}

// SetLogger sends the app's log elsewhere.
func (a *App) SetLogger(l *slog.Logger) {
	a.mu.Lock()
	a.log = l
	a.mu.Unlock()
}

// Use adds middleware. It panics on a value that is none, and must not be called once tasks are sent or run.
func (a *App) Use(middleware ...Middleware) {
	for _, m := range middleware {
		if err := a.hooks.add(m); err != nil {
			panic(err)
		}
	}
}

// RouteFunc adds a function that routes tasks, asked before task_routes. It must be called before the first send.
func (a *App) RouteFunc(f RouteFunc) {
	a.mu.Lock()
	a.funcs = append(a.funcs, f)
	a.mu.Unlock()
}

func (a *App) register(d *Definition) {
	if d.name == "" {
		panic("umbel: a task has no name")
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, dup := a.tasks[d.name]; dup {
		panic(fmt.Sprintf("umbel: task %q is registered twice", d.name))
	}
	a.tasks[d.name] = d
}

func (a *App) definition(name string) *Definition {
	a.mu.Lock()
	defer a.mu.Unlock()
	return cmp.Or(a.tasks[name], a.own[name])
}

// Lookup finds a registered task. The error is a *NotRegisteredError that names the nearest.
func (a *App) Lookup(name string) (*Definition, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if d := cmp.Or(a.tasks[name], a.own[name]); d != nil {
		return d, nil
	}
	return nil, &NotRegisteredError{Name: name, Nearest: setting.Nearest(name, slices.Collect(maps.Keys(a.tasks)))}
}

// Tasks are the registered tasks by name.
func (a *App) Tasks() []*Definition {
	a.mu.Lock()
	defer a.mu.Unlock()
	names := slices.Sorted(maps.Keys(a.tasks))
	out := make([]*Definition, len(names))
	for i, n := range names {
		out[i] = a.tasks[n]
	}
	return out
}

// Configure replaces the settings. It is an error once the app has used the ones it had.
func (a *App) Configure(c Config) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.plan.Load() != nil {
		return errors.New("configure: the app has begun to use its settings")
	}
	c = c.WithDefaults()
	a.config = &c
	return nil
}

// Config is the settings in force, defaults filled in; the first call loads them, and reads the secrets that they refer to.
func (a *App) Config() (*Config, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.loadConfig()
}

func (a *App) loadConfig() (*Config, error) {
	if a.config == nil {
		c, err := LoadConfig(LoadOptions{})
		if err != nil {
			return nil, err
		}
		c = c.WithDefaults()
		a.config = &c
	}
	if a.config.refers() {
		c, err := a.config.ReadSecrets(context.Background())
		if err != nil {
			return nil, err
		}
		a.config = &c
	}
	return a.config, nil
}

// Eager makes every send of a registered task run it at once in the caller, through the same encoding, without a broker:
// for tests. Celery: task_always_eager.
func (a *App) Eager(on bool) { a.eager.Store(on) }

// Intercept hands every message to take in place of the broker, complete and addressed; nil ends that. It is how package
// umbeltest records what is sent, and how messages can be kept in a table of your own database and sent later with
// Publish.
func (a *App) Intercept(take func(ctx context.Context, m *broker.Message) error) {
	if take == nil {
		a.taker.Store(nil)
		return
	}
	a.taker.Store(&take)
}

// DialBroker has the app reach its broker by dial in place of broker.Open. It must be called before the app connects;
// child processes of workers do.
func (a *App) DialBroker(dial func(ctx context.Context, c broker.Config) (broker.Broker, error)) {
	a.dial = dial
}

// Broker is the app's connection to its broker; the first call connects. Its owner is the app.
func (a *App) Broker(ctx context.Context) (broker.Broker, error) {
	l, err := a.open(ctx)
	if err != nil {
		return nil, err
	}
	return l.broker, nil
}

// Backend is the app's result store; the first call connects. ErrNoBackend when results are disabled.
func (a *App) Backend(ctx context.Context) (backend.Backend, error) {
	l, err := a.open(ctx)
	if err != nil {
		return nil, err
	}
	return l.results(ctx, a)
}

// Close disconnects. The app cannot be used any more.
func (a *App) Close() error {
	_ = a.opening.lock(context.Background()) // an attempt to connect ends within its timeout
	defer a.opening.unlock()
	a.closed = true
	return errors.Join(a.closeSpool(), a.closeLink())
}

func (a *App) closeLink() error {
	if l := a.link.Swap(nil); l != nil {
		return l.close()
	}
	return nil
}

// closeSpool ends forwarding: what is not sent stays in the file.
func (a *App) closeSpool() error {
	if s := a.spool.Swap(nil); s != nil {
		return s.close()
	}
	return nil
}
