package httpapi

import (
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// memoryConn is the server's end of a connection in memory. Its client has sent one request, and
// discards all answers. The client needs no memory, so a test measures the memory of the server
// alone.
type memoryConn struct {
	net.Conn // nil: the server calls only the methods that memoryConn defines itself
	request  *strings.Reader
	until    string // isOpen is called once the server has written this text
	isOpen   func()
	once     sync.Once
	closed   chan struct{}
	expired  chan struct{} // has a value when the read deadline has passed
}

func (c *memoryConn) Read(p []byte) (int, error) {
	if c.request.Len() > 0 {
		return c.request.Read(p)
	}
	select {
	case <-c.closed:
		return 0, io.EOF
	case <-c.expired:
		return 0, os.ErrDeadlineExceeded
	}
}

func (c *memoryConn) Write(p []byte) (int, error) {
	if c.until != "" && strings.Contains(string(p), c.until) {
		c.until = ""
		c.isOpen()
	}
	return len(p), nil
}

func (c *memoryConn) Close() error {
	c.once.Do(func() { close(c.closed) })
	return nil
}

func (c *memoryConn) SetReadDeadline(at time.Time) error {
	if !at.IsZero() && at.Before(time.Now()) { // in this way net/http ends a read that waits
		c.expired <- struct{}{}
	}
	return nil
}

func (c *memoryConn) SetDeadline(at time.Time) error   { return c.SetReadDeadline(at) }
func (c *memoryConn) SetWriteDeadline(time.Time) error { return nil }
func (c *memoryConn) LocalAddr() net.Addr              { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 80} }

func (c *memoryConn) RemoteAddr() net.Addr {
	return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1024}
}

// memoryListener accepts the connections that are sent to it.
type memoryListener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (l *memoryListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *memoryListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *memoryListener) Addr() net.Addr { return &net.TCPAddr{} }

// memoryOf opens n streams of the handler, and returns how many bytes of heap and of stacks each
// of them holds. A stream counts as open when the handler has written the text until.
func memoryOf(t *testing.T, handler http.Handler, n int, until string) (heap, stacks float64) {
	t.Helper()
	server := &http.Server{Handler: handler, ReadHeaderTimeout: time.Minute}
	listener := &memoryListener{conns: make(chan net.Conn), closed: make(chan struct{})}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	var conns []*memoryConn
	open := func(n int) {
		var opening sync.WaitGroup
		opening.Add(n)
		for range n {
			conns = append(conns, &memoryConn{
				request: strings.NewReader("GET " + streamPath + "?topics=window HTTP/1.1\r\nHost: songspy.test\r\n\r\n"), until: until, isOpen: opening.Done,
				closed: make(chan struct{}), expired: make(chan struct{}, 1),
			})
			listener.conns <- conns[len(conns)-1]
		}
		opening.Wait()
	}
	open(1)
	before := inUse()
	open(n)
	after := inUse()
	for _, c := range conns {
		_ = c.Close()
	}
	if err := server.Close(); err != nil {
		t.Fatal(err)
	}
	<-ended
	return float64(after.HeapAlloc-before.HeapAlloc) / float64(n), float64(after.StackInuse-before.StackInuse) / float64(n)
}

// inUse returns the memory that is in use after several garbage collections. Each also halves
// stacks that are mostly unused.
func inUse() (m runtime.MemStats) {
	for range 4 {
		runtime.GC()
	}
	runtime.ReadMemStats(&m)
	return m
}

// bareStream is a plain net/http handler of streams, to compare with: it writes the line with
// which each stream begins, and keeps the connection open.
func bareStream(w http.ResponseWriter, r *http.Request) {
	out := http.NewResponseController(w)
	_ = out.SetReadDeadline(time.Time{})
	w.Header().Set("Content-Type", "text/event-stream")
	_, _ = io.WriteString(w, "retry: 1000\n\n")
	_ = out.Flush()
	<-r.Context().Done()
}

func TestStreamListening_HoldsLessMemoryThanABareStream(t *testing.T) {
	const n, most = 500, 0.7
	e := newTestServer(t, withPeople)
	heap, stacks := memoryOf(t, e.handler, n, "event: snapshot")
	bareHeap, bareStacks := memoryOf(t, http.HandlerFunc(bareStream), n, "retry: ")
	t.Logf("bytes of heap and stacks for each stream: %.0f and %.0f; bare: %.0f and %.0f", heap, stacks, bareHeap, bareStacks)
	if heap+stacks > most*(bareHeap+bareStacks) {
		t.Errorf("a stream holds %.2f times the memory of a bare one, want at most %.1f", (heap+stacks)/(bareHeap+bareStacks), most)
	}
}
