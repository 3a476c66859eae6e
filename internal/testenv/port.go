package testenv

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
)

// freePorts returns n loopback ports that nobody listens on. They lie below the range from which the kernel takes the
// ports of outgoing connections, else one of those could grab a port before its server does. Another process may still
// be faster: who starts a server tries again with other ports.
func freePorts(n int) ([]int, error) {
	const first, last = 10240, 32000
	ports := make([]int, 0, n)
	for range 1000 {
		if len(ports) == n {
			return ports, nil
		}
		port := first + rand.IntN(last-first)
		l, err := net.Listen("tcp", address(port))
		if err != nil {
			continue
		}
		defer l.Close() // held until all are found, so that no port is given twice
		ports = append(ports, port)
	}
	return nil, fmt.Errorf("no %d free loopback ports between %d and %d", n, first, last)
}

func address(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
