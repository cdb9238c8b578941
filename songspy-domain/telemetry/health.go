package telemetry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/pprof"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// readyWithin bounds a question for readiness: an orchestrator asks again soon.
const readyTimeout = 3 * time.Second

// Registry is a fresh registry that already watches the Go runtime, the
// process and the build.
func NewRegistry() *prometheus.Registry {
	reg := prometheus.NewRegistry()
	reg.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		collectors.NewBuildInfoCollector(),
	)
	return reg
}

// AdminHandler answers what only operators may ask, so it belongs on an
// address of its own: /metrics, /debug/pprof/, /healthz and /readyz. Notes are
// sentences on what limits a service that is ready; nil: there are none. Hosts
// are further names that it answers to: see OnlyHosts.
func AdminHandler(reg *prometheus.Registry, ready func(context.Context) error, notes func() []string, hosts ...string) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(reg, promhttp.HandlerOpts{Registry: reg}))
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	mux.Handle("GET /healthz", Healthz())
	mux.Handle("GET /readyz", Readyz(ready, notes))
	return OnlyHosts(mux, hosts...)
}

// Healthz says that the process answers; nothing it depends on is asked.
func Healthz() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { writeText(w, http.StatusOK, "ok") })
}

// Readyz says 200 while ready returns nil, else 503 and why: the messages of
// the songspy.Errors among what is wrong, one a line. Other errors may tell
// too much of the inside and only count as "not ready". The notes follow
// either way, one a line.
func Readyz(ready func(context.Context) error, notes func() []string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), readyTimeout)
		defer cancel()
		status, lines := http.StatusOK, []string{"ready"}
		if err := ready(ctx); err != nil {
			status, lines = http.StatusServiceUnavailable, errorMessages(err)
		}
		if notes != nil {
			lines = append(lines, notes()...)
		}
		writeText(w, status, strings.Join(lines, "\n"))
	})
}

// reasons are what may be shown of an error that may be several joined ones.
func errorMessages(err error) []string {
	if joined, ok := err.(interface{ Unwrap() []error }); ok { //nolint:errorlint // a tree is walked, not searched
		var all []string
		for _, e := range joined.Unwrap() {
			all = append(all, errorMessages(e)...)
		}
		return all
	}
	if e, ok := errors.AsType[*songspy.Error](err); ok && e.Message != "" {
		return []string{e.Message}
	}
	return []string{"not ready"}
}

func writeText(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text+"\n") // whoever asked may have gone
}

// CheckReady asks the service that listens at addr on this machine whether it
// is ready. An address without a host, or one that stands for every address of
// the machine, is asked on loopback. name is the variable that set the address.
func CheckReady(ctx context.Context, name, addr string) error {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("%s: %q is not host:port", name, addr)
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return CheckHealth(ctx, "http://"+net.JoinHostPort(host, port)+"/readyz")
}

// CheckHealth asks a /healthz or /readyz and returns nil if the answer is 200;
// otherwise the error says what the answer said. It serves the `health`
// subcommands: an image without a shell has nothing else to ask with.
func CheckHealth(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout+time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return errors.New("the address to ask for health is no URL")
	}
	// A transport of its own: the environment's proxy has no business here.
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		if e, ok := errors.AsType[*url.Error](err); ok {
			err = e.Err
		}
		return fmt.Errorf("no answer: %w", err)
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(resp.Body, 4<<10))
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", resp.Status, strings.TrimSpace(string(body)))
	}
	return nil
}

// OnlyHosts answers requests whose Host is an address, a name without a dot
// (localhost, a container's name) or one of the given names. A page in an
// operator's browser can point a name of its own at a private address and then
// read what that answers (DNS rebinding); the Host tells such requests apart.
// Any other Host gets 421.
func OnlyHosts(next http.Handler, hosts ...string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !isExpectedHost(r.Host, hosts) {
			writeText(w, http.StatusMisdirectedRequest, "This address is for operators and does not answer to this name. Ask it by its address, or add the name to SONGSPY_ADMIN_HOSTS.")
			return
		}
		next.ServeHTTP(w, r)
	})
}

func isExpectedHost(hostport string, hosts []string) bool {
	host := hostport
	if name, _, err := net.SplitHostPort(hostport); err == nil {
		host = name
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if _, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		return true
	}
	if !strings.Contains(host, ".") || strings.HasSuffix(host, ".localhost") {
		return true
	}
	return slices.ContainsFunc(hosts, func(known string) bool { return strings.EqualFold(known, host) })
}
