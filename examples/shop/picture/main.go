// Command picture turns what a program writes to a terminal into an animated SVG, as it happens and at its pace:
//
//	script -qfc 'shop demo -dir my-shop' /dev/null | picture '$ shop demo -dir my-shop' > demo.svg
//
// It knows what the shop's demo uses of a terminal, and refuses anything else.
package main

import (
	"fmt"
	"io"
	"os"
	"time"
)

// frameEvery is the least time between two frames.
const frameEvery = 150 * time.Millisecond

func main() {
	if err := run(os.Args[1:], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintf(os.Stderr, "picture: %v\n", err)
		os.Exit(1)
	}
}

func run(title []string, in io.Reader, out io.Writer) error {
	var t terminal
	for _, line := range title {
		if _, err := t.Write([]byte("\x1b[1m" + line + "\x1b[0m\n")); err != nil {
			return err
		}
	}
	f := film{}
	begun := time.Now()
	f.add(0, t.rows)
	chunk := make([]byte, 64<<10) // more than a drawing
	for {
		n, err := in.Read(chunk)
		if _, err := t.Write(chunk[:n]); err != nil {
			return err
		}
		now := time.Since(begun)
		if now-f.last() >= frameEvery || err != nil {
			f.add(now, t.rows)
		}
		if err == io.EOF {
			_, err := out.Write(f.svg())
			return err
		}
		if err != nil {
			return err
		}
	}
}
