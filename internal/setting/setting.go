package setting

// A Setting is one row of the table.
type Setting struct {
	Name    string // Celery's lower-case name, or our own of the same grammar
	Old     string // Celery's upper-case name; "" when it never had one
	Type    Type
	Celery  string // default in Celery, as Python prints it; "" for our own settings
	Default string // default here, where it is another than Celery's
	Class   Class
	Why     string // Accepted: why it has no meaning here; Refused: what to use instead
	Doc     string // what it does, one or two sentences
	Secret  bool   // the whole value is never shown
	OneOf   []string
	Idle    any     // Later: a value that says what happens anyway, so that the log need not say that it has no effect
	Min     float64 // numbers and times must not be below; 0 by default, Unbounded for none
	Max     float64 // and not above; 0 for no bound
	Own     bool    // Umbel's own, unknown to Celery
	Extra   bool    // Celery reads it, but outside its table of 198
}

// Unbounded, as Setting.Min, allows negative numbers.
const Unbounded = -1e18

// Class says what becomes of a setting.
type Class int

const (
	// Works: it does what it says.
	Works Class = iota

	// Later: it is read and checked, and has no effect yet; the log says so.
	Later

	// Accepted: it has no meaning in Go. It is taken, and the log says why.
	Accepted

	// Refused: going on without it would do harm, so it is an error that says what to use instead.
	Refused
)

func (c Class) String() string {
	return [...]string{"works", "no effect yet", "accepted", "refused"}[c]
}

// Type is what a setting's value must be.
type Type int

// Types of values, with the Go value each is read into. A null is nil for all of them.
const (
	Text     Type = iota // string
	Bool                 // bool
	Int                  // int64
	Float                // float64
	Seconds              // time.Duration; 0 stays 0
	Rate                 // string such as "100/m"
	Zone                 // string: an IANA name
	Texts                // []string
	URL                  // string
	URLs                 // []string, written as a list or separated by ";"
	Map                  // map[string]any
	TLS                  // TLSOptions
	Routes               // []Route
	Queues               // []Queue
	Retry                // RetryPolicy
	Entries              // []schedule.Entry
	Delivery             // int64: 1 or 2
	Any                  // whatever it is
)

func (t Type) String() string {
	return [...]string{"text", "true or false", "whole number", "number", "seconds", "rate", "time zone", "list of text", "URL",
		"URL or list of URLs", "map", "true, false or map", "map or list of maps", "map or list of maps", "map", "map of maps",
		"1, 2, transient or persistent", "any"}[t]
}
