package testenv

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"
)

// respLimit bounds one command, so that a frozen server fails a test instead of hanging it.
const respLimit = 20 * time.Second

// A respError is an answer that begins with "-".
type respError string

func (e respError) Error() string { return string(e) }

// redisDo sends one command after another over a connection of its own and returns the last answer: string, int64, nil
// or []any.
func redisDo(addr string, c *tls.Config, commands ...[]string) (any, error) {
	d := net.Dialer{Timeout: 5 * time.Second}
	var conn net.Conn
	var err error
	if c != nil {
		conn, err = tls.DialWithDialer(&d, "tcp", addr, c)
	} else {
		conn, err = d.Dial("tcp", addr)
	}
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(respLimit))
	r := bufio.NewReader(conn)
	var answer any
	for _, command := range commands {
		if _, err := conn.Write(appendCommand(nil, command)); err != nil {
			return nil, err
		}
		if answer, err = readAnswer(r); err != nil {
			return nil, err
		}
	}
	return answer, nil
}

func appendCommand(b []byte, args []string) []byte {
	b = fmt.Appendf(b, "*%d\r\n", len(args))
	for _, a := range args {
		b = fmt.Appendf(b, "$%d\r\n%s\r\n", len(a), a)
	}
	return b
}

func readAnswer(r *bufio.Reader) (any, error) {
	line, err := r.ReadString('\n')
	if err != nil {
		return nil, err
	}
	if len(line) < 3 {
		return nil, fmt.Errorf("redis: odd answer %q", line)
	}
	text := line[1 : len(line)-2]
	if line[0] == '+' {
		return text, nil
	}
	if line[0] == '-' {
		return nil, respError(text)
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return nil, fmt.Errorf("redis: odd answer %q", line)
	}
	switch line[0] {
	case ':':
		return n, nil
	case '$':
		if n < 0 {
			return nil, nil
		}
		b := make([]byte, n+2)
		if _, err := io.ReadFull(r, b); err != nil {
			return nil, err
		}
		return string(b[:n]), nil
	case '*':
		if n < 0 {
			return nil, nil
		}
		list := make([]any, n)
		for i := range list {
			v, err := readAnswer(r)
			var refused respError
			if errors.As(err, &refused) {
				v, err = refused, nil
			}
			if err != nil {
				return nil, err
			}
			list[i] = v
		}
		return list, nil
	}
	return nil, fmt.Errorf("redis: odd answer %q", line)
}
