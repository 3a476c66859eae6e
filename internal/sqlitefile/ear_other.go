//go:build !linux

package sqlitefile

// An ear polls: this system has no watch that costs as little.
type ear struct{ *poller }

func startEar(b *bell) *ear { return &ear{startPoller(b)} }
