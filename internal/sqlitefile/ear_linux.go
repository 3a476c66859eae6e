package sqlitefile

import (
	"encoding/binary"
	"os"

	"golang.org/x/sys/unix"
)

// An ear waits for the kernel's word (inotify) that the lock file was written, or closed by a process that ends.
type ear struct {
	events *os.File // nil: polling
	done   chan struct{}
	poller *poller
}

func startEar(b *bell) *ear {
	fd, err := unix.InotifyInit1(unix.IN_NONBLOCK | unix.IN_CLOEXEC)
	if err == nil {
		if _, err = unix.InotifyAddWatch(fd, b.file.Name(), unix.IN_MODIFY|unix.IN_CLOSE_WRITE); err != nil {
			unix.Close(fd)
		}
	}
	if err != nil {
		b.log.Warn("cannot watch the lock file: looking at it every "+pollEvery.String()+" instead; raise fs.inotify.max_user_instances",
			"file", b.file.Name(), "error", err)
		return &ear{poller: startPoller(b)}
	}
	e := &ear{events: os.NewFile(uintptr(fd), "inotify"), done: make(chan struct{})}
	go e.listen(b)
	return e
}

// listen ends when the file is closed.
func (e *ear) listen(b *bell) {
	defer close(e.done)
	buf := make([]byte, 4096)
	for {
		n, err := e.events.Read(buf)
		if err != nil {
			return
		}
		var mask uint32
		for rest := buf[:n]; len(rest) >= unix.SizeofInotifyEvent; {
			mask |= binary.NativeEndian.Uint32(rest[4:])
			name := int(binary.NativeEndian.Uint32(rest[12:]))
			rest = rest[min(len(rest), unix.SizeofInotifyEvent+name):]
		}
		switch {
		case mask&unix.IN_Q_OVERFLOW != 0:
			b.everything()
		default:
			if mask&unix.IN_MODIFY != 0 {
				b.hear()
			}
			if mask&unix.IN_CLOSE_WRITE != 0 {
				b.departed()
			}
		}
	}
}

func (e *ear) close() error {
	if e.poller != nil {
		return e.poller.close()
	}
	err := e.events.Close()
	<-e.done
	return err
}
