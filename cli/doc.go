// Package cli turns an app into a program: worker, call, result, purge and the other commands, with Celery's flags where
// Celery has the command.
//
//	func main() { cli.Main(tasks.App) }
//
// A file per command. What they share: program (one run of the command line), fault (what ends it, and with which code),
// session (settings and connections), text for people (help, table, bar, paint).
//
// Exit codes, part of the contract with scripts:
//
//	0   done
//	1   it failed: a task that did not succeed, a question answered with no, a cold shutdown
//	2   usage: a command, flag or argument that makes no sense
//	69  broker or result store cannot be reached
//	73  the pid file cannot be made: another worker has it
//	78  settings that make no sense
package cli

//go:generate go run -tags grpcnotrace ./gen ../docs/cli.md
