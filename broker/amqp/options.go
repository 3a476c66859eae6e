package amqp

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// queryOptions are the options a URL may carry: RabbitMQ's names (milliseconds for connection_timeout) and kombu's
// (seconds for connect_timeout, ssl_ for TLS).
var queryOptions = map[string]func(e *endpoint, v string) error{
	"heartbeat": func(e *endpoint, v string) (err error) {
		e.heartbeat, err = parseHeartbeat(v)
		return err
	},
	"connection_timeout": func(e *endpoint, v string) error { return parseTimeout(e, v, time.Millisecond) },
	"connect_timeout":    func(e *endpoint, v string) error { return parseTimeout(e, v, time.Second) },
	"login_method":       setLogin,
	"auth_mechanism":     setLogin,

	"cacertfile":             setCA,
	"ssl_ca_certs":           setCA,
	"certfile":               setCert,
	"ssl_certfile":           setCert,
	"keyfile":                setKey,
	"ssl_keyfile":            setKey,
	"server_name_indication": setServerName,
	"ssl_server_hostname":    setServerName,
	"verify":                 setVerify,
	"ssl_cert_reqs":          setVerify,
	"ssl_check_hostname":     setCheckName,
}

func setLogin(e *endpoint, v string) error      { e.login = strings.ToUpper(v); return nil }
func setCA(e *endpoint, v string) error         { e.secure.caFile = v; return nil }
func setCert(e *endpoint, v string) error       { e.secure.certFile = v; return nil }
func setKey(e *endpoint, v string) error        { e.secure.keyFile = v; return nil }
func setServerName(e *endpoint, v string) error { e.secure.serverName = v; return nil }

func setVerify(e *endpoint, v string) error {
	switch strings.ToLower(v) {
	case "verify_peer", "cert_required", "required", "cert_optional", "optional", "2", "1":
		e.secure.noVerify = false
	case "verify_none", "cert_none", "none", "0":
		e.secure.noVerify = true
	default:
		return fmt.Errorf("%q is none of verify_peer and verify_none", v)
	}
	return nil
}

func setCheckName(e *endpoint, v string) error {
	b, err := strconv.ParseBool(strings.ToLower(v))
	if err != nil {
		return fmt.Errorf("%q is none of true and false", v)
	}
	e.secure.anyName = !b
	return nil
}

// parseHeartbeat reads seconds; 0 is none.
func parseHeartbeat(v string) (time.Duration, error) {
	f, err := strconv.ParseFloat(v, 64)
	if err != nil || f < 0 || f > 65535 {
		return 0, fmt.Errorf("%q is no number of seconds from 0 to 65535", v)
	}
	if f == 0 {
		return -1, nil
	}
	return time.Duration(f * float64(time.Second)), nil
}

func parseTimeout(e *endpoint, v string, unit time.Duration) error {
	f, err := strconv.ParseFloat(v, 64)
	if err != nil || f <= 0 || f > 1e9 {
		return fmt.Errorf("%q is no positive number", v)
	}
	e.timeout = time.Duration(f * float64(unit))
	return nil
}

// applyQuery reads the URL's options. An unknown one is an error: a misspelt option that is ignored is worse.
func (e *endpoint) applyQuery(query string) error {
	if query == "" {
		return nil
	}
	values, err := url.ParseQuery(query)
	if err != nil {
		return fmt.Errorf("options after the ?: broken percent-encoding")
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		set := queryOptions[name]
		if set == nil {
			return fmt.Errorf("unknown option %q: known are %s", name, strings.Join(slices.Sorted(maps.Keys(queryOptions)), ", "))
		}
		if strings.HasPrefix(name, "ssl_") || slices.Contains([]string{"cacertfile", "certfile", "keyfile", "verify", "server_name_indication"}, name) {
			if !e.secure.on {
				return fmt.Errorf("option %q needs the scheme amqps", name)
			}
		}
		if err := set(e, values.Get(name)); err != nil {
			return fmt.Errorf("option %q: %w", name, err)
		}
	}
	return nil
}

// transportOptions are those of broker_transport_options that have a meaning here. Confirms are always on, so
// confirm_publish may only say so.
var transportOptions = map[string]func(e *endpoint, v any) error{
	"confirm_publish": func(_ *endpoint, v any) error {
		if b, ok := v.(bool); !ok || !b {
			return fmt.Errorf("must be true: every publish is confirmed")
		}
		return nil
	},
	"heartbeat":          func(e *endpoint, v any) error { return queryOptions["heartbeat"](e, fmt.Sprint(v)) },
	"connect_timeout":    func(e *endpoint, v any) error { return queryOptions["connect_timeout"](e, fmt.Sprint(v)) },
	"connection_timeout": func(e *endpoint, v any) error { return queryOptions["connection_timeout"](e, fmt.Sprint(v)) },
	"login_method":       func(e *endpoint, v any) error { return setLogin(e, fmt.Sprint(v)) },
}

func (e *endpoint) applyOptions(options map[string]any) error {
	for _, name := range slices.Sorted(maps.Keys(options)) {
		set := transportOptions[name]
		if set == nil {
			return fmt.Errorf("unknown broker_transport_options entry %q: known are %s", name,
				strings.Join(slices.Sorted(maps.Keys(transportOptions)), ", "))
		}
		if err := set(e, options[name]); err != nil {
			return fmt.Errorf("broker_transport_options %q: %w", name, err)
		}
	}
	return nil
}
