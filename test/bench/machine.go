package main

import (
	"context"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"runtime/debug"
	"strings"
)

// describe names what the figures hold for.
func (m *meter) describe(ctx context.Context) []string {
	say := func(name string, args ...string) string {
		out, err := exec.CommandContext(ctx, name, args...).Output()
		if err != nil {
			return "unknown"
		}
		return strings.TrimSpace(string(out))
	}
	number := regexp.MustCompile(`\d+(\.\d+)+`)
	redis := number.FindString(say("redis-server", "--version"))
	rabbit := say("dpkg-query", "-W", "-f", "${Version}", "rabbitmq-server")
	celery := say(python, "-c", "import sys, celery, kombu; print(f'Python {sys.version.split()[0]}, Celery {celery.__version__}, kombu {kombu.__version__}')")
	disk := say("stat", "-f", "-c", "%T", m.dir)
	out := []string{
		cpuModel() + ", " + itoa(runtime.NumCPU()) + " cores, " + runtime.GOOS + "/" + runtime.GOARCH + ", files on " + disk,
		runtime.Version() + ", GOMAXPROCS " + itoa(runtime.GOMAXPROCS(0)),
		"RabbitMQ " + rabbit + ", Redis " + redis,
		celery,
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		var rivals []string
		for _, d := range info.Deps {
			switch d.Path {
			case "github.com/rabbitmq/amqp091-go", "github.com/hibiken/asynq", "github.com/RichardKnop/machinery/v2":
				rivals = append(rivals, strings.TrimPrefix(d.Path, "github.com/")+" "+d.Version)
			}
		}
		out = append(out, strings.Join(rivals, ", "))
	}
	return out
}

func cpuModel() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "unknown processor"
	}
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown processor"
}
