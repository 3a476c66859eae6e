// Package arch holds the shape of the house as tests: who may import whom, and why not.
//
//	cmd/umbel   examples/*            wire things together, exit with a code
//	      └─────┬─────┘
//	           cli ────────────────► standard ─► every driver, tracing/otlp
//	   ┌────────┼────────┐
//	 worker    beat   monitor         things that run; they never import each other
//	   │        │        │            (monitor and cli ask scaling how many workers there should be)
//	   └────────┼────────┘
//	          umbel                   the user's words: App, Task, Signature, Chain, Result
//	      ┌─────┴─────┐
//	    event      control            what workers say; what workers are told
//	      └─────┬─────┘
//	    broker     backend   secret   three contracts; each driver is a folder beneath its contract
//	      └─────┬─────┘
//	   protocol   codec               bytes in, values out: no I/O, no goroutines, no clock
//
// A forbidden arrow fails with its reason. The rules look at source files, not at builds, so they hold for every system and
// build tag.
package arch
