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

// metricPrefix is the prefix of the names of the project's own metrics. Metrics
// without it describe the Go runtime and the process, and are not checked.
const metricPrefix = "songspy_"

var (
	// tableRow matches a row of the page's table of metrics. Its groups capture
	// the name, the type and the labels of one metric.
	tableRow = regexp.MustCompile("^\\| `(" + metricPrefix + "[a-z_]+)` \\| ([a-z]+) \\| (.*?) \\|")
	// labelPattern matches a label in the third column of that table.
	labelPattern = regexp.MustCompile("`([a-z]+)`")
	// descPattern matches the text of a prometheus.Desc. Its groups capture the
	// name and the labels, because Desc has no methods that return them.
	descPattern = regexp.MustCompile(`fqName: "([a-z_]+)".*variableLabels: \{([a-z,]*)\}`)
	// metricPattern matches the name of a metric in a PromQL query.
	metricPattern = regexp.MustCompile(metricPrefix + "[a-z_]+")
	// seriesSuffix matches the suffix that Prometheus appends to the name of a
	// histogram for one of its series.
	seriesSuffix = regexp.MustCompile("_(bucket|sum|count)$")
)

// metric holds the type and the labels of a metric, as the documentation page lists
// them. The labels are sorted and separated by commas.
type metric struct{ kind, labels string }

// CheckDocumented compares the registry's metrics whose names begin with
// metricPrefix with a documentation page in Markdown. The test fails unless the
// given sections of the page list exactly these metrics, with their types and labels.
// Queries in the page's code blocks may use only metrics that the page lists above
// them, in any section. Names and help texts must follow Prometheus's conventions.
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

// labelNames returns the labels in a table cell, sorted and separated by commas.
func labelNames(cell string) string {
	var names []string
	for _, m := range labelPattern.FindAllStringSubmatch(cell, -1) {
		names = append(names, m[1])
	}
	slices.Sort(names)
	return strings.Join(names, ",")
}

// compareWithPage reports an error for each difference between the metrics of the
// registry and those that the page lists. The argument listed holds those of the page by
// name.
func compareWithPage(t *testing.T, registry *prometheus.Registry, page string, listed map[string]metric) {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]string{} // the type of each metric by name; a metric without a series is missing, because Gather omits it
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
