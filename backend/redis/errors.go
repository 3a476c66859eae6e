package redis

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"

	"github.com/redis/rueidis"

	"github.com/umbel-go/umbel/backend"
)

var errClosed = errors.New("the redis result backend is closed")

// explain adds to an error what its reader can do about it. It never repeats a secret: Redis does not, and neither do
// the errors of the net package.
func (s *settings) explain(err error) error {
	if hint := s.hint(err); hint != "" {
		return fmt.Errorf("%w: %s", err, hint)
	}
	return err
}

func (s *settings) hint(err error) string {
	if reply, ok := rueidis.IsRedisErr(err); ok {
		return s.replyHint(reply.Error())
	}
	var late *lateError
	var dns *net.DNSError
	var record tls.RecordHeaderError
	var authority x509.UnknownAuthorityError
	var host x509.HostnameError
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, &late) && s.tls != nil:
		return "does the server speak TLS there, or is it redis:// rather than rediss://?"
	case errors.As(err, &late):
		return "are host, port and firewall right?"
	case errors.As(err, &authority):
		return "name the authority's PEM file with ssl_ca_certs"
	case errors.As(err, &host):
		return "the certificate is for other names: connect by one of them, or set ssl_check_hostname=false"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "renew the server's certificate, or check this machine's clock"
	case errors.As(err, &invalid):
		return "the server's certificate is not valid"
	case errors.As(err, &record):
		return "the server does not speak TLS there: is it redis:// rather than rediss://?"
	case errors.As(err, &dns):
		return "is the host name right?"
	case errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, os.ErrNotExist):
		return "is Redis running there?"
	case errors.Is(err, os.ErrPermission):
		return "may this user use the socket?"
	case s.ended(err) && s.tls == nil && s.socket == "":
		return "the server hung up: does it expect TLS (rediss://)?"
	case s.ended(err):
		return "the server hung up"
	case errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded):
		return "no answer in time"
	}
	return ""
}

func (s *settings) ended(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

func (s *settings) replyHint(reply string) string {
	switch code, _, _ := strings.Cut(reply, " "); {
	case code == "NOAUTH":
		return "the server wants a password: give it in the URL or as redis_password"
	case code == "WRONGPASS":
		return "user name or password is wrong"
	case code == "NOPERM":
		return "the user's access list lacks this: Umbel needs evalsha, script|load, get, mget, del, getrange, set, setex, publish, pubsub, subscribe, unsubscribe, " +
			"ping, and for schedules incr, hset, hdel, hscan, pexpire, pttl, on keys and channels that begin with " + s.prefix + "celery-"
	case code == "READONLY":
		return "this server is a replica: give the master's address, or use sentinel://"
	case code == "OOM":
		return "Redis has reached its maxmemory: raise it, lower result_expires, or choose an eviction policy"
	case strings.Contains(reply, "WRONGTYPE"):
		return "the task's key holds something that is no result document: remove it, or set global_keyprefix to keep apart what shares the database"
	case strings.Contains(reply, "invalid bulk length"):
		return "the document is larger than the server's proto-max-bulk-len: store it elsewhere and return where"
	case code == "LOADING":
		return "Redis is still reading its data"
	case strings.Contains(strings.ToLower(reply), "unknown command") && s.sentinels != nil:
		return "this is a Redis server, not a sentinel: use redis://, or the sentinels' port"
	case strings.Contains(reply, "DB index is out of range"):
		return fmt.Sprintf("the server has no database %d: see its setting \"databases\"", s.db)
	case code == "MOVED" || code == "CLUSTERDOWN" || code == "CROSSSLOT":
		return "this is a Redis Cluster, which Celery's result backend does not speak: use a server or sentinels"
	}
	return ""
}

// refusal is explain for a document that the server did not take: some it never takes.
func (s *settings) refusal(err error) error {
	explained := s.explain(err)
	if reply, ok := rueidis.IsRedisErr(err); ok {
		if text := reply.Error(); strings.Contains(text, "WRONGTYPE") || strings.Contains(text, "invalid bulk length") {
			return backend.Unstorable(explained)
		}
	}
	return explained
}

// transient reports whether the same call may succeed a little later.
func (s *settings) transient(err error) bool {
	if reply, ok := rueidis.IsRedisErr(err); ok {
		switch code, _, _ := strings.Cut(reply.Error(), " "); code {
		case "LOADING", "READONLY", "MASTERDOWN", "TRYAGAIN", "BUSY":
			return true
		case "WRONGPASS", "NOAUTH":
			return s.ask != nil // they are read anew
		}
		return false
	}
	var authority x509.UnknownAuthorityError
	var host x509.HostnameError
	var invalid x509.CertificateInvalidError
	switch {
	case errors.Is(err, rueidis.ErrClosing), errors.Is(err, errLinksClosed), errors.Is(err, context.Canceled), errors.Is(err, backend.ErrFenced):
		return false
	case errors.As(err, &authority), errors.As(err, &host), errors.As(err, &invalid):
		return false
	}
	return true
}

// noScript reports whether Redis has forgotten our script: it was started anew.
func noScript(err error) bool {
	reply, ok := rueidis.IsRedisErr(err)
	return ok && reply.IsNoScript()
}

// readOnly reports whether we talk to what is now a replica.
func readOnly(err error) bool {
	reply, ok := rueidis.IsRedisErr(err)
	return ok && strings.HasPrefix(reply.Error(), "READONLY")
}
