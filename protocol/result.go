package protocol

import (
	"time"

	"github.com/umbel-go/umbel/codec"
)

// A Result is one result document: what is stored under a task id and published to whoever waits for it.
// Celery: celery/backends/base.py, _get_result_meta.
type Result struct {
	TaskID         string
	Status         State
	Result         codec.Value // return value, progress meta, or an encoded exception: Status says which
	Traceback      string
	HasTraceback   bool // false is null
	Children       []ResultTuple
	HasChildren    bool      // false is null, true with none is []
	DateDone       time.Time // zero is null
	GroupID        string    // "" is left out
	ParentID       string    // "" is left out
	Extended       *Extended // nil is left out
	StampedHeaders []string
	Stamps         []codec.NamedValue
	Extra          []codec.NamedValue // unknown keys, kept

	// ReplyTo and CorrelationID are not part of the document: they say where rpc:// sends it.
	ReplyTo       string
	CorrelationID string
}

// Extended are the request's own fields, stored when result_extended asks for it.
type Extended struct {
	Name    string
	Args    codec.Value
	Kwargs  codec.Value
	Worker  string
	Retries int
	Queue   string
}
