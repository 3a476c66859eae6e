package resultstore

import (
	"fmt"
	"strings"
)

// Redis is what a Redis says. What it did not want to tell is zero, and named in Store.Unknown.
type Redis struct {
	Line
	Version  string // "" where it tells nothing about itself
	Password bool   // we gave one
	Anybody  bool   // who gives no password is let in
	Cluster  bool   // it is a node of a Redis Cluster
	Database int    // that of the settings
	Refused  string // why a result could not be stored, read, heard of and removed; "" where it could, or was not tried

	Role      string // master or slave
	Master    string // of a slave, host:port
	Sentinels bool   // it was found through sentinels
	Replicas  int    // of a master
	Away      int    // of them: not in step

	Policy            string // maxmemory-policy
	Memory, MaxMemory int64  // bytes; MaxMemory 0: no bound
	SystemMemory      int64  // of its machine; 0 where it is not known
	Evicted           int64  // keys, since it was started

	Clients, MaxClients int
	Rejected            int64 // connections that were too many, since it was started

	Log            bool // appendonly
	LogFailed      bool // its last write did
	Snapshots      bool // save is set
	SnapshotsKnown bool // save could be asked for
	SnapshotFailed bool // the last one did

	Looked  int  // keys that were passed in search of results
	Results int  // of them: results whose expiry was looked at
	Eternal int  // of Results: those that never expire
	Whole   bool // the database was searched to its end
}

// String is the server in a line.
func (r *Redis) String() string {
	words := []string{"Redis " + r.Version, r.way()}
	if r.Version == "" {
		words[0] = "Redis"
	}
	if r.Role != "" {
		role := "master"
		if r.Role != "master" {
			role = "replica of " + r.Master
		} else if r.Replicas > 0 {
			role += fmt.Sprintf(" of %d", r.Replicas)
		}
		words = append(words, role)
	}
	if r.Memory > 0 {
		memory := Bytes(r.Memory) + " used, no bound"
		if r.MaxMemory > 0 {
			memory = fmt.Sprintf("%s of %s used", Bytes(r.Memory), Bytes(r.MaxMemory))
		}
		words = append(words, memory+", "+r.Policy)
	}
	if r.MaxClients > 0 {
		words = append(words, fmt.Sprintf("%d of %d clients", r.Clients, r.MaxClients))
	}
	if r.Looked > 0 || r.Whole {
		words = append(words, fmt.Sprintf("%d results looked at", r.Results))
	}
	return strings.Join(words, "; ")
}
