package testenv

import (
	"path/filepath"
	"runtime"
	"testing"
)

// A server's watcher takes a lock for as long as it lives and never looks at it again.
func TestALockThatNobodyReleasesIsHeld(t *testing.T) {
	path := filepath.Join(t.TempDir(), "alive")
	if _, err := lockExclusive(path); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		collected := make(chan struct{})
		runtime.AddCleanup(new([64]byte), func(c chan struct{}) { close(c) }, collected)
		runtime.GC()
		<-collected // and so is what was garbage with it
	}
	if !locked(path) {
		t.Error("the collector has released it")
	}
}
