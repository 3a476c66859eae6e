//go:build unix

package worker

import "syscall"

// resourceUsage is getrusage of this process, by Python's names.
func resourceUsage() any {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return "N/A"
	}
	seconds := func(t syscall.Timeval) float64 { return float64(t.Nano()) / 1e9 }
	return object("utime", seconds(u.Utime), "stime", seconds(u.Stime), "maxrss", u.Maxrss, "ixrss", u.Ixrss, "idrss", u.Idrss,
		"isrss", u.Isrss, "minflt", u.Minflt, "majflt", u.Majflt, "nswap", u.Nswap, "inblock", u.Inblock, "oublock", u.Oublock,
		"msgsnd", u.Msgsnd, "msgrcv", u.Msgrcv, "nsignals", u.Nsignals, "nvcsw", u.Nvcsw, "nivcsw", u.Nivcsw)
}
