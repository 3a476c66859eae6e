package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/umbel-go/umbel/monitor"
	"github.com/umbel-go/umbel/monitor/access"
	"github.com/umbel-go/umbel/monitor/history"
	"github.com/umbel-go/umbel/monitor/mask"
	"github.com/umbel-go/umbel/secret"
)

type monitorFlags struct {
	port              int
	address, socket   string
	prefix            string
	basic             []string
	users, tokens     string
	anonymous         string
	readOnly, proxy   bool
	management        string
	db                string
	persistent        bool
	age               time.Duration
	size              int64
	tasks             int64
	forget            int
	patterns, private []string
	maskAll           bool
	events            bool
	settings          settingFlags
	cloud             cloudFlags
	oidc              oidcFlags
	tls               access.TLS
	flower            flowerFlags
}

func (p *program) monitorCommand() *cobra.Command {
	f := &monitorFlags{}
	cmd := &cobra.Command{
		Use:   "monitor",
		Short: "watch workers and tasks on a web page, and keep their history",
		Long: `Watch a fleet, Umbel's workers and Celery's, and show it on a web page and as
JSON: what is wrong now, workers, queues, and every task of the last weeks, which
can be searched.

Workers are asked to tell of their tasks; those started with -E do so unasked.

Without users or tokens the monitor listens on loopback only, and whoever is
there may look and change nothing. Flower's options have Flower's names, and may
be given as FLOWER_NAME in the environment, or in the file that --conf names.`,
		Aliases: []string{"flower"},
		Example: `  umbel monitor
  umbel monitor --address 0.0.0.0 --users users.txt --db postgres://ops@db/umbel
  umbel monitor passwd users.txt ann --role admin
  umbel monitor --address 0.0.0.0 --oidc_issuer https://login.example/realms/ops --oidc_client_id umbel
      --oidc_client_secret_file secret --oidc_redirect_url https://umbel.example/login/callback
      --oidc_role ops=operator --oidc_role leads=admin`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return p.monitor(cmd, f) },
	}
	fl := cmd.Flags()
	fl.IntVar(&f.port, "port", 5555, "`PORT` to listen at")
	fl.StringVar(&f.address, "address", "127.0.0.1", "`ADDRESS` to listen at")
	fl.StringVar(&f.socket, "unix_socket", "", "listen at this unix socket `FILE` instead")
	fl.StringVar(&f.prefix, "url_prefix", "", "`PATH` beneath which a proxy in front shows the pages")
	fl.BoolVar(&f.proxy, "xheaders", false, "believe the X-Forwarded-For and -Proto of that proxy")
	fl.StringVar(&f.tls.CertFile, "certfile", "", "serve over TLS with the certificate in this `FILE`; it may be renewed meanwhile")
	fl.StringVar(&f.tls.KeyFile, "keyfile", "", "and the key in this `FILE`")
	fl.StringVar(&f.tls.ClientCAs, "ca_certs", "", "serve only clients with a certificate of an authority in this `FILE`")
	fl.StringSliceVar(&f.basic, "basic_auth", nil, "users with all rights, as `NAME:PASSWORD` with commas between, or where that is kept; better: --users")
	fl.StringVar(&f.users, "users", "", "`FILE` of users, made by \"monitor passwd\"")
	fl.StringVar(&f.tokens, "tokens", "", "`FILE` of API tokens, made by \"monitor token\"")
	fl.StringVar(&f.anonymous, "anonymous", "", "`ROLE` of whoever does not log in, on loopback: viewer, operator or admin")
	fl.BoolVar(&f.readOnly, "read_only", false, "nobody may change anything")
	fl.StringVar(&f.management, "broker_api", "", "RabbitMQ's management API: `URL` such as http://guest:guest@localhost:15672/api/")
	fl.StringVar(&f.db, "db", "monitor.db", "history: a SQLite `FILE`, or postgres://…")
	fl.BoolVar(&f.persistent, "persistent", true, "keep the history when the monitor ends")
	fl.DurationVar(&f.age, "max_age", 30*24*time.Hour, "keep tasks for this long; a `DURATION` such as 720h")
	fl.Int64Var(&f.size, "max_size", 20_000, "remove the oldest tasks when the history is larger than this many `MEGABYTES`")
	fl.Int64Var(&f.tasks, "max_tasks", 0, "keep at most `N` tasks; 0: no bound")
	fl.IntVar(&f.forget, "purge_offline_workers", 86400, "show workers that are gone for `SECONDS`")
	f.settings.addMetrics(fl)
	f.cloud.add(fl)
	fl.BoolVar(&f.events, "enable_events", true, "ask workers to send events")
	fl.StringArrayVar(&f.patterns, "mask", nil, "hide what this `REGEXP` finds in arguments, results and errors, or its first group; may be repeated")
	fl.StringSliceVar(&f.private, "mask_tasks", nil, "hide all values of these tasks: `NAMES` with * for any text")
	fl.BoolVar(&f.maskAll, "mask_all", false, "hide the arguments and results of every task")
	f.oidc.bind(cmd)
	f.flower.add(fl)
	p.completeWords(cmd, "anonymous", "viewer", "operator", "admin")
	cmd.AddCommand(p.monitorPasswdCommand(), p.monitorTokenCommand())
	return cmd
}

func (p *program) monitor(cmd *cobra.Command, f *monitorFlags) error {
	boundMonitor()
	if err := flowerEnv(cmd); err != nil {
		return err
	}
	if err := f.flower.read(cmd); err != nil {
		return err
	}
	given, err := f.settings.values(cmd, nil)
	if err != nil {
		return err
	}
	if err := p.prepareWith(given); err != nil {
		return err
	}
	log := slog.New(textHandler(p.Err, slog.LevelInfo, p.ink.on))
	p.app.SetLogger(log)
	f.flower.empty.warn(log)
	c, done, err := p.monitorConfig(cmd, f)
	if err != nil {
		return err
	}
	defer done()
	c.Log = log
	timetable := &schedules{app: p.app}
	c.Schedules = timetable
	defer func() { _ = timetable.close() }() // it was read only
	m, err := monitor.New(p.app, *c)
	if errors.Is(err, monitor.ErrExposed) {
		return &fault{code: exitUsage, err: err}
	}
	if err != nil {
		return &fault{code: exitConfig, err: err}
	}
	ctx, stop := signal.NotifyContext(cmd.Context(), termSignals...)
	defer stop()
	go func() {
		select {
		case <-m.Ready():
			at := m.Scheme() + "://" + m.Addr() + c.Prefix + "/"
			if f.socket != "" {
				at = f.socket
			}
			log.Info("monitor is ready", "at", at, "history", filepath.Base(f.db))
		case <-ctx.Done():
		}
	}()
	return connectFault(m.Run(ctx))
}

// monitorConfig is what the options say. done removes a history that is not to be kept.
func (p *program) monitorConfig(cmd *cobra.Command, f *monitorFlags) (c *monitor.Config, done func(), err error) {
	version, _ := build()
	if _, err = secret.Read(cmd.Context(), f.management); err != nil { // the monitor reads it, and again when it is refused
		return nil, nil, &fault{code: exitConfig, err: fmt.Errorf("--broker_api: %w", err)}
	}
	c = &monitor.Config{Listen: net.JoinHostPort(f.address, strconv.Itoa(f.port)), Prefix: f.prefix, ManagementURL: f.management, TLS: f.tls, Version: version, QuietWorkers: !f.events,
		Forget:  time.Duration(f.forget) * time.Second,
		Access:  access.Config{ReadOnly: f.readOnly, Proxy: f.proxy, Anonymous: access.Role(f.anonymous)},
		History: history.Config{URL: f.db, Age: f.age, Size: f.size << 20, Tasks: f.tasks},
		Mask:    mask.Config{Patterns: f.patterns, Tasks: f.private, All: f.maskAll}}
	if f.socket != "" {
		path, err := filepath.Abs(f.socket)
		if err != nil {
			return nil, nil, &fault{code: exitUsage, err: err}
		}
		c.Listen = path
	}
	if f.anonymous != "" {
		if _, err := access.ParseRole(f.anonymous); err != nil {
			return nil, nil, misuse(cmd, "--anonymous: %w", err)
		}
	}
	if f.size <= 0 {
		c.History.Size = -1
	}
	if err := people(cmd, f, &c.Access); err != nil {
		return nil, nil, err
	}
	if err := f.cloud.tell(p, cmd, c); err != nil {
		return nil, nil, err
	}
	if c.Access.OIDC, err = f.oidc.config(cmd); err != nil {
		return nil, nil, err
	}
	settings, err := p.app.Config()
	if err != nil {
		return nil, nil, settingsFault(err)
	}
	if len(settings.BrokerURL) > 0 {
		c.Vhost = vhost(settings.BrokerURL[0])
	}
	done = func() {}
	if !f.persistent {
		dir, err := os.MkdirTemp("", "umbel-monitor-")
		if err != nil {
			return nil, nil, &fault{code: exitCantCreate, err: err}
		}
		c.History.URL, done = filepath.Join(dir, "monitor.db"), func() { _ = os.RemoveAll(dir) }
	}
	return c, done, nil
}

// people reads who may come in.
func people(cmd *cobra.Command, f *monitorFlags, c *access.Config) error {
	basic, err := basicAuth(cmd.Context(), f.basic)
	if err != nil {
		return &fault{code: exitConfig, err: fmt.Errorf("--basic_auth: %w", err)}
	}
	for _, one := range basic {
		name, password, ok := strings.Cut(one, ":")
		if !ok || name == "" || password == "" {
			return misuse(cmd, "--basic_auth: want NAME:PASSWORD, with commas between several")
		}
		hash, err := access.Hash(password)
		if err != nil {
			return err
		}
		c.Users = append(c.Users, access.User{Name: name, Role: access.Owner, Hash: hash})
	}
	if f.users != "" {
		file, err := os.Open(f.users)
		if err != nil {
			return &fault{code: exitConfig, err: fmt.Errorf("read users: %w", err)}
		}
		defer file.Close()
		list, err := access.ReadUsers(file)
		if err != nil {
			return &fault{code: exitConfig, err: fmt.Errorf("read users from %s: %w", f.users, err)}
		}
		c.Users = append(c.Users, list...)
	}
	if f.tokens != "" {
		file, err := os.Open(f.tokens)
		if err != nil {
			return &fault{code: exitConfig, err: fmt.Errorf("read tokens: %w", err)}
		}
		defer file.Close()
		if c.Tokens, err = access.ReadTokens(file); err != nil {
			return &fault{code: exitConfig, err: fmt.Errorf("read tokens from %s: %w", f.tokens, err)}
		}
	}
	return nil
}

// basicAuth reads the secrets that --basic_auth refers to: whole lists, or the passwords in one.
func basicAuth(ctx context.Context, given []string) (list []string, err error) {
	for _, one := range given {
		text, err := secret.Read(ctx, one)
		if err != nil {
			return nil, err
		}
		if text != one {
			list = append(list, strings.Split(text, ",")...)
			continue
		}
		if name, password, ok := strings.Cut(one, ":"); ok && secret.Is(password) {
			if password, err = secret.Read(ctx, password); err != nil {
				return nil, err
			}
			one = name + ":" + password
		}
		list = append(list, one)
	}
	return list, nil
}

// vhost is the virtual host of a broker URL: its path without the first slash.
func vhost(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return ""
	}
	return strings.TrimPrefix(u.Path, "/")
}
