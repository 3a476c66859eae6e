package umbel

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/internal/setting"
	"github.com/umbel-go/umbel/secret"
)

// readCredentials reads a file, or another secret, that holds user:password, a password alone, or JSON as AWS Secrets Manager
// writes it. Errors do not quote what it holds.
func readCredentials(ctx context.Context, place string, refused bool) (user, password string, err error) {
	ref := place
	if !secret.Is(place) {
		ref = "file:" + place
	}
	text, err := secret.Whole(ctx, ref, refused)
	if err != nil {
		return "", "", fmt.Errorf("broker_credentials_file: %w", err)
	}
	user, password, err = parseCredentials(strings.TrimSpace(text))
	if err != nil {
		return "", "", fmt.Errorf("broker_credentials_file %s: %w", place, err)
	}
	return user, password, nil
}

func parseCredentials(text string) (user, password string, err error) {
	if text == "" {
		return "", "", errors.New("it is empty")
	}
	if strings.HasPrefix(text, "{") {
		var c struct{ Username, User, Password string }
		if json.Unmarshal([]byte(text), &c) != nil || c.Password == "" {
			return "", "", errors.New("it is not JSON with a password")
		}
		if c.Username == "" {
			c.Username = c.User
		}
		return c.Username, c.Password, nil
	}
	if strings.ContainsAny(text, "\r\n") {
		return "", "", errors.New("it has several lines: want user:password, a password, or JSON")
	}
	if user, password, both := strings.Cut(text, ":"); both {
		return user, password, nil
	}
	return "", text, nil
}

// A rotating is a value that comes from a secret, and may be another by now.
type rotating struct {
	from referred

	mu     sync.Mutex
	latest string // of the whole secret that from names, as it was read last; "" before
}

// read is the value of now. refused says that the latest one is not accepted any more.
func (r *rotating) read(ctx context.Context, refused bool) (string, error) {
	if r == nil {
		return "", nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	read := func() (string, error) { return secret.Read(ctx, r.from.text) }
	if refused && r.latest != "" {
		read = func() (string, error) { return secret.Again(ctx, r.from.text, r.latest) }
	}
	text, err := read()
	if err != nil {
		return "", err
	}
	r.latest = text
	return text, nil
}

// rotating is the n-th value of a setting if it comes from a secret, else nil.
func (c *Config) rotating(name string, n int, value string) *rotating {
	r, ok := c.reference(name, n, value)
	if !ok {
		return nil
	}
	return &rotating{from: r}
}

// brokerCredentials is what Config.Credentials of a broker is; nil where nothing can change.
func (c *Config) brokerCredentials() func(context.Context, string, bool) (broker.Credentials, error) {
	user, password := c.rotating("broker_user", 0, c.BrokerUser), c.rotating("broker_password", 0, c.BrokerPassword)
	some := user != nil || password != nil || c.BrokerCredentialsFile != ""
	urls := make(map[string]*rotating) // by the URL as it is configured
	for name, list := range c.secretLists() {
		for i, u := range *list {
			if full, err := c.completeURL(u); err == nil {
				if r := c.rotating(name, i, u); r != nil {
					urls[full], some = r, true
				}
			}
		}
	}
	if !some {
		return nil
	}
	place := c.BrokerCredentialsFile
	return func(ctx context.Context, url string, refused bool) (out broker.Credentials, err error) {
		if r := urls[url]; r != nil {
			text, err := r.read(ctx, refused)
			if err != nil {
				return out, err
			}
			list := setting.SplitURLs(text)
			if r.from.part >= len(list) {
				return out, fmt.Errorf("secret %s held more URLs than the %d of now", r.from.text, len(list))
			}
			if out.URL, err = c.completeURL(list[r.from.part]); err != nil {
				return out, err
			}
		}
		for _, one := range []struct {
			from *rotating
			to   *string
		}{{user, &out.User}, {password, &out.Password}} {
			if *one.to, err = one.from.read(ctx, refused); err != nil {
				return out, err
			}
		}
		if place != "" {
			user, password, err := readCredentials(ctx, place, refused)
			if err != nil {
				return out, err
			}
			out.User, out.Password = cmp.Or(user, out.User), cmp.Or(password, out.Password)
		}
		return out, nil
	}
}

// backendCredentials is the same for the result store.
func (c *Config) backendCredentials() func(context.Context, bool) (broker.Credentials, error) {
	url := c.rotating("result_backend", 0, c.ResultBackend)
	user, password := c.rotating("redis_username", 0, c.RedisUsername), c.rotating("redis_password", 0, c.RedisPassword)
	if url == nil && user == nil && password == nil {
		return nil
	}
	return func(ctx context.Context, refused bool) (out broker.Credentials, err error) {
		for _, one := range []struct {
			from *rotating
			to   *string
		}{{url, &out.URL}, {user, &out.User}, {password, &out.Password}} {
			if *one.to, err = one.from.read(ctx, refused); err != nil {
				return out, err
			}
		}
		return out, nil
	}
}
