package redis

import (
	"cmp"
	"fmt"

	"github.com/redis/rueidis"

	"github.com/umbel-go/umbel/broker"
)

// login is asked by the client for each connection that it makes: who logs in, as of now.
func (b *Backend) login(at rueidis.AuthCredentialsContext) (rueidis.AuthCredentials, error) {
	s := b.settings
	if _, is := at.Address.(sentinelAddr); is {
		return rueidis.AuthCredentials{Username: s.sentinelUser, Password: s.sentinelPass}, nil
	}
	refused := b.links.takeRefused()
	given, err := s.ask(b.links.life, refused)
	if err == nil {
		given, err = s.complete(given)
	}
	if err != nil {
		if refused {
			b.links.setRefused() // what is kept of them is still refused
		}
		return rueidis.AuthCredentials{}, fmt.Errorf("read credentials: %w", err)
	}
	return rueidis.AuthCredentials{Username: given.User, Password: given.Password}, nil
}

// complete fills what is not given: from the URL that is, else as configured. Where the server is does not change.
func (s *settings) complete(given broker.Credentials) (broker.Credentials, error) {
	if given.URL != "" {
		var e endpoint
		query, err := e.readURL(given.URL)
		if err != nil {
			return given, err
		}
		given.User = cmp.Or(given.User, query.Get("username"), e.username)
		given.Password = cmp.Or(given.Password, query.Get("password"), e.password)
	}
	given.User, given.Password = cmp.Or(given.User, s.username), cmp.Or(given.Password, s.password)
	return given, nil
}
