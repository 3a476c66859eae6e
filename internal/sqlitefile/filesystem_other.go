//go:build !linux

package sqlitefile

// fileSystem is not known here.
func fileSystem(string) (network string, free int64) { return "", -1 }
