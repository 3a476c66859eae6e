package amazonmq

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// A Plan is what a broker is to be created with.
type Plan struct {
	Name           string            `json:"name"`
	Version        string            `json:"version"`
	Instance       string            `json:"instance"`
	Mode           string            `json:"mode"`
	Public         *bool             `json:"public"` // nil: not said, which AWS does not take
	Subnets        []string          `json:"subnets,omitempty"`
	SecurityGroups []string          `json:"security_groups,omitempty"`
	User           string            `json:"user"`
	KMSKey         string            `json:"kms_key,omitempty"` // "": one that AWS owns
	Logs           bool              `json:"general_logs"`
	Window         *Window           `json:"maintenance_window,omitempty"` // nil: AWS chooses
	Configuration  string            `json:"configuration,omitempty"`      // ID, or ID:REVISION
	Tags           map[string]string `json:"tags,omitempty"`
}

// A Window is when a broker is maintained: weekly, for at most two hours from then.
type Window struct {
	Day  string `json:"day"`  // MONDAY
	Time string `json:"time"` // 02:00
	Zone string `json:"zone"` // UTC, or a name such as Europe/Berlin
}

func (w Window) String() string { return w.Day + " " + w.Time + " " + w.Zone }

// ParseWindow reads "sunday 02:00" and "sunday 02:00 Europe/Berlin".
func ParseWindow(text string) (*Window, error) {
	parts := strings.Fields(text)
	if len(parts) == 2 {
		parts = append(parts, "UTC")
	}
	if len(parts) != 3 {
		return nil, fmt.Errorf("want a day, a time and a zone, such as %q", "sunday 02:00 UTC")
	}
	w := &Window{Day: strings.ToUpper(parts[0]), Time: parts[1], Zone: parts[2]}
	if !slices.Contains(days, w.Day) {
		return nil, fmt.Errorf("%q is no day of the week", parts[0])
	}
	if _, err := time.Parse("15:04", w.Time); err != nil {
		return nil, fmt.Errorf("%q is no time: write 02:00", w.Time)
	}
	if _, err := time.LoadLocation(w.Zone); err != nil {
		return nil, fmt.Errorf("%q is no time zone", w.Zone)
	}
	return w, nil
}

var days = []string{"MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY"}

// A Problem is something that is wrong with a plan.
type Problem struct {
	Field   string `json:"field"` // as the command line calls it
	What    string `json:"what"`
	Instead string `json:"instead,omitempty"`
}

func (p Problem) String() string {
	if p.Instead == "" {
		return p.Field + ": " + p.What
	}
	return p.Field + ": " + p.What + ": " + p.Instead
}

// Quotas of Amazon MQ.
const (
	maxName           = 50
	maxSecurityGroups = 5
	maxTags           = 50
)

var (
	subnetID = regexp.MustCompile(`^subnet-[0-9a-f]{8,17}$`)
	groupID  = regexp.MustCompile(`^sg-[0-9a-f]{8,17}$`)
	keyARN   = regexp.MustCompile(`^(arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:(key|alias)/.+|[0-9a-f]{8}-[0-9a-f-]{27})$`)
	configID = regexp.MustCompile(`^c-[0-9a-f-]{36}(:[0-9]+)?$`)
)

// Refused is everything for which AWS would refuse the plan, in the order of its fields.
func (p Plan) Refused() []Problem {
	var out []Problem
	add := func(field, instead, format string, a ...any) {
		out = append(out, Problem{Field: field, What: fmt.Sprintf(format, a...), Instead: instead})
	}
	switch {
	case p.Name == "":
		add("NAME", "letters, digits and - _ . ~, at most 50", "a broker needs one")
	case len(p.Name) > maxName:
		add("NAME", "", "it has %d characters, AWS takes %d", len(p.Name), maxName)
	case !allOf(p.Name, letters+digits+"-_.~"):
		add("NAME", "", "%q: AWS takes letters, digits and - _ . ~", p.Name)
	}
	p.refusedKind(add)
	p.refusedNetwork(add)
	if why := CheckUser(p.User); why != "" {
		add("user", "", "%q: %s", p.User, why)
	}
	if p.KMSKey != "" && !keyARN.MatchString(p.KMSKey) {
		add("kms-key-id", "its ARN", "%q is no key of KMS", p.KMSKey)
	}
	if p.Configuration != "" && !configID.MatchString(p.Configuration) {
		add("configuration", "c-…, and :REVISION may follow", "%q is no configuration", p.Configuration)
	}
	if len(p.Tags) > maxTags {
		add("tags", "", "there are %d, AWS takes %d", len(p.Tags), maxTags)
	}
	for _, k := range keys(p.Tags) {
		switch v := p.Tags[k]; {
		case k == "" || len(k) > 128 || len(v) > 256:
			add("tags", "", "%q: a key has 1 to 128 characters, a value at most 256", k)
		case strings.HasPrefix(strings.ToLower(k), "aws:"):
			add("tags", "", "%q: keys that begin with aws: are AWS's", k)
		}
	}
	return out
}

// refusedKind looks at version, instance type and mode.
func (p Plan) refusedKind(add func(field, instead, format string, a ...any)) {
	offered := strings.Join(Supported(), ", ")
	v, patch, known := FindVersion(p.Version)
	switch {
	case p.Version == "":
		add("engine-version", offered, "a broker needs one")
	case !known:
		add("engine-version", offered, "Amazon MQ has no RabbitMQ %s", p.Version)
	case !v.End.IsZero():
		add("engine-version", offered, "RabbitMQ %s cannot be created any more: its support ended on %s", v.Name, v.End.Format("2 January 2006"))
	case patch:
		add("engine-version", v.Name, "%s names a patch: AWS applies those by itself", p.Version)
	}
	i, found := FindInstance(p.Instance)
	switch {
	case p.Instance == "":
		add("host-instance-type", "umbel broker sizes lists them", "a broker needs a type")
	case !found:
		add("host-instance-type", "umbel broker sizes lists them", "Amazon MQ for RabbitMQ has no %s", p.Instance)
	case known && !i.Runs(v.Name):
		add("host-instance-type", "mq.m7g.large, or mq.m7g.medium for tests", "RabbitMQ %s does not run on %s", v.Name, i.Name)
	case i.Single && p.Mode == Cluster:
		add("host-instance-type", "mq.m7g.large", "%s cannot be part of a cluster", i.Name)
	}
	if !slices.Contains(Modes, p.Mode) {
		add("deployment-mode", strings.Join(Modes, " or "), "RabbitMQ has no deployment mode %q", p.Mode)
	}
}

// refusedNetwork looks at where the broker is reached.
func (p Plan) refusedNetwork(add func(field, instead, format string, a ...any)) {
	if p.Public == nil {
		add("publicly-accessible", "--no-publicly-accessible, or --publicly-accessible", "AWS wants it to be said whether the broker is open to the Internet")
	}
	private := p.Public != nil && !*p.Public
	switch {
	case private && len(p.Subnets) == 0:
		add("subnet-ids", "one for each availability zone", "a private broker needs at least one")
	case p.Mode == Single && len(p.Subnets) > 1:
		add("subnet-ids", "one", "a single instance lives in one subnet, not in %d", len(p.Subnets))
	}
	for i, s := range p.Subnets {
		if !subnetID.MatchString(s) {
			add("subnet-ids", "subnet-…", "%q is no subnet", s)
		} else if slices.Contains(p.Subnets[:i], s) {
			add("subnet-ids", "subnets of different availability zones", "%s is there twice", s)
		}
	}
	if p.Public != nil && *p.Public && len(p.SecurityGroups) > 0 {
		add("security-groups", "a private broker", "a broker that is open to the Internet takes none")
	}
	if len(p.SecurityGroups) > maxSecurityGroups {
		add("security-groups", "", "there are %d, AWS takes %d", len(p.SecurityGroups), maxSecurityGroups)
	}
	for i, g := range p.SecurityGroups {
		if !groupID.MatchString(g) {
			add("security-groups", "sg-…", "%q is no security group", g)
		} else if slices.Contains(p.SecurityGroups[:i], g) {
			add("security-groups", "", "%s is there twice", g)
		}
	}
}

// Doubts are what AWS takes, and what we would think twice about.
func (p Plan) Doubts(n Need) []Problem {
	var out []Problem
	add := func(field, instead, format string, a ...any) {
		out = append(out, Problem{Field: field, What: fmt.Sprintf(format, a...), Instead: instead})
	}
	i, found := FindInstance(p.Instance)
	if strings.HasPrefix(p.Version, "3.") {
		add("engine-version", "4.2, where its clients allow", "RabbitMQ %s is the last of the 3 series", p.Version)
	}
	if found && i.Testing {
		add("host-instance-type", "mq.m7g.large", "AWS names %s for tests only", i.Name)
	}
	if found && !i.Fits(n, Headroom) {
		instead := "fewer processes, or several brokers"
		if better, ok := Smallest(p.Version, n); ok {
			instead = better.Name
		}
		for _, l := range i.Limits(n) {
			switch {
			case l.Share() > 100:
				add("host-instance-type", instead, "%s: more than it takes", l)
			case l.Share() > Headroom:
				add("host-instance-type", instead, "%s: a deployment, which has old and new processes connected at once, needs twice that", l)
			}
		}
	}
	if p.Mode == Single {
		add("deployment-mode", Cluster+" in production", "a single instance is away while it is maintained, and with its availability zone; its queues have one copy")
	}
	if p.Public != nil && *p.Public {
		add("publicly-accessible", "--no-publicly-accessible, reached by VPN or bastion", "its password is all that protects the broker, and it cannot be made private later")
	}
	if p.Mode == Cluster && len(p.Subnets) > 1 {
		add("subnet-ids", "", "%d subnets: each has to be in another availability zone, which only AWS can tell", len(p.Subnets))
	}
	if p.Public != nil && !*p.Public && len(p.SecurityGroups) == 0 {
		add("security-groups", "one that lets 5671 and 443 in from workers and senders", "the default group of the VPC is used, which lets in itself only")
	}
	if !p.Logs {
		add("no-logs", "take it away", "without general logs nobody can tell afterwards why the broker closed a connection")
	}
	if p.Window == nil {
		add("maintenance-window", `--maintenance-window "sunday 02:00 UTC"`, "AWS chooses the hours in which nodes are restarted: they may be your busiest")
	}
	return out
}

func keys(m map[string]string) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}
