// Command gen writes docs/cli.md from the tree of commands.
package main

import (
	"log"
	"os"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/cli"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) != 2 {
		log.Fatal("usage: gen FILE")
	}
	if err := os.WriteFile(os.Args[1], cli.Reference(umbel.New("umbel"), "umbel"), 0o644); err != nil {
		log.Fatalf("write the page of the command line: %v", err)
	}
}
