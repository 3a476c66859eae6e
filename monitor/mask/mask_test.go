package mask

import (
	"strings"
	"testing"

	"github.com/umbel-go/umbel/protocol"
)

func TestSecretsAreHidden(t *testing.T) {
	m, err := New(Config{Patterns: []string{`\b\d{16}\b`, `iban=(\w+)`}})
	if err != nil {
		t.Fatal(err)
	}
	for in, want := range map[string]string{
		`{'password': 'hunter2', 'user': 'ann'}`:           `{'password': ***, 'user': 'ann'}`,
		`{"db_Password": "a\"b c", "n": 1}`:                `{"db_Password": ***, "n": 1}`,
		`{'api_key': b'\x01\'x', 'n': 1}`:                  `{'api_key': ***, 'n': 1}`,
		`{'token': 'never ends because it was cut`:         `{'token': ***`,
		`{'access_token': None, 'n': 2}`:                   `{'access_token': ***, 'n': 2}`,
		`{'pin_token': 12345}`:                             `{'pin_token': ***}`,
		`Login(user='ann', secret='x')`:                    `Login(user='ann', secret=***)`,
		`Authorization: Bearer abc.def`:                    `Authorization: ***`,
		`amqp://ann:pa/ss@host/v`:                          `amqp://ann:***@host/v`,
		`ConnectionError('redis://:p@ss@h:1/0 refused')`:   `ConnectionError('redis://:***@h:1/0 refused')`,
		`('eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc-_d',)`: `('***',)`,
		`(4111111111111111, 'x')`:                          `(***, 'x')`,
		`iban=DE123 bic=X`:                                 `iban=*** bic=X`,
		`(1, 'tomato', {'pass': 3})`:                       `(1, 'tomato', {'pass': 3})`,
		``:                                                 ``,
	} {
		if got := m.Text(in); got != want {
			t.Errorf("%s\nbecame %s\nwant   %s", in, got, want)
		}
	}
}

func TestWholeTasksAreHidden(t *testing.T) {
	m, err := New(Config{Tasks: []string{"bank.*"}})
	if err != nil {
		t.Fatal(err)
	}
	got := &protocol.TaskReceived{Name: "bank.pay", Args: "(1,)", Kwargs: "{}"}
	m.Event(&protocol.Event{Body: got}, "")
	done, other := &protocol.TaskSucceeded{Result: "7"}, &protocol.TaskSucceeded{Result: "7"}
	m.Event(&protocol.Event{Body: done}, "bank.pay")
	m.Event(&protocol.Event{Body: other}, "shop.pay")
	if got.Args != Hidden || got.Kwargs != Hidden || done.Result != Hidden || other.Result != "7" {
		t.Errorf("%+v %+v %+v", got, done, other)
	}
	for _, c := range []Config{{Patterns: []string{"("}}, {Tasks: []string{"["}}} {
		if _, err := New(c); err == nil {
			t.Errorf("%+v was taken", c)
		}
	}
}

// A text of hostile length takes time in proportion to it.
func TestALongTextIsNoTrap(t *testing.T) {
	m, _ := New(Config{})
	for _, s := range []string{strings.Repeat("password", 1<<15), strings.Repeat("token=", 1<<15), strings.Repeat("a://b:", 1<<15) + "@"} {
		m.Text(s)
	}
}
