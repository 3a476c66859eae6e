package sqlitefile

import "syscall"

// networks are the file systems of a network by their magic number. linux/magic.h
var networks = map[uint32]string{
	0x6969: "NFS", 0x517b: "SMB", 0xfe534d42: "SMB", 0xff534d42: "CIFS", 0x01021997: "9p", 0x00c36400: "Ceph", 0x0bd00bd0: "Lustre", 0x5346414f: "AFS",
}

// fileSystem is the name of the file system of a folder where that is one of a network, and what is free on it.
func fileSystem(dir string) (network string, free int64) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return "", -1
	}
	return networks[uint32(s.Type)], int64(s.Bavail) * int64(s.Bsize)
}
