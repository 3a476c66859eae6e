package vitals

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
)

// A Config says where to show it and to whom.
type Config struct {
	// Address is host:port, a port of 127.0.0.1, or the path of a unix socket. "" shows nothing.
	Address string

	// TokenFile holds what /metrics wants to see as a bearer token. "" wants none. /livez and /readyz never do: they tell nothing
	// but that.
	TokenFile string

	// Public allows an address that other machines reach without a token.
	Public bool

	// Names are further vocabularies in which the metrics are told: see Vocabularies.
	Names []string

	Log *slog.Logger
}

// Vocabularies are the names under which metrics may be told besides our own.
var Vocabularies = []string{"celery-exporter", "flower"}

// ErrExposed: other machines would read the metrics, and nobody has said that they may.
var ErrExposed = errors.New("other machines could read the metrics, which name tasks and queues")

// Endpoint is where an address leads: the network "tcp" or "unix", and what goes with it.
func Endpoint(address string) (network, at string, err error) {
	if strings.HasPrefix(address, "/") {
		return "unix", address, nil
	}
	if n, err := strconv.Atoi(address); err == nil && n >= 0 && n <= 65535 {
		return "tcp", net.JoinHostPort("127.0.0.1", address), nil
	}
	host, port, err := net.SplitHostPort(address)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return "", "", fmt.Errorf("metrics_address %q: want host:port, a port, or the path of a unix socket", address)
	}
	return "tcp", net.JoinHostPort(host, port), nil
}

// local reports whether only this machine can reach an endpoint.
func local(network, at string) bool {
	if network == "unix" {
		return true
	}
	host, _, err := net.SplitHostPort(at)
	if err != nil {
		return false
	}
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

// ownName reports whether a request's host names this machine's loopback.
func ownName(host string) bool {
	if _, _, err := net.SplitHostPort(host); err != nil {
		host = net.JoinHostPort(strings.Trim(host, "[]"), "0")
	}
	return local("tcp", host)
}

// Check refuses what nobody can want, and reads the token.
func (c *Config) Check() (token string, err error) {
	network, at, err := Endpoint(c.Address)
	if err != nil {
		return "", err
	}
	if c.TokenFile != "" {
		text, err := os.ReadFile(c.TokenFile)
		if err != nil {
			return "", fmt.Errorf("metrics_token_file: %w", err)
		}
		if token = strings.TrimSpace(string(text)); token == "" {
			return "", fmt.Errorf("metrics_token_file: %s is empty", c.TokenFile)
		}
	}
	if token == "" && !c.Public && !local(network, at) {
		return "", fmt.Errorf("metrics_address %s: %w: listen at 127.0.0.1, set metrics_token_file, or set metrics_public to true where a "+
			"firewall or network policy decides who comes in", c.Address, ErrExposed)
	}
	return token, nil
}
