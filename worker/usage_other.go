//go:build !unix

package worker

// resourceUsage is what this system tells: nothing.
func resourceUsage() any { return "N/A" }
