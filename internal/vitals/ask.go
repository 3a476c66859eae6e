package vitals

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
)

// ErrUnwell: the process answers, and says that it is not well.
var ErrUnwell = errors.New("not well")

// answerMost bounds what is read of an answer.
const answerMost = 64 << 10

// Ask asks the process at an address for a path, /livez or /readyz, and returns what it says: an error that wraps ErrUnwell when
// that is not "ok". It is written on a bare connection, which is a few milliseconds less of a process's start than a client.
func Ask(ctx context.Context, address, path string) (string, error) {
	network, at, err := Endpoint(address)
	if err != nil {
		return "", err
	}
	if host, port, err := net.SplitHostPort(at); network == "tcp" && err == nil {
		switch host {
		case "", "0.0.0.0": // that is where it listens, not where it is
			at = net.JoinHostPort("127.0.0.1", port)
		case "::":
			at = net.JoinHostPort("::1", port)
		}
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, network, at)
	if err != nil {
		return "", fmt.Errorf("no process answers at %s: %w", address, err)
	}
	defer conn.Close()
	if deadline, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(deadline)
	}
	if _, err := io.WriteString(conn, "GET "+path+" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"); err != nil {
		return "", fmt.Errorf("ask the process at %s: %w", address, err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return "", fmt.Errorf("what answers at %s is no process of ours: %w", address, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, answerMost))
	if err != nil {
		return "", fmt.Errorf("ask the process at %s: %w", address, err)
	}
	said := strings.TrimSpace(string(text))
	switch resp.StatusCode {
	case http.StatusOK:
		return said, nil
	case http.StatusServiceUnavailable:
		return said, fmt.Errorf("%w: %s", ErrUnwell, said)
	}
	return "", fmt.Errorf("what answers at %s is no process of ours: %s", address, resp.Status)
}
