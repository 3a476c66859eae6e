//go:build unix && !darwin

package cli

const rssUnit = 1024 // getrusage counts KiB
