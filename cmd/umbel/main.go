// Command umbel is the program without tasks of its own: it sends, looks and measures for everyone.
package main

import (
	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/cli"
)

func main() { cli.Main(umbel.New("umbel")) }
