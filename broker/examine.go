package broker

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"
)

// A Check is one step of an examination.
type Check struct {
	Name  string        // what was looked at: "resolve", "connect", "tls", "login", "vhost", "limits", "declare", "publish", "consume", "heartbeat"
	Found string        // what was found, where it went well
	Doubt string        // it went well, but: what is to be thought about
	Err   error         // what went wrong
	Hint  string        // what to do about Err or Doubt
	Took  time.Duration // from the end of the step before
}

// An Examiner looks at the broker of each URL step by step and reports each as it ends. It leaves nothing behind at the broker.
// After a step that fails it goes on with what does not need it.
type Examiner func(ctx context.Context, c Config, report func(url string, c Check))

var examiners struct {
	sync.Mutex
	m map[string]Examiner
}

// RegisterExaminer makes an examiner known under URL schemes; drivers call it from init.
func RegisterExaminer(e Examiner, schemes ...string) {
	examiners.Lock()
	defer examiners.Unlock()
	if examiners.m == nil {
		examiners.m = make(map[string]Examiner)
	}
	for _, s := range schemes {
		examiners.m[s] = e
	}
}

// Examine looks at the brokers of c.URLs. The error says that there is nothing to look at: no URL, or a scheme without an
// examiner; what is wrong with a broker is reported.
func Examine(ctx context.Context, c Config, report func(url string, c Check)) error {
	c = c.WithDefaults()
	if len(c.URLs) == 0 {
		return fmt.Errorf("examine broker: no URL: set broker_url")
	}
	scheme, _, ok := strings.Cut(c.URLs[0], "://")
	if !ok {
		return fmt.Errorf("examine broker: %q is not a URL: it has no scheme such as amqp:// or amqps://", MaskURL(c.URLs[0]))
	}
	examiners.Lock()
	e := examiners.m[strings.ToLower(scheme)]
	examiners.Unlock()
	if e == nil {
		return fmt.Errorf("examine broker: %s: only RabbitMQ (amqp://, amqps://) is reached over a network and can be examined", MaskURL(c.URLs[0]))
	}
	e(ctx, c, report)
	return nil
}
