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

// readyTimeout is the longest time that one readiness check may take. A check that takes
// longer fails. That does little harm, because orchestrators such as Kubernetes soon repeat
// it.
const readyTimeout = 3 * time.Second

// NewRegistry returns a registry of metrics that already collects metrics of
// the Go runtime, the process and the build.
func NewRegistry() *prometheus.Registry {
	reg := prometheus.NewRegistry()
	reg.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		collectors.NewBuildInfoCollector(),
	)
	return reg
}

// AdminHandler serves /metrics, /debug/pprof/, /healthz and /readyz. They are for operators
// only, so serve it at an address that users cannot reach. notes returns sentences about
// problems of a service that is ready nevertheless; it may be nil. hosts are additional
// host names at which the handler answers: see OnlyHosts.
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

// Healthz returns a handler that always answers 200: the process runs. It checks no
// dependency.
func Healthz() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { writeText(w, http.StatusOK, "ok") })
}

// Readyz returns a handler that answers 200 if ready returns nil, and 503 otherwise. The
// body of a 503 has the messages of the songspy.Errors in the error, one a line. An error
// of any other type may reveal internals, so "not ready" is shown instead of its text. After
// that, the body of a 200 or a 503 has the sentences that notes returns, one a line.
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

// errorMessages returns the messages of the songspy.Errors in the error, which may join
// several errors, and "not ready" in place of any other error.
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
	_, _ = io.WriteString(w, text+"\n") // the client may have disconnected
}

// CheckReady checks whether the service that listens at addr (host:port) on this machine is
// ready. If addr has no host, or the host is an unspecified address such as 0.0.0.0,
// CheckReady connects to 127.0.0.1. name is the configuration variable that set addr, for
// the error message.
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

// CheckHealth requests a /healthz or /readyz URL. It returns nil if the answer is 200, and
// otherwise an error with the text of the answer. The health subcommands of the programs
// use it, because their container image has no shell and no HTTP client.
func CheckHealth(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout+time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return errors.New("the address of the health check is not a URL; check the configuration")
	}
	// Use a separate transport, because http.DefaultTransport would use the proxy settings
	// of the environment.
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

// OnlyHosts returns a handler that passes requests to next if their Host header is an IP
// address, a name without a dot (localhost, a container's name), a name that ends with
// .localhost, or one of the given names. It answers 421 to any other Host. This prevents
// DNS rebinding: a web page in an operator's browser points its own host name at a private
// address, and then reads the answers. The Host header reveals such requests, because it
// contains the page's host name.
func OnlyHosts(next http.Handler, hosts ...string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !isExpectedHost(r.Host, hosts) {
			writeText(w, http.StatusMisdirectedRequest, "This address is for operators and does not accept this host name. Use the IP address, or add the name to SONGSPY_ADMIN_HOSTS.")
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
