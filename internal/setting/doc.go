// Package setting knows every setting by name, reads them from files, variables and flags, and says what is wrong with
// them: all of it at once, each with its place.
//
//	umbel.yaml ─┐
//	variables  ─┼─► Node (text with a place) ─► Setting.Type reads it ─► Value ─► umbel.Config
//	flags      ─┘                                   └─► Problem
//
// The table (table_*.go) is the one home of a setting's name, Celery's old name, type, default and meaning; the manual's
// page of settings is written from it.
package setting

//go:generate go run ./gen ../../docs/settings.md
