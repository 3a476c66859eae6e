package backend

import (
	"context"

	"github.com/umbel-go/umbel/codec"
	"github.com/umbel-go/umbel/protocol"
)

// Chords is what a Backend can do that counts the parts of chords and keeps groups, which is all but rpc://. A chord is
// joined by whoever records its last part: no process waits for it, and nothing polls.
//
// The counter and the parts expire as documents do.
type Chords interface {
	// ExpectParts sets how many parts complete a chord. It is called before the first part can end, and again with the
	// same number when what begins the chord runs twice.
	ExpectParts(ctx context.Context, group string, parts int) error

	// AddParts raises the number of parts that complete a chord: one of them adds others while it runs.
	// Celery: add_to_chord.
	AddParts(ctx context.Context, group string, parts int) error

	// RecordPart notes that a part has ended, and reports whether the chord is complete by it. That is true for the call
	// that records the last part still missing, and again when the same task is recorded again, so that a worker which
	// dies between recording and what must follow is made good by the next run of its message; never for a task that was
	// not the last. A task that is recorded again with the same outcome counts once. After ForgetChord nothing completes
	// the chord.
	RecordPart(ctx context.Context, p ChordPart) (complete bool, err error)

	// ChordParts calls each with the recorded parts in the order of their index, those without one last.
	ChordParts(ctx context.Context, group string, each func(ChordPart) error) error

	// ForgetChord removes the counter and the parts, once what follows the chord is confirmed.
	ForgetChord(ctx context.Context, group string) error

	// SaveGroup keeps the tuple of a group under its id. Celery: GroupResult.save.
	SaveGroup(ctx context.Context, t protocol.ResultTuple) error

	// LoadGroup reads a saved group. ErrNotFound when there is none.
	LoadGroup(ctx context.Context, id string) (protocol.ResultTuple, error)

	// ForgetGroup removes a saved group; the results of its members stay.
	ForgetGroup(ctx context.Context, id string) error
}

// A ChordPart is how one part of a chord ended.
type ChordPart struct {
	Group    string
	TaskID   string
	Index    int // place among the parts; meaningful when HasIndex
	HasIndex bool
	State    protocol.State
	Result   codec.Value // return value, or the encoded exception
}
