// Package telemetrytest checks the metrics of a process against the page that
// documents them, and against Prometheus's conventions.
package telemetrytest

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

// metricPrefix begins the names of the project's own metrics. Metrics without it
// describe the Go runtime and the process.
const metricPrefix = "songspy_"

var (
	// tableRow matches a row of the page's table of metrics: name, type and
	// labels of one metric.
	tableRow = regexp.MustCompile("^\\| `(" + metricPrefix + "[a-z_]+)` \\| ([a-z]+) \\| (.*?) \\|")
	// labelPattern matches a label in the third column of that table.
	labelPattern = regexp.MustCompile("`([a-z]+)`")
	// descPattern matches the text of a prometheus.Desc.
	descPattern = regexp.MustCompile(`fqName: "([a-z_]+)".*variableLabels: \{([a-z,]*)\}`)
	// metricPattern matches a metric in a query.
	metricPattern = regexp.MustCompile(metricPrefix + "[a-z_]+")
	// seriesSuffix matches the suffixes of a histogram's series.
	seriesSuffix = regexp.MustCompile("_(bucket|sum|count)$")
)

// metric is the type and the labels of a metric as the documentation page gives
// them.
type metric struct{ kind, labels string }

// CheckDocumented fails the test unless the given sections of the page list
// exactly the registry's own metrics, with their types and labels. The queries
// of the page must use listed metrics only, and names and help texts must
// follow Prometheus's conventions.
func CheckDocumented(t *testing.T, registry *prometheus.Registry, page string, sections ...string) {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	listed, all := map[string]metric{}, map[string]bool{}
	section, queries := "", false
	for line := range strings.Lines(string(text)) {
		if title, ok := strings.CutPrefix(line, "## "); ok {
			section = strings.TrimSpace(title)
		}
		if strings.HasPrefix(line, "```") {
			queries = !queries
		}
		if m := tableRow.FindStringSubmatch(line); m != nil {
			if all[m[1]] {
				t.Errorf("%s lists %s twice", page, m[1])
			}
			if all[m[1]] = true; slices.Contains(sections, section) {
				listed[m[1]] = metric{m[2], labelNames(m[3])}
			}
		}
		if queries {
			for _, name := range metricPattern.FindAllString(line, -1) {
				if !all[name] && !all[seriesSuffix.ReplaceAllString(name, "")] {
					t.Errorf("a query of %s uses %s, which the page does not list", page, name)
				}
			}
		}
	}
	compareWithPage(t, registry, page, listed)
	problems, err := testutil.GatherAndLint(registry)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if strings.HasPrefix(p.Metric, metricPrefix) {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
}

// labelNames returns the labels that a table cell names, sorted.
func labelNames(cell string) string {
	var names []string
	for _, m := range labelPattern.FindAllStringSubmatch(cell, -1) {
		names = append(names, m[1])
	}
	slices.Sort(names)
	return strings.Join(names, ",")
}

// compareWithPage compares the metrics of the registry with those that the page
// lists.
func compareWithPage(t *testing.T, registry *prometheus.Registry, page string, listed map[string]metric) {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]string{} // by name, for metrics that have a series
	for _, f := range families {
		kinds[f.GetName()] = strings.ToLower(f.GetType().String())
	}
	descs := make(chan *prometheus.Desc)
	go func() { defer close(descs); registry.Describe(descs) }()
	for desc := range descs {
		m := descPattern.FindStringSubmatch(desc.String())
		if m == nil || !strings.HasPrefix(m[1], metricPrefix) {
			continue
		}
		name, actual := m[1], strings.Split(m[2], ",")
		slices.Sort(actual)
		documented, ok := listed[name]
		delete(listed, name)
		switch kind, seen := kinds[name]; {
		case !ok:
			t.Errorf("%s does not list %s", page, name)
		case documented.labels != strings.Join(actual, ","):
			t.Errorf("%s lists %s with the labels %q, but it has %q", page, name, documented.labels, actual)
		case seen && kind != documented.kind:
			t.Errorf("%s lists %s as a %s, but it is a %s", page, name, documented.kind, kind)
		}
	}
	for name := range listed {
		t.Errorf("%s lists %s, which is not registered", page, name)
	}
}
