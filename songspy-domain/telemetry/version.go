package telemetry

import (
	"cmp"
	"fmt"
	"runtime"
	"runtime/debug"
)

// Version returns a text with the version of this program, its commit and the Go
// release that built it. The builds of the images and `make build` set the arguments
// version and commit by linker flags. If one is empty, Version uses what `go build`
// recorded in the program.
func Version(version, commit string) string {
	info, _ := debug.ReadBuildInfo()
	return describeVersion(version, commit, info)
}

func describeVersion(version, commit string, info *debug.BuildInfo) string {
	if info != nil {
		if info.Main.Version != "(devel)" {
			version = cmp.Or(version, info.Main.Version)
		}
		modified := false
		recorded := ""
		for _, s := range info.Settings {
			switch s.Key {
			case "vcs.revision":
				recorded = s.Value
			case "vcs.modified":
				modified = s.Value == "true"
			}
		}
		if commit == "" && recorded != "" {
			commit = recorded
			if modified {
				commit += ", with changes"
			}
		}
	}
	return fmt.Sprintf("%s (commit %s, %s)", cmp.Or(version, "unreleased"), cmp.Or(commit, "unknown"), runtime.Version())
}
