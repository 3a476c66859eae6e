// Package version says which Umbel is linked into this program.
package version

import "runtime/debug"

const modulePath = "github.com/umbel-go/umbel"

// stamped is the version of a release, which the linker writes here.
var stamped string

// Get is the version, and the commit when Umbel's own program was built from one.
func Get() (version, revision string) {
	version = "(devel)"
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return version, ""
	}
	if info.Main.Path != modulePath {
		for _, d := range info.Deps {
			if d.Path == modulePath {
				version = d.Version
			}
		}
		return version, ""
	}
	if info.Main.Version != "" {
		version = info.Main.Version
	}
	if stamped != "" {
		version = stamped
	}
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			revision = s.Value[:min(12, len(s.Value))] + revision
		case s.Key == "vcs.modified" && s.Value == "true":
			revision += ", modified"
		}
	}
	return version, revision
}
