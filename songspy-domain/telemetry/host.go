package telemetry

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

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
