package journey

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/songspy/songspy/songspy-sim/sim"
)

// binaries is the folder of the programs that TestMain built.
var binaries string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "songspy-journey-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer func() { _ = os.RemoveAll(dir) }()
		binaries = dir
		for _, service := range []string{"songspy-api", "songspy-batch"} {
			build := exec.Command("go", "build", "-o", filepath.Join(dir, service), ".")
			build.Dir = filepath.Join("..", "..", service)
			if out, err := build.CombinedOutput(); err != nil {
				fmt.Fprintf(os.Stderr, "building %s: %v\n%s", service, err, out)
				return 1
			}
		}
		defer func() { endChromium() }()
		return m.Run()
	}())
}

// testSystem runs the built services, songspy-api and songspy-batch, with a simulated Spotify and
// Google.
type testSystem struct {
	t     *testing.T
	sim   *sim.Sim
	api   string // base address of the API
	admin string // admin address of the API
	batch string // admin address of the batch
	env   []string
	// database is the value of SONGSPY_DATABASE_URL.
	database string
	dir      string
	log      *syncBuffer
	secrets  []string // texts that the services must never print
}

// newTestSystem starts a simulator and prepares the environment of the services. The argument more
// holds further environment variables, such as "NAME=value".
func newTestSystem(t *testing.T, database string, o sim.Options, more ...string) *testSystem {
	t.Helper()
	// The simulator must know the address of its server, for the addresses of covers. So the server
	// starts first, and gets its handler below.
	var handler http.Handler
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
	t.Cleanup(server.Close)
	o.PublicURL = server.URL
	s, err := sim.New(o)
	if err != nil {
		t.Fatal(err)
	}
	handler = s.Handler()
	dir := t.TempDir()
	api, admin, batch := freeAddress(t), freeAddress(t), freeAddress(t)
	w := &testSystem{t: t, sim: s, api: "http://" + api, admin: "http://" + admin, batch: "http://" + batch, dir: dir, database: database, log: &syncBuffer{}}
	w.env = append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + dir,
		"SONGSPY_ENV=development", "SONGSPY_LOG_LEVEL=debug",
		"SONGSPY_DATABASE_URL=" + database,
		"SONGSPY_API_ADDR=" + api, "SONGSPY_API_ADMIN_ADDR=" + admin, "SONGSPY_BATCH_ADDR=" + batch,
		"SONGSPY_PUBLIC_URL=http://" + api,
		"SONGSPY_POLL_INTERVAL=2s", "SONGSPY_REFRESH_INTERVAL=2s",
		"SONGSPY_SPOTIFY_CLIENT_ID=" + sim.SpotifyClientID, "SONGSPY_SPOTIFY_CLIENT_SECRET=" + sim.SpotifyClientSecret,
		"SONGSPY_SPOTIFY_REDIRECT_URL=" + redirect,
		"SONGSPY_SPOTIFY_AUTHORIZE_URL=" + server.URL + "/spotify/accounts/authorize",
		"SONGSPY_SPOTIFY_ACCOUNTS_URL=" + server.URL + "/spotify/accounts",
		"SONGSPY_SPOTIFY_API_URL=" + server.URL + "/spotify/api",
		"SONGSPY_GOOGLE_CLIENT_ID=" + sim.GoogleClientID,
		"SONGSPY_GOOGLE_USERINFO_URL=" + server.URL + "/google/oauth2/v1/userinfo",
		"SONGSPY_GOOGLE_TOKENINFO_URL=" + server.URL + "/google/tokeninfo",
		"SONGSPY_GOOGLE_ISSUER_URL=" + server.URL + "/google",
	}, more...)
	w.addSecrets(sim.SpotifyClientSecret)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the output of the processes:\n%s", w.log.tail(12_000))
		}
	})
	return w
}

// redirect is the address at which the frontend would receive authorization codes.
const redirect = "http://127.0.0.1:3000/callback"

// addSecrets adds secrets that the services must not print; checkSecrets checks that.
func (w *testSystem) addSecrets(secrets ...string) { w.secrets = append(w.secrets, secrets...) }

// run runs a program and waits for its end.
func (w *testSystem) run(service string, args ...string) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
	defer cancel()
	cmd := w.command(ctx, service, args...)
	if err := cmd.Run(); err != nil {
		w.t.Fatalf("%s %s: %v", service, strings.Join(args, " "), err)
	}
}

func (w *testSystem) command(ctx context.Context, service string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(binaries, service), args...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = w.dir, w.env, w.log, w.log
	return cmd
}

// process is a running program.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when the program has ended
	err  error         // how the program ended; read it only after done is closed
}

// start starts a service and waits until it is ready.
func (w *testSystem) start(service string) *process {
	w.t.Helper()
	p := &process{cmd: w.command(context.Background(), service, "serve"), done: make(chan struct{})}
	if err := p.cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	w.t.Cleanup(func() { _ = p.cmd.Process.Kill(); <-p.done })
	base := w.api
	if service == "songspy-batch" {
		base = w.batch
	}
	w.eventually("ready: "+service, func() bool {
		select {
		case <-p.done:
			w.t.Fatalf("%s ended: %v", service, p.err)
		default:
		}
		resp, err := http.Get(base + "/readyz")
		if err != nil {
			return false
		}
		defer func() { _ = resp.Body.Close() }()
		return resp.StatusCode == http.StatusOK
	})
	return p
}

// stop sends SIGTERM and requires that the process ends without an error.
func (w *testSystem) stop(p *process) {
	w.t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		w.t.Fatal(err)
	}
	select {
	case <-p.done:
		if p.err != nil {
			w.t.Errorf("%s ended with an error: %v", p.cmd.Path, p.err)
		}
	case <-time.After(15 * time.Second):
		w.t.Errorf("%s did not end within 15 s of SIGTERM", p.cmd.Path)
	}
}

// kill ends a process with SIGKILL, and waits for its end.
func (w *testSystem) kill(p *process) {
	_ = p.cmd.Process.Kill()
	<-p.done
}

// eventuallyTimeout is far longer than anything takes, because test machines may be slow.
const eventuallyTimeout = 60 * time.Second

// eventually waits until the function holds returns true. It fails the test after eventuallyTimeout.
func (w *testSystem) eventually(what string, holds func() bool) {
	w.t.Helper()
	deadline := time.After(eventuallyTimeout)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline:
			w.t.Fatalf("waited too long for %s", what)
		}
	}
}

// logMetrics adds the metrics of both services to the output, so that checkSecrets checks them
// too.
func (w *testSystem) logMetrics() {
	w.t.Helper()
	for _, base := range []string{w.admin, w.batch} {
		resp, err := http.Get(base + "/metrics")
		if err != nil {
			w.t.Fatal(err)
		}
		before := len(w.log.all())
		_, err = io.Copy(w.log, resp.Body)
		_ = resp.Body.Close()
		if err != nil || len(w.log.all()) < before+1000 {
			w.t.Errorf("%s returns no metrics: %v", base, err)
		}
	}
}

// checkSecrets fails the test if the output holds a secret.
func (w *testSystem) checkSecrets() {
	w.t.Helper()
	printed := w.log.all()
	for _, secret := range w.secrets {
		if secret == "" {
			w.t.Error("a secret is empty: the test proves nothing")
		} else if strings.Contains(printed, secret) {
			w.t.Errorf("a log holds the secret %q", secret)
		}
	}
}

// usedPorts has the addresses that freeAddress has tried.
var usedPorts sync.Map

// freeAddress returns an address for a program that starts later. Its port is below 30,000. So the
// system does not assign the port to another program in the meantime: for outgoing connections
// and for listeners on port 0, Linux uses ports from 32,768 on.
func freeAddress(t *testing.T) string {
	t.Helper()
	for range 1000 {
		address := fmt.Sprintf("127.0.0.1:%d", 10_000+rand.IntN(20_000))
		if _, used := usedPorts.LoadOrStore(address, true); used {
			continue
		}
		if l, err := net.Listen("tcp", address); err == nil {
			_ = l.Close()
			return address
		}
	}
	t.Fatal("there is no free port between 10,000 and 30,000")
	return ""
}

// syncBuffer holds the output of the processes.
type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

var _ io.Writer = (*syncBuffer)(nil)

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) all() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

func (b *syncBuffer) tail(n int) string {
	s := b.all()
	return s[max(0, len(s)-n):]
}
