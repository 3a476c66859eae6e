package procpool

import (
	"os"
	"sync"
	"time"
)

// A pipe's writing end, shared by goroutines.
type outlet struct {
	file *os.File

	mu  sync.Mutex // held while a frame is written
	err error      // the first: a frame may have been cut, so that nothing can follow
}

// send writes a frame. patience bounds how long nobody may read; 0 is for ever.
func (o *outlet) send(f frame, patience time.Duration) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err != nil {
		return o.err
	}
	if len(f.payload) > MaxPayload {
		return ErrTooLarge
	}
	if patience > 0 {
		_ = o.file.SetWriteDeadline(time.Now().Add(patience)) // pipes can
	}
	o.err = writeFrame(o.file, f)
	return o.err
}
