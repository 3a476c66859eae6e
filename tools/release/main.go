// Command release builds what is released: for each platform a static program in an archive, a bill of what is in it, and the
// sums of all. The same source gives the same bytes, on whatever machine and in whatever folder.
//
//	release -version v1.2.3 -source .. -out ../dist
//	release -sbom PROGRAM                  # prints the bill of one program
package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// platforms are those that are released. Windows runs everything but the process pool.
const platforms = "linux/amd64,linux/arm64,darwin/amd64,darwin/arm64,windows/amd64"

// tags are those that the program is built with.
const tags = "grpcnotrace"

// A release is what is built from which source.
type release struct {
	source, out, version string
	pkg                  string // beneath the source
	epoch                time.Time
}

func main() {
	r := release{pkg: "./cmd/umbel"}
	flag.StringVar(&r.source, "source", "..", "`folder` of the source")
	flag.StringVar(&r.out, "out", "../dist", "`folder` to write to; it is made anew")
	flag.StringVar(&r.version, "version", "", "`version`; default: git describe")
	targets := flag.String("platforms", platforms, "`platforms`, as GOOS/GOARCH with commas between them")
	bill := flag.String("sbom", "", "only print the bill of materials of this `program`")
	flag.Parse()
	err := func() error {
		if *bill != "" {
			text, err := billOf(*bill, "")
			if err == nil {
				_, err = os.Stdout.Write(text)
			}
			return err
		}
		return r.run(strings.Split(*targets, ","))
	}()
	if err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

func (r *release) run(targets []string) error {
	if r.version == "" {
		v, err := r.git("describe", "--tags", "--always", "--dirty")
		if err != nil {
			return fmt.Errorf("no version: give -version, or build from a clone: %w", err)
		}
		r.version = v
	}
	var err error
	if r.epoch, err = r.when(); err != nil {
		return err
	}
	if err := os.RemoveAll(r.out); err != nil {
		return err
	}
	if err := os.MkdirAll(r.out, 0o755); err != nil {
		return err
	}
	var made []string
	for _, t := range targets {
		system, machine, ok := strings.Cut(t, "/")
		if !ok {
			return fmt.Errorf("platform %q: want GOOS/GOARCH", t)
		}
		files, err := r.build(system, machine)
		if err != nil {
			return fmt.Errorf("%s: %w", t, err)
		}
		made = append(made, files...)
	}
	return sums(r.out, made)
}

// when is the time that everything bears: SOURCE_DATE_EPOCH, else that of the commit, else none.
func (r *release) when() (time.Time, error) {
	text := os.Getenv("SOURCE_DATE_EPOCH")
	if text == "" {
		var err error
		if text, err = r.git("log", "-1", "--format=%ct"); err != nil {
			text = "0"
		}
	}
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("SOURCE_DATE_EPOCH: %w", err)
	}
	return time.Unix(seconds, 0).UTC(), nil
}

func (r *release) git(args ...string) (string, error) {
	out, err := exec.Command("git", append([]string{"-C", r.source}, args...)...).Output()
	return strings.TrimSpace(string(out)), err
}

// build makes the archive of one platform, and its bill.
func (r *release) build(system, machine string) ([]string, error) {
	dir, err := os.MkdirTemp("", "umbel-release-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	program := filepath.Join(dir, "umbel")
	if system == "windows" {
		program += ".exe"
	}
	cmd := exec.Command("go", "build", "-C", r.source, "-trimpath", "-buildvcs=false", "-tags", tags,
		"-ldflags", "-s -w -buildid= -X github.com/umbel-go/umbel/internal/version.stamped="+r.version, "-o", program, r.pkg)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+system, "GOARCH="+machine, "GOFLAGS=", "GOAMD64=v1")
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("go build: %w", err)
	}
	others, err := r.notices(cmd.Env)
	if err != nil {
		return nil, err
	}
	notices := filepath.Join(dir, "NOTICES")
	if err := os.WriteFile(notices, others, 0o644); err != nil {
		return nil, err
	}
	bill, err := billOf(program, r.version)
	if err != nil {
		return nil, err
	}
	name := fmt.Sprintf("umbel_%s_%s_%s", strings.TrimPrefix(r.version, "v"), system, machine)
	if err := os.WriteFile(filepath.Join(r.out, name+".cdx.json"), bill, 0o644); err != nil {
		return nil, err
	}
	inside := []member{{name: filepath.Base(program), path: program, mode: 0o755}, {name: "NOTICES", path: notices, mode: 0o644}}
	for _, extra := range []string{"LICENSE", "README.md", "CHANGELOG.md"} {
		inside = append(inside, member{name: extra, path: filepath.Join(r.source, extra), mode: 0o644})
	}
	return []string{name + ".tar.gz", name + ".cdx.json"}, archive(filepath.Join(r.out, name+".tar.gz"), name, inside, r.epoch)
}
