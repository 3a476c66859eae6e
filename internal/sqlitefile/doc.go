// Package sqlitefile shares one SQLite database file between everything in this process that opens the same path, and
// between the processes of a host.
//
//	Write ─┐                                           ┌─ listeners in this process
//	Write ─┼─► writer goroutine ─► one transaction ─► fsync ─► Ring ─┤
//	Write ─┘   (whoever waits)     BEGIN … COMMIT      └─ the bell file ─► listeners in other processes
//	Read  ───► a small pool of read-only connections, each call one snapshot
//
// Three files stand beside SQLite's own (-wal, -shm): none but PATH-lock, which holds no data that matters. Its first
// bytes are the turn that writers of different processes take in order, its next 512 are the bell, and a locked byte far
// beyond its end is the sign of life of each process (Hold).
package sqlitefile
