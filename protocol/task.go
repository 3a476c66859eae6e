package protocol

import (
	"time"

	"github.com/umbel-go/umbel/codec"
)

// A Task is the header of a task message: everything a worker needs before it decodes the body.
// Celery: docs "Message Protocol", version 2; version 1 is read into the same fields.
type Task struct {
	Version int // 2 or 1

	Name                string    // header task
	ID                  string    // header id: any non-empty text
	Lang                string    // "py" from Python, "go" from us
	Shadow              string    // alias shown in logs and events instead of Name
	ETA                 time.Time // zero: at once
	Expires             time.Time // zero: never
	Group               string
	GroupIndex          int // meaningful when HasGroupIndex
	HasGroupIndex       bool
	Retries             int
	TimeLimit           time.Duration // hard; 0: none given
	SoftTimeLimit       time.Duration // soft; 0: none given
	RootID              string
	ParentID            string
	ArgsRepr            string
	KwargsRepr          string
	Origin              string
	IgnoreResult        *bool // nil: the message does not say
	ReplacedTaskNesting int
	StampedHeaders      []string
	Stamps              Table

	// Properties and Headers are as received: unknown headers survive a retry, a requeue and a replay.
	Properties Properties
	Headers    Table

	raw    []byte // the body as received, compressed or not; nil for a task that was not received
	body   *Body  // decoded by DecodeBody; for protocol 1 and hybrid messages with the header
	ignore bool   // what IgnoreResult of a received task points to
}

// A Body is the second half of a task message.
type Body struct {
	Args   []codec.Value
	Kwargs []codec.NamedValue // in the order of the message
	Embed  Embed
}

// Embed is the workflow part of a body.
type Embed struct {
	Callbacks []*Signature // nil is null
	Errbacks  []*Signature
	Chain     []*Signature       // remaining steps in reverse order: the last element is the next step; nil is null, empty is []
	Chord     *Signature         // the chord body, in header members
	Extra     []codec.NamedValue // unknown keys, kept
}
