package management

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
)

// Tags are those of a user: what it may see in the API.
type Tags []string

// UnmarshalJSON reads a list, or before RabbitMQ 3.9 a text.
func (t *Tags) UnmarshalJSON(data []byte) error {
	var list []string
	if err := json.Unmarshal(data, &list); err == nil {
		*t = list
		return nil
	}
	var text string
	if err := json.Unmarshal(data, &text); err != nil {
		return err
	}
	*t = strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' })
	return nil
}

func (t Tags) String() string { return strings.Join(t, ",") }

// SeesAll reports whether who has these tags sees connections, channels and queues of everybody.
func (t Tags) SeesAll() bool {
	return slices.Contains(t, "administrator") || slices.Contains(t, "monitoring")
}

// Tags are those of the user who asks.
func (m *Client) Tags(ctx context.Context) (Tags, error) {
	var me struct {
		Tags Tags `json:"tags"`
	}
	return me.Tags, m.Get(ctx, &me, "whoami")
}
