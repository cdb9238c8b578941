package telemetry

import (
	"runtime/debug"
	"strings"
	"testing"
)

func TestDescribeVersion_PrefersLinkerValues(t *testing.T) {
	built := &debug.BuildInfo{
		Main:     debug.Module{Version: "v1.2.3"},
		Settings: []debug.BuildSetting{{Key: "vcs.revision", Value: "abc"}, {Key: "vcs.modified", Value: "true"}},
	}
	for name, c := range map[string]struct {
		version, commit string
		info            *debug.BuildInfo
		want            string
	}{
		"an image":             {"1.4.0", "def", built, "1.4.0 (commit def, go"},
		"go build":             {"", "", built, "v1.2.3 (commit abc, with changes, go"},
		"go run":               {"", "", &debug.BuildInfo{Main: debug.Module{Version: "(devel)"}}, "unreleased (commit unknown, go"},
		"no build information": {"", "", nil, "unreleased (commit unknown, go"},
	} {
		if got := describeVersion(c.version, c.commit, c.info); !strings.HasPrefix(got, c.want) {
			t.Errorf("%s: %q, want %q…", name, got, c.want)
		}
	}
}
