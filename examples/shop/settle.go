package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/cli"
)

// settle gives a working folder without settings the shop's own, so that every command that follows finds its queues. Where
// there are settings with queues, of whatever kind, they stand.
func (s *shop) settle(std cli.Std) error {
	given, err := s.app.Config()
	if err != nil || len(given.TaskQueues) > 0 {
		return err
	}
	const name = "umbel.yaml"
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s has no task_queues: the shop's tasks would wait where nobody looks; take them from examples/shop/umbel.yaml", name)
	}
	if err != nil {
		return err
	}
	if _, err := f.Write(settings); err != nil {
		return errors.Join(err, f.Close())
	}
	if err := f.Close(); err != nil {
		return err
	}
	fmt.Fprintf(std.Err, "%s written: the shop's queues and routes\n", name)
	c, err := umbel.LoadConfig(umbel.LoadOptions{File: name})
	if err != nil {
		return err
	}
	c.BrokerURL, c.ResultBackend = given.BrokerURL, given.ResultBackend // as the command line may have said
	return s.app.Configure(c)
}
