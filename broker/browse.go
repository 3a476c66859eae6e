package broker

import "context"

// A Browser is a Broker that can show what waits in a queue. All of ours are.
type Browser interface {
	// Browse shows f the ready messages of a queue in the order in which they would be handed out, no more than limit;
	// more is true when there are others. ErrNoQueue when the queue does not exist.
	//
	// A message stays in its place unless f returns true: it is then removed, for good, once f has returned. What f does
	// before that comes first: a copy that it has published is there should this process end in between. A message that
	// somebody else has taken meanwhile is not shown, or not removed: f may so have copied what another consumer takes.
	//
	// An error of f, or the end of ctx, ends it; what was removed until then is. Brokers may hand messages out to show
	// them: nobody else then sees them before the end, they count as handed out once more, and a quorum queue may put them
	// behind the rest.
	Browse(ctx context.Context, queue string, limit int, f func(*Message) (remove bool, err error)) (more bool, err error)
}
