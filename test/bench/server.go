package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// servers are the private RabbitMQ and Redis of one run.
type servers struct {
	dir   string
	amqp  string // URL
	redis string // host:port
	pids  []*exec.Cmd

	management bool   // RabbitMQ is to have its management API
	api        string // its URL
	broker     *exec.Cmd
	env        []string // RabbitMQ's
}

// serverWait bounds the start of RabbitMQ, which takes ten seconds on two idle cores.
const serverWait = 90 * time.Second

func startServers(ctx context.Context) (s *servers, err error) {
	dir, err := os.MkdirTemp("", "umbel-bench-")
	if err != nil {
		return nil, err
	}
	s = &servers{dir: dir}
	defer func() {
		if err != nil {
			s.stop()
		}
	}()
	if err := s.startRedis(ctx); err != nil {
		return nil, err
	}
	return s, s.startRabbit(ctx)
}

func (s *servers) startRedis(ctx context.Context) error {
	ports, err := freePorts(1)
	if err != nil {
		return err
	}
	s.redis = fmt.Sprintf("127.0.0.1:%d", ports[0])
	err = s.start("redis.log", nil, "redis-server", "--port", fmt.Sprint(ports[0]), "--bind", "127.0.0.1", "--dir", s.dir, "--save", "", "--appendonly", "no")
	if err != nil {
		return err
	}
	return s.await(ctx, "redis.log", func() bool {
		c, err := net.Dial("tcp", s.redis)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
}

// rabbitScript is Debian's inner script, which neither switches users nor writes to the system's folders.
const rabbitScript = "/usr/lib/rabbitmq/bin/rabbitmq-server"

func (s *servers) startRabbit(ctx context.Context) error {
	epmd, err := exec.LookPath("epmd")
	if err != nil {
		return fmt.Errorf("RabbitMQ is needed: apt-get install rabbitmq-server: %w", err)
	}
	ports, err := freePorts(4)
	if err != nil {
		return err
	}
	file := func(name string) string { return filepath.Join(s.dir, name) }
	conf := fmt.Sprintf("listeners.tcp.1 = 127.0.0.1:%d\nlog.file.level = warning\n", ports[0])
	plugins := "[].\n"
	if s.management {
		conf += fmt.Sprintf("management.tcp.ip = 127.0.0.1\nmanagement.tcp.port = %d\n", ports[3])
		plugins, s.api = "[rabbitmq_management].\n", fmt.Sprintf("http://127.0.0.1:%d", ports[3])
	}
	if err := errors.Join(os.WriteFile(file("rabbitmq.conf"), []byte(conf), 0o600), os.WriteFile(file("plugins"), []byte(plugins), 0o600)); err != nil {
		return err
	}
	s.env = []string{
		"HOME=" + s.dir, "PATH=" + os.Getenv("PATH"), "LANG=C.UTF-8",
		fmt.Sprint("ERL_EPMD_PORT=", ports[2]), "ERL_EPMD_ADDRESS=127.0.0.1",
		"RABBITMQ_NODENAME=bench@localhost", fmt.Sprint("RABBITMQ_NODE_PORT=", ports[0]), fmt.Sprint("RABBITMQ_DIST_PORT=", ports[1]),
		"RABBITMQ_MNESIA_BASE=" + file("mnesia"), "RABBITMQ_LOG_BASE=" + file("log"), "RABBITMQ_PID_FILE=" + file("pid"),
		"RABBITMQ_ENABLED_PLUGINS_FILE=" + file("plugins"), "RABBITMQ_CONFIG_FILE=" + file("rabbitmq.conf"), "RABBITMQ_CONF_ENV_FILE=/dev/null",
		"RUNNING_UNDER_SYSTEMD=1", // the script then becomes the server instead of its parent
		// Schedulers that spin while they wait would take the contenders' share of the cores.
		"RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=+sbwt none +sbwtdcpu none +sbwtdio none -kernel inet_dist_use_interface {127,0,0,1}",
	}
	if err := s.start("epmd.log", s.env, epmd, "-address", "127.0.0.1", "-port", fmt.Sprint(ports[2])); err != nil {
		return err
	}
	s.amqp = fmt.Sprintf("amqp://guest:guest@127.0.0.1:%d//", ports[0])
	return s.launchRabbit(ctx)
}

// launchRabbit starts it in its folder, for the first time or again, and waits until it is ready.
func (s *servers) launchRabbit(ctx context.Context) error {
	if err := s.start("rabbit.log", s.env, rabbitScript); err != nil {
		return fmt.Errorf("RabbitMQ is needed: apt-get install rabbitmq-server: %w", err)
	}
	s.broker = s.pids[len(s.pids)-1]
	return s.await(ctx, "rabbit.log", func() bool {
		out, err := os.ReadFile(filepath.Join(s.dir, "rabbit.log"))
		return err == nil && bytes.Contains(out, []byte("completed with"))
	})
}

// killRabbit ends it as a crash does.
func (s *servers) killRabbit() error {
	if err := syscall.Kill(-s.broker.Process.Pid, syscall.SIGKILL); err != nil {
		return err
	}
	_ = s.broker.Wait()
	s.pids = s.pids[:len(s.pids)-1] // it was started last
	return nil
}

// start runs a server that ends with this process at the latest.
func (s *servers) start(log string, env []string, path string, args ...string) error {
	out, err := os.Create(filepath.Join(s.dir, log))
	if err != nil {
		return err
	}
	defer out.Close()
	cmd := exec.Command(path, args...)
	cmd.Env, cmd.Dir, cmd.Stdout, cmd.Stderr = env, s.dir, out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", path, err)
	}
	s.pids = append(s.pids, cmd)
	return nil
}

// await looks again and again until a server is ready.
func (s *servers) await(ctx context.Context, log string, ready func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, serverWait)
	defer cancel()
	for !ready() {
		select {
		case <-ctx.Done():
			out, _ := os.ReadFile(filepath.Join(s.dir, log))
			return fmt.Errorf("server does not answer: %w\n%s", ctx.Err(), out)
		case <-time.After(50 * time.Millisecond):
		}
	}
	return nil
}

// cpu is what the servers have used so far.
func (s *servers) cpu() (sum time.Duration, err error) {
	for _, p := range s.pids {
		used, err := treeCPU(p.Process.Pid)
		if err != nil {
			return 0, err
		}
		sum += used
	}
	return sum, nil
}

// stop kills the servers, the last one first, and removes what they wrote.
func (s *servers) stop() {
	for i := len(s.pids) - 1; i >= 0; i-- {
		_ = syscall.Kill(-s.pids[i].Process.Pid, syscall.SIGKILL)
		_ = s.pids[i].Wait()
	}
	_ = os.RemoveAll(s.dir)
}

func freePorts(n int) ([]int, error) {
	ports := make([]int, n)
	for i := range ports {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close() // held until all are found, so that no port is given twice
		ports[i] = l.Addr().(*net.TCPAddr).Port
	}
	return ports, nil
}
