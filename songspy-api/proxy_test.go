package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/store/storetest"
	"github.com/songspy/songspy/songspy-sim/sim"

	"github.com/songspy/songspy/songspy-api/internal/board"
)

// site is the host name in the example configurations.
const site = "songs.example.org"

// proxy is a running proxy with one of the example configurations, in front of a testAPI.
type proxy struct {
	secure, plain string // its addresses for https and http; plain is empty if http is not tested
	log           string // the path of its access log; empty if it has none
}

// The proxies run with the examples in deploy/proxy; only addresses, paths and certificates are
// changed. If a proxy is not installed, needProxy skips its test.
func TestProxyExamples_ServeTheAPIAndForwardClientAddresses(t *testing.T) {
	for name, start := range map[string]func(*testing.T, ...string) proxy{"nginx": startNginx, "caddy": startCaddy} {
		t.Run(name, func(t *testing.T) {
			needProxy(t, name)
			t.Parallel()
			w := newTestAPI(t, storetest.SQLite, "SONGSPY_TRUSTED_PROXIES", "127.0.0.1", "SONGSPY_SIGN_INS_PER_MINUTE", "2", "SONGSPY_PUBLIC_URL", "https://"+site)
			p := start(t, w.publicListener.Addr().String())
			query := func(method, path, body string, header ...string) (int, string, http.Header) {
				t.Helper()
				return p.request(t, p.secure, "https", method, path, body, header...)
			}
			if status, body, _ := query("GET", "/readyz", ""); status != 200 || !strings.Contains(body, `"SUCCESS"`) {
				t.Fatalf("/readyz: status %d, %s", status, body)
			}
			if status, _, header := query("GET", "/", ""); status != 200 || header.Get("Strict-Transport-Security") == "" || header.Get("Content-Security-Policy") == "" {
				t.Errorf("the page: status %d, headers %v", status, header)
			}
			if p.plain != "" {
				if status, _, header := p.request(t, p.plain, "http", "GET", "/readyz", ""); status != 301 || header.Get("Location") != "https://"+site+"/readyz" {
					t.Errorf("plain http: status %d, Location %q", status, header.Get("Location"))
				}
			}
			// The limit applies to the client's address, not to a forged X-Forwarded-For.
			limited := false
			for _, forged := range []string{"203.0.113.1", "203.0.113.2", "203.0.113.3", "203.0.113.4"} {
				status, _, _ := query("POST", prefix+"/google-auth", `{"accessToken":"`+w.sim.GoogleToken(0, sim.GoogleClientID)+`"}`,
					"Content-Type", "application/json", "X-Forwarded-For", forged)
				limited = limited || status == http.StatusTooManyRequests
			}
			if !limited {
				t.Error("a forged X-Forwarded-For evades the limit")
			}
			if status, body, _ := query("POST", prefix+"/google-auth", `{"accessToken":"`+strings.Repeat("x", 100_000)+`"}`, "Content-Type", "application/json"); !strings.Contains(body, `"result"`) {
				t.Errorf("the proxy, not the API, answers a body that is too large: status %d, %s", status, body)
			}
			p.checkStream(t, w)
			query("GET", "/embed/hunter2.svg", "")
			query("GET", "/overlay/hunter2", "")
			query("POST", prefix+"/spotify-auth?code=hunter2", "")
			if p.log == "" {
				return
			}
			w.eventually(t, "the request is in the proxy's log", func() bool {
				log, err := os.ReadFile(p.log)
				if err != nil || bytes.Contains(log, []byte("hunter2")) {
					t.Fatalf("the log holds a code or a token, or cannot be read (%v):\n%s", err, log)
				}
				return bytes.Contains(log, []byte("/spotify-auth "))
			})
		})
	}
}

// needProxy skips the test if the proxy is not installed; in CI nginx must be.
func needProxy(t *testing.T, name string) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		if name == "nginx" && os.Getenv("CI") != "" {
			t.Fatal("nginx is not installed")
		}
		t.Skipf("NOT TESTED: %s is not installed", name)
	}
}

func TestProxyExamples_StreamsEndWithTheirReplicaAndContinueAtAnotherOne(t *testing.T) {
	needProxy(t, "nginx")
	t.Parallel()
	const streams = 40
	w := newTestAPI(t, storetest.Postgres, "SONGSPY_TRUSTED_PROXIES", "127.0.0.1")
	_, replica, end := w.startReplica(t)
	p := startNginx(t, w.publicListener.Addr().String(), replica.publicListener.Addr().String())
	type ended struct {
		text string
		err  error
		at   time.Time
	}
	ends := make(chan ended)
	open := func() {
		t.Helper()
		resp := p.send(t, p.secure, "https", "GET", prefix+"/listening/stream", "")
		t.Cleanup(func() { _ = resp.Body.Close() })
		in := bufio.NewReader(resp.Body)
		line, err := in.ReadString('\n')
		if err != nil || !strings.HasPrefix(line, "retry: ") || resp.StatusCode != http.StatusOK || len(resp.TransferEncoding) != 1 {
			t.Fatalf("the stream begins with %q, error %v, status %d, encoding %q, want chunks of nginx", line, err, resp.StatusCode, resp.TransferEncoding)
		}
		go func() {
			text, err := io.ReadAll(in)
			select {
			case ends <- ended{string(text), err, time.Now()}:
			case <-t.Context().Done():
			}
		}()
	}
	for range streams {
		open()
	}
	atReplica := replica.board.Stats().Streams
	if here := w.board.Stats().Streams; here+atReplica != streams || here == 0 || atReplica == 0 {
		t.Fatalf("%d and %d streams are open at the replicas, want %d at both", here, atReplica, streams)
	}
	stopped := time.Now()
	go end()
	var times []time.Duration
	for range atReplica {
		// The client must get the last event, and then the proper end of the answer: ReadAll would
		// return an error if a chunk were cut off. Clients wait for a random fraction of the time that
		// the server has sent as retry before they connect again. The fraction may be 0, so this
		// client connects at once.
		e := <-ends
		if e.err != nil || !strings.HasSuffix(e.text, "event: end\ndata: {\"reason\":\"restart\"}\n\n") {
			t.Errorf("a stream ended with %q, error %v", e.text, e.err)
		}
		times = append(times, e.at.Sub(stopped))
		open()
	}
	if here := w.board.Stats().Streams; here != streams {
		t.Errorf("%d streams are open at the other replica, want all %d", here, streams)
	}
	slices.Sort(times)
	if first, last := times[0], times[len(times)-1]; last-first < board.DrainTime/2 {
		t.Errorf("the streams ended from %v to %v after the stop, want them spread over %v", first, last, board.DrainTime)
	}
}

// checkStream checks that the proxy passes a stream on while it is open, neither buffered
// nor compressed, and that it closes the stream when the client has gone.
func (p proxy) checkStream(t *testing.T, w *testAPI) {
	t.Helper()
	ann, _, err := w.db.SignIn(t.Context(), songspy.GoogleProfile{Subject: "ann"}, songspy.AudienceEveryone)
	if err != nil {
		t.Fatal(err)
	}
	(&worldPair{t: t}).link(w.db, ann.ID)
	resp := p.send(t, p.secure, "https", "GET", prefix+"/listening/stream", "", "Accept-Encoding", "gzip, zstd")
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "text/event-stream" || resp.Header.Get("Content-Encoding") != "" {
		t.Errorf("the stream: status %d, headers %v", resp.StatusCode, resp.Header)
	}
	in := bufio.NewReader(resp.Body)
	want := func(prefixes ...string) {
		t.Helper()
		for _, prefix := range prefixes {
			if line, err := in.ReadString('\n'); err != nil || !strings.HasPrefix(line, prefix) {
				t.Fatalf("the stream has the line %q, error %v, want %q", line, err, prefix)
			}
		}
	}
	want("retry: ", "\n", "event: snapshot\n", "data: {", "\n")
	w.writePlayback(t, ann.ID, "A song")
	want("event: playing\n", "data: {", "\n")
	if _, err := w.db.EraseUser(t.Context(), ann.ID); err != nil {
		t.Fatal(err)
	}
	want("event: gone\n", "data: {", "\n")
	_ = resp.Body.Close()
	w.eventually(t, "the service to know that the client has gone", func() bool { return w.board.Stats().Streams == 0 })
}

// request sends a request for the site to the address, and reads the answer.
func (p proxy) request(t *testing.T, addr, scheme, method, path, body string, header ...string) (int, string, http.Header) {
	t.Helper()
	resp := p.send(t, addr, scheme, method, path, body, header...)
	defer resp.Body.Close()
	got, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(got), resp.Header
}

// send sends a request for the site to the address. It does not follow redirects.
func (p proxy) send(t *testing.T, addr, scheme, method, path, body string, header ...string) *http.Response {
	t.Helper()
	client := &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DisableKeepAlives: true,
			TLSClientConfig:   &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // a certificate of this test
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, "tcp", addr)
			},
		},
	}
	r, err := http.NewRequestWithContext(t.Context(), method, scheme+"://"+site+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	return resp
}

// startNginx starts nginx with the example configuration, in front of the APIs at these
// addresses.
func startNginx(t *testing.T, apis ...string) proxy {
	dir := t.TempDir()
	p := proxy{secure: freeAddr(t), plain: freeAddr(t), log: filepath.Join(dir, "access.log")}
	writeCertificate(t, dir)
	example := readExample(t, "nginx.conf", map[string]string{
		"listen 80;":                     "listen " + p.plain + ";",
		"listen [::]:80;":                "",
		"listen 443 ssl;":                "listen " + p.secure + " ssl;",
		"listen [::]:443 ssl;":           "",
		"server 127.0.0.1:8080;":         "server " + strings.Join(apis, ";\nserver ") + ";",
		"/etc/ssl/songs.example.org.pem": filepath.Join(dir, "site.pem"),
		"/etc/ssl/songs.example.org.key": filepath.Join(dir, "site.key"),
		"/var/log/nginx/songspy.log":     p.log,
		"client_max_body_size 1m;":       "client_max_body_size 1m; client_body_temp_path " + dir + "/body; proxy_temp_path " + dir + "/proxy;",
	})
	user := ""
	if os.Geteuid() == 0 {
		user = "user root;\n"
	}
	config := user + "daemon off;\npid " + dir + "/nginx.pid;\nerror_log stderr;\nevents {}\nhttp {\nfastcgi_temp_path " + dir + "/f; uwsgi_temp_path " + dir + "/u; scgi_temp_path " + dir + "/s;\n" + example + "}\n"
	path := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	runProxy(t, toSite, p.secure, "nginx", "-p", dir, "-e", "stderr", "-c", path)
	return p
}

// startCaddy starts Caddy with the example configuration, in front of the APIs at these
// addresses.
func startCaddy(t *testing.T, apis ...string) proxy {
	dir := t.TempDir()
	p := proxy{secure: freeAddr(t)}
	_, port, _ := net.SplitHostPort(p.secure)
	example := readExample(t, "Caddyfile", map[string]string{
		"songs.example.org {": "https://" + site + ":" + port + " {\n\tbind 127.0.0.1\n\ttls internal",
		"127.0.0.1:8080":      strings.Join(apis, " "),
	})
	path := filepath.Join(dir, "Caddyfile")
	if err := os.WriteFile(path, []byte("{\n\tadmin off\n\tskip_install_trust\n\tauto_https disable_redirects\n\tstorage file_system "+dir+"/storage\n}\n"+example), 0o600); err != nil {
		t.Fatal(err)
	}
	runProxy(t, toSite, p.secure, "caddy", "run", "--adapter", "caddyfile", "--config", path)
	return p
}

// readExample returns an example configuration in which the keys of changes are replaced by their
// values. Each key must occur in the example.
func readExample(t *testing.T, name string, changes map[string]string) string {
	t.Helper()
	content, err := os.ReadFile("../deploy/proxy/" + name)
	if err != nil {
		t.Fatal(err)
	}
	text := regexp.MustCompile(`(?m)^\s*#.*$`).ReplaceAllString(string(content), "")
	for from, to := range changes {
		if !strings.Contains(text, from) {
			t.Fatalf("%s lacks %q", name, from)
		}
		text = strings.Replace(text, from, to, 1)
	}
	return text
}

// dialer connects to a proxy.
type dialer interface {
	DialContext(ctx context.Context, network, address string) (net.Conn, error)
}

// toSite connects by TLS. That succeeds only once the proxy has a certificate for the site.
var toSite = &tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true, ServerName: site}} //nolint:gosec // a certificate of a test

// runProxy starts a proxy, and returns when the dialer can connect to it. The proxy ends
// with the test.
func runProxy(t *testing.T, to dialer, addr, name string, args ...string) {
	t.Helper()
	var log bytes.Buffer
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), name, args...)
	cmd.Stdout, cmd.Stderr = &log, &log
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir())
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait() // its log says how it ended
	}()
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) // also ends its workers; fails if all have ended
		<-ended
	})
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := to.DialContext(t.Context(), "tcp", addr)
		if err == nil {
			_ = conn.Close()
			return
		}
		select {
		case <-tick.C:
		case <-ended:
			t.Fatalf("%s ended: %s", name, log.String())
		}
	}
}

// freeAddr returns a free loopback address.
func freeAddr(t *testing.T) string {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

func writeCertificate(t *testing.T, dir string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{site}, NotAfter: time.Now().Add(time.Hour)}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{"site.pem": {Type: "CERTIFICATE", Bytes: certificate}, "site.key": {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
