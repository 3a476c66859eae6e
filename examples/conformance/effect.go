package main

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/umbel-go/umbel"
)

// A side is the Redis that the tests look at, apart from the one that holds results. It connects for each command: there
// are few.
type side struct{ address string }

func redisFromEnvironment() side {
	return side{net.JoinHostPort(cmp.Or(os.Getenv("REDIS_HOST"), "localhost"), cmp.Or(os.Getenv("REDIS_PORT"), "6379"))}
}

// do runs one command on database 0 and drops its answer.
func (s side) do(ctx context.Context, command ...string) error {
	d := net.Dialer{Timeout: 5 * time.Second}
	conn, err := d.DialContext(ctx, "tcp", s.address)
	if err != nil {
		return fmt.Errorf("%s: %w", command[0], err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "*%d\r\n", len(command))
	for _, c := range command {
		fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(c), c)
	}
	if _, err := conn.Write([]byte(b.String())); err != nil {
		return fmt.Errorf("%s: %w", command[0], err)
	}
	answer, err := bufio.NewReader(conn).ReadString('\n')
	if err == nil && strings.HasPrefix(answer, "-") {
		err = fmt.Errorf("redis says %s", strings.TrimSpace(answer[1:]))
	}
	if err != nil {
		return fmt.Errorf("%s: %w", command[0], err)
	}
	return nil
}

func registerEffects(app *umbel.App, redis side) {
	register(app, "redis_echo", func(ctx context.Context, in struct {
		Message any    `json:"message"`
		Key     string `json:"redis_key,omitempty"`
	}) (any, error) {
		return nil, redis.do(ctx, "RPUSH", cmp.Or(in.Key, "redis-echo"), fmt.Sprint(in.Message))
	})
	register(app, "redis_echo_group_id", func(ctx context.Context, in struct {
		Ignored any    `json:"_"`
		Key     string `json:"redis_key,omitempty"`
	}) (any, error) {
		return nil, redis.do(ctx, "RPUSH", cmp.Or(in.Key, "redis-group-ids"), cmp.Or(umbel.RequestFrom(ctx).Group, "None"))
	})
	register(app, "redis_count", func(ctx context.Context, in struct {
		Key string `json:"redis_key,omitempty"`
	}) (any, error) {
		return nil, redis.do(ctx, "INCR", cmp.Or(in.Key, "redis-count"))
	})
	register(app, "errback_old_style", func(ctx context.Context, id string) (string, error) {
		return id, redis.do(ctx, "INCR", id)
	})
	umbel.RegisterErrback(app, module+".errback_new_style", func(ctx context.Context, failed *umbel.Request, _ umbel.Fault) error {
		return redis.do(ctx, "INCR", failed.ID)
	})
	second := func(name, letter string, then func(app *umbel.App) *umbel.Signature) {
		register(app, name, func(ctx context.Context, in struct {
			State bool `json:"state,omitempty"`
		}) (any, error) {
			if in.State {
				return nil, redis.do(ctx, "RPUSH", "redis-echo", "Out "+letter)
			}
			if err := redis.do(ctx, "RPUSH", "redis-echo", "In "+letter); err != nil {
				return nil, err
			}
			again := app.Signature(module+"."+name, umbel.Kwargs{"state": true}).Immutable()
			return nil, umbel.Replace(ctx, umbel.Chain(then(app), again))
		})
	}
	second("second_order_replace1", "A", func(app *umbel.App) *umbel.Signature {
		return app.Signature(module+".second_order_replace2", nil)
	})
	second("second_order_replace2", "B", func(app *umbel.App) *umbel.Signature {
		return app.Signature(module+".redis_echo", umbel.Args{"In/Out C"})
	})
}
