package doctor

import (
	"strings"
)

// A creation is a broker of Amazon MQ as a command or Terraform makes it. Its fields are "" where they are not given, or not
// known; at holds where each stands.
type creation struct {
	version, instance, mode, engine string
	public                          string // "true", "false", "" when nothing is said
	password                        string // written out
	terraform                       bool
	patches                         string // auto_minor_version_upgrade
	window                          bool   // a maintenance window is chosen
	fromFile                        bool   // what is not given may stand in a file
	at                              map[string]Place
	Place
}

// place is where a field stands, or the broker as a whole.
func (c creation) place(field string) Place {
	if p, ok := c.at[field]; ok {
		return p
	}
	return c.Place
}

// createdByCommand reads aws mq create-broker.
func createdByCommand(c command) creation {
	b := creation{Place: c.Place, at: make(map[string]Place)}
	take := func(field string, names ...string) string {
		w, ok := c.option(names...)
		if ok {
			b.at[field] = w.Place
		}
		return w.text
	}
	b.engine = take("engine", "--engine-type")
	b.version = take("version", "--engine-version")
	b.instance = take("instance", "--host-instance-type")
	b.mode = take("mode", "--deployment-mode")
	b.fromFile = c.flag("--cli-input-json", "--cli-input-yaml")
	switch {
	case c.flag("--publicly-accessible"):
		b.public = "true"
	case c.flag("--no-publicly-accessible"):
		b.public = "false"
	}
	for _, part := range strings.Split(take("password", "--users"), ",") {
		if v, ok := strings.CutPrefix(part, "Password="); ok && !strings.HasPrefix(v, "$") {
			b.password = v
		}
	}
	return b
}
