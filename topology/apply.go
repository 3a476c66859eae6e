package topology

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"

	"github.com/umbel-go/umbel/internal/management"
)

// ApplyOptions say how far Apply goes.
type ApplyOptions struct {
	// Passwords of users that are missing, by name. A user without one is not made.
	Passwords map[string]string

	// Generate makes passwords for those without; Apply returns them.
	Generate bool

	// Change sets policies and permissions that differ. Queues and exchanges are never changed.
	Change bool

	// Made is told of what was made, as it is made. nil: nobody.
	Made func(Difference)
}

// Applied is what came of it.
type Applied struct {
	Left      []Difference      // what still differs
	Generated map[string]string // passwords that were made, by user
}

// Apply makes what is missing, in the order of the differences, and deletes nothing. It ends at the first that cannot be made: what
// was made until then stays, and the next call goes on behind it.
func (d *Drift) Apply(ctx context.Context, m *management.Client, o ApplyOptions) (Applied, error) {
	out := Applied{Left: []Difference{}, Generated: make(map[string]string)}
	for _, diff := range d.Differences {
		f := diff.make
		switch {
		case diff.user != nil && diff.Kind == "user":
			password := o.Passwords[diff.Name]
			if password == "" && o.Generate {
				password = newPassword()
				out.Generated[diff.Name] = password
			}
			if password == "" {
				out.Left = append(out.Left, diff)
				continue
			}
			tags := diff.user.Tags
			f = func(ctx context.Context, m *management.Client) error {
				return m.Put(ctx, map[string]any{"password": password, "tags": tags}, "users", diff.Name)
			}
		case diff.user != nil && o.Passwords[diff.Name] == "" && out.Generated[diff.Name] == "":
			out.Left = append(out.Left, diff) // permissions of a user that was not made
			continue
		}
		if f == nil || diff.State == Differs && !o.Change {
			out.Left = append(out.Left, diff)
			continue
		}
		if err := f(ctx, m); err != nil {
			return out, fmt.Errorf("make %s %q: %w", diff.Kind, diff.Name, err)
		}
		if o.Made != nil {
			o.Made(diff)
		}
	}
	return out, nil
}

// newPassword has 192 bits, and none of the characters that Amazon MQ refuses.
func newPassword() string {
	b := make([]byte, 24)
	rand.Read(b) // never fails
	return base64.RawURLEncoding.EncodeToString(b)
}
