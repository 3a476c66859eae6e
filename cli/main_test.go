//go:build unix

package cli_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/goleak"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/cli"
	"github.com/umbel-go/umbel/internal/testenv"
)

// program runs the tests, and the programs that the scripts call.
type program struct{ m *testing.M }

func (p program) Run() int {
	code := p.m.Run()
	if err := goleak.Find(); code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

func TestMain(m *testing.M) {
	testscript.Main(program{m}, map[string]func(){
		"umbel": func() { cli.Main(umbel.New("umbel")) },
		"shop":  func() { cli.Main(shop()) },
		"fixed": func() { cli.Main(fixed()) },
		"own":   func() { app := shop(); cli.Main(app, ownCommands(app)...) },
	})
}

func TestCommandLine(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(e *testscript.Env) error {
			e.Setenv("HOME", e.WorkDir)
			standInForAWS(e)
			return nil
		},
		Cmds:     map[string]func(*testscript.TestScript, bool, []string){"await": await, "signal": signal},
		Deadline: time.Now().Add(8 * time.Minute), // of all scripts: a worker that does not stop is killed
	})
}

// standInForAWS gives scripts that speak of AWS an account of their own: with a secret, and without brokers.
func standInForAWS(e *testscript.Env) {
	switch filepath.Base(e.WorkDir) {
	case "script-broker", "script-doctor_aws":
	default:
		return
	}
	mq, secrets := testenv.NewMQ(), testenv.NewSecrets()
	e.Defer(mq.Close)
	e.Defer(secrets.Close)
	secrets.Put("orders/broker", `{"password": "SecurePassword123!"}`)
	for _, v := range append(mq.Environ(), secrets.Environ()...) {
		name, value, _ := strings.Cut(v, "=")
		e.Setenv(name, value)
	}
}

// await waits until a file matches a pattern: nothing tells a script when another program has written.
func await(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: await file pattern")
	}
	want, err := regexp.Compile(args[1])
	ts.Check(err)
	var text []byte
	for range 6000 {
		files, err := filepath.Glob(ts.MkAbs(args[0]))
		ts.Check(err)
		for _, f := range files {
			if text, err = os.ReadFile(f); err == nil && want.Match(text) {
				return
			}
		}
		time.Sleep(10 * time.Millisecond)
	}
	ts.Fatalf("%s does not match %q after 60 s; it holds:\n%s", args[0], args[1], text)
}

var signals = map[string]os.Signal{"TERM": syscall.SIGTERM, "INT": syscall.SIGINT, "QUIT": syscall.SIGQUIT, "HUP": syscall.SIGHUP,
	"USR1": syscall.SIGUSR1}

// signal sends a signal to the n-th of the commands in the background, counted from 0.
func signal(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 || signals[args[0]] == nil {
		ts.Fatalf("usage: signal TERM|INT|QUIT|HUP|USR1 number")
	}
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	ts.Check(ts.BackgroundCmds()[n].Process.Signal(signals[args[0]]))
}

type sum struct {
	A int `json:"a"`
	B int `json:"b"`
}

type hold struct {
	File string `json:"file"`
}

// shop is a program with tasks.
func shop() *umbel.App {
	app := umbel.New("shop")
	umbel.Register(app, "shop.add", func(_ context.Context, in sum) (int, error) { return in.A + in.B, nil }, umbel.Summary("add two numbers"))
	umbel.Register(app, "shop.charge", func(context.Context, umbel.Args) (any, error) { return nil, errors.New("card declined") })
	umbel.Register(app, "shop.greet", func(_ context.Context, name string) (string, error) { return "hello " + name, nil })
	umbel.Register(app, "shop.hold", untilReleased)
	umbel.Register(app, "shop.hold_late", untilReleased, umbel.AcksLate())
	umbel.Register(app, "shop.stubborn", func(ctx context.Context, in hold) (string, error) {
		return untilReleased(context.WithoutCancel(ctx), in)
	}, umbel.AcksLate())
	app.HandleControl(umbel.ControlCommand{Name: "shelves", Summary: "how many shelves there are", Args: []string{"kind"}, Inspect: true,
		Func: func(_ context.Context, args umbel.ControlArgs) (any, error) {
			var in struct {
				Kind string `json:"kind"`
			}
			err := args.Decode(&in)
			return map[string]int{in.Kind: 3}, err
		}})
	return app
}

// untilReleased makes a file, and runs until there is another with .go at its end, or until it is cancelled.
func untilReleased(ctx context.Context, in hold) (string, error) {
	if err := os.WriteFile(in.File, []byte("running"), 0o644); err != nil {
		return "", err
	}
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return "", errors.Join(context.Cause(ctx), os.WriteFile(in.File, []byte(context.Cause(ctx).Error()), 0o644))
		case <-look.C:
			if _, err := os.Stat(in.File + ".go"); err == nil {
				return "released", os.WriteFile(in.File, []byte("finished"), 0o644)
			}
		}
	}
}

// fixed has its settings in code.
func fixed() *umbel.App {
	dir, err := os.Getwd()
	if err != nil {
		panic(err)
	}
	return umbel.New("fixed", umbel.WithConfig(umbel.Config{
		BrokerURL: []string{"sqlite://" + filepath.Join(dir, "fixed.db")}, TaskDefaultQueue: "fixed", WorkerConcurrency: 3,
	}))
}
