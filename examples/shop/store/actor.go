package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"os/user"
	"sync"
)

// An Actor is on whose behalf something is done: the audit trail names it.
type Actor struct {
	Who  string // such as "web", "task apps.orders.tasks.process_order", "cli ada"
	From string // where: the address of a client, the node name of a worker, a host
	Task string // id of the task, if it is one
	Args string // SHA-256 of the arguments, in hexadecimal
}

type actorKey struct{}

// As returns a context under which what is done is done by an actor.
func As(ctx context.Context, a Actor) context.Context { return context.WithValue(ctx, actorKey{}, a) }

// ActorOf is who acts under a context: nobody in particular is the program's user.
func ActorOf(ctx context.Context) Actor {
	if a, ok := ctx.Value(actorKey{}).(Actor); ok {
		return a
	}
	return operator()
}

// operator is whoever started this program.
var operator = sync.OnceValue(func() Actor {
	a := Actor{Who: "cli"}
	if u, err := user.Current(); err == nil {
		a.Who += " " + u.Username
	}
	a.From, _ = os.Hostname()
	return a
})

// Hash is the SHA-256 of arguments, in hexadecimal.
func Hash(args []byte) string {
	sum := sha256.Sum256(args)
	return hex.EncodeToString(sum[:])
}
