// Command stream measures the streams of the live board. It makes three measurements, which it
// calls the rows a, b and c. Each row starts servers as separate processes, opens streams to
// them and reads the streams.
//
//	a  one window (the users that a viewer sees) whose 48 users change every 250 ms, compared
//	   with a bare loop that writes one shared frame (a text with 48 users) per 250 ms to as
//	   many connections, in the same run
//	b  many listening users, and signed-in viewers who follow some of them and have
//	   different windows
//	c  one replica stops, and all its viewers connect to another one
//
// It prints a table and, last, one line of JSON. With -bounds=false it does not check the
// bounds; that is for runs that are too small to judge.
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// options holds the values of the flags.
type options struct {
	serve, row                   string // serve is the kind of a server process, bare or board; empty in the bench itself
	rows                         string
	streams, listeners, followed int
	length                       time.Duration
	rounds                       int
	enforceBounds                bool
}

func main() {
	var o options
	flag.StringVar(&o.serve, "serve", "", "for the bench itself: run a server")
	flag.StringVar(&o.row, "row", "", "for the bench itself: the row of the server")
	flag.StringVar(&o.rows, "rows", "abc", "the rows to measure")
	flag.IntVar(&o.streams, "streams", 10_000, "open streams")
	flag.IntVar(&o.listeners, "listeners", 100_000, "listeners in row b")
	flag.IntVar(&o.followed, "followed", 20, "followed users of each viewer in row b")
	flag.DurationVar(&o.length, "length", 10*time.Second, "how long each server of the rows a and b is measured")
	flag.IntVar(&o.rounds, "rounds", 3, "how often row a is measured")
	flag.BoolVar(&o.enforceBounds, "bounds", true, "fail if a bound is missed; false for a run that is too small to judge")
	flag.Parse()
	if o.rounds < 1 {
		fmt.Fprintf(os.Stderr, "bench: -rounds is %d; choose 1 or more\n", o.rounds)
		os.Exit(2)
	}
	var err error
	if o.serve != "" {
		err = serve(o)
	} else {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
		err = measure(ctx, o, os.Stdout)
		stop()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// measure runs the rows and prints the results. It returns an error if a bound is missed,
// unless o.enforceBounds is false.
func measure(ctx context.Context, o options, out io.Writer) error {
	results := map[string]float64{"streams": float64(o.streams)}
	var missed []error
	bound := func(name string, value float64, isMet bool, want string) {
		results[name] = value
		fmt.Fprintf(out, "%-44s %10.2f   want %s\n", name, value, want)
		if !isMet {
			missed = append(missed, fmt.Errorf("%s is %.2f, want %s", name, value, want))
		}
	}
	note := func(name string, value float64) {
		results[name] = value
		fmt.Fprintf(out, "%-44s %10.2f\n", name, value)
	}
	for _, row := range o.rows {
		var err error
		switch row {
		case 'a':
			err = measureWindow(ctx, o, bound, note)
		case 'b':
			err = measureListeners(ctx, o, bound, note)
		case 'c':
			err = measureRestart(ctx, o, bound, note)
		default:
			err = fmt.Errorf("%c is no row; the rows are a, b and c", row)
		}
		if err != nil {
			return err
		}
	}
	line, err := json.Marshal(results)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%s\n", line)
	if o.enforceBounds {
		return errors.Join(missed...)
	}
	return nil
}

type (
	bounder = func(name string, value float64, isMet bool, want string)
	noter   = func(name string, value float64)
)

// measureWindow measures row a. Each round measures the bare loop and then the board, and
// divides the board's results by those of the loop. The median of the rounds counts, because
// another program may slow the machine down during one round.
func measureWindow(ctx context.Context, o options, bound bounder, note noter) error {
	o.listeners, o.followed = windowSize, 0
	kinds := []string{"bare", "board"}
	figures := map[string][]float64{} // one value for each round
	var resets, missed float64
	for range o.rounds {
		var runs [2]result
		for i, kind := range kinds {
			r, err := run(ctx, o, kind, "a", "?topics=window", false)
			if err != nil {
				return fmt.Errorf("%s: %w", kind, err)
			}
			for name, value := range map[string]float64{
				"changes a second for each stream": r.items / o.length.Seconds() / float64(o.streams),
				"p50 in ms":                        r.sinceRendered(50), "p99 in ms": r.sinceRendered(99),
				"KiB for each stream": r.memory / 1024 / float64(o.streams), "KiB of reachable heap": r.heap / 1024 / float64(o.streams),
				"KiB of stacks": r.stacks / 1024 / float64(o.streams), "cores": r.cores,
			} {
				figures[kind+", "+name] = append(figures[kind+", "+name], value)
			}
			runs[i] = r
		}
		bare, live := runs[0], runs[1]
		figures["deliveries"] = append(figures["deliveries"], live.items/bare.items)
		figures["p99"] = append(figures["p99"], live.sinceRendered(99)/bare.sinceRendered(99))
		figures["memory"] = append(figures["memory"], live.memory/bare.memory)
		resets, missed = resets+float64(live.resets), missed+live.missed
	}
	for _, kind := range kinds {
		for _, name := range []string{"changes a second for each stream", "p50 in ms", "p99 in ms", "KiB for each stream", "KiB of reachable heap", "KiB of stacks", "cores"} {
			note("a: "+kind+", "+name, median(figures[kind+", "+name]))
		}
	}
	ratio := median(figures["deliveries"])
	bound("a: deliveries, to bare", ratio, ratio >= 0.8, ">= 0.80")
	ratio = median(figures["p99"])
	bound("a: p99, to bare", ratio, ratio <= 1.2, "<= 1.20")
	ratio = median(figures["memory"])
	bound("a: memory, to bare", ratio, ratio <= 1.3, "<= 1.30")
	bound("a: resets", resets, resets == 0, "0")
	bound("a: changes that viewers missed", missed, missed == 0, "0")
	return nil
}

// median returns the middle value, or the smaller one of the two middle values.
func median(values []float64) float64 {
	return slices.Sorted(slices.Values(values))[(len(values)-1)/2]
}

// measureListeners measures row b; see the comment of the package.
func measureListeners(ctx context.Context, o options, bound bounder, note noter) error {
	r, err := run(ctx, o, "board", "b", "?topics=window,following", true)
	if err != nil {
		return err
	}
	note("b: changes received a second, all streams", r.items/o.length.Seconds())
	note("b: p50 from the commit in ms", r.sinceCommit(50))
	bound("b: cores", r.cores, r.cores <= 1, "<= 1")
	bound("b: board heap in MB", float64(r.boardHeap)/1e6, r.boardHeap <= 60e6, "<= 60")
	bound("b: p99 from the commit in ms", r.sinceCommit(99), r.sinceCommit(99) <= 1000, "<= 1000")
	bound("b: resets", float64(r.resets), r.resets == 0, "0")
	return nil
}

// measureRestart measures row c; see the comment of the package.
func measureRestart(ctx context.Context, o options, bound bounder, note noter) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	o.listeners, o.followed = min(o.listeners, 1000), 0
	old, err := start(ctx, o, "board", "c")
	if err != nil {
		return err
	}
	other, err := start(ctx, o, "board", "c")
	if err != nil {
		return err
	}
	var mu sync.Mutex
	var began time.Time
	connects := map[int]int{} // the number of connections to the other replica in each second since the time began
	last := time.Duration(0)
	back := make(chan struct{}, o.streams)
	clients, err := open(ctx, o, old.address, "", false)
	if err != nil {
		return err
	}
	began = time.Now()
	for _, c := range clients {
		go func() {
			_ = c.read(func(event) {}) // until the end of the stream
			c.close()
			wait := time.NewTimer(rand.N(c.retry))
			defer wait.Stop()
			select {
			case <-wait.C:
			case <-ctx.Done():
				return
			}
			next, err := connect(ctx, other.address, "", "")
			if err != nil {
				return // this viewer does not come back
			}
			defer next.close()
			mu.Lock()
			last = time.Since(began)
			connects[int(last.Seconds())]++
			mu.Unlock()
			back <- struct{}{}
			_ = next.read(func(event) {})
		}()
	}
	if err := old.process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	const most = 60 * time.Second
	deadline, number := time.After(most), 0
	for number < o.streams {
		select {
		case <-back:
			number++
		case <-deadline:
			return fmt.Errorf("row c: %d of %d viewers are back after %s", number, o.streams, most)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	mu.Lock()
	defer mu.Unlock()
	busiest := 0
	for _, n := range connects {
		busiest = max(busiest, n)
	}
	bound("c: seconds until all viewers are back", last.Seconds(), last <= 30*time.Second, "<= 30")
	bound("c: connects in the busiest second", float64(busiest), busiest <= 1500, "<= 1500")
	return nil
}

// result is what one run has measured.
type result struct {
	items             float64 // received items that were rendered during the measurement; an item that n streams receive counts n times
	rendered, commits []time.Duration
	memory            float64 // bytes of resident memory that the streams added to the server process
	heap, stacks      float64 // of these bytes, those of the reachable heap and of the stacks
	cores             float64
	boardHeap, resets int64
	missed            float64 // items that a viewer missed: the viewer received later ones, or the server closed the stream
}

func (r result) sinceRendered(percent int) float64 { return percentile(r.rendered, percent) }
func (r result) sinceCommit(percent int) float64   { return percentile(r.commits, percent) }

// percentile returns a percentile of sorted times in milliseconds.
func percentile(sorted []time.Duration, percent int) float64 {
	if len(sorted) == 0 {
		return 0
	}
	return float64(sorted[min(len(sorted)*percent/100, len(sorted)-1)].Microseconds()) / 1000
}

// run starts a server of the kind, bare or board, opens the streams with the query, and reads
// them for the duration o.length.
func run(ctx context.Context, o options, kind, row, query string, signedIn bool) (r result, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s, err := start(ctx, o, kind, row)
	if err != nil {
		return r, err
	}
	before, err := s.usage(ctx)
	if err != nil {
		return r, err
	}
	clients, err := open(ctx, o, s.address, query, signedIn)
	if err != nil {
		return r, err
	}
	opened := time.Now()
	var mu sync.Mutex
	var readers sync.WaitGroup
	isClosing := false
	var began, ended time.Time
	frames := map[time.Time]int{}             // items of each frame that was rendered during the measurement
	received := make([]int, len(clients))     // how many of these items each stream has received
	newest := make([]time.Time, len(clients)) // when the newest frame that each stream received was rendered; if the server closed the stream, the time at which it did
	upToDate := make(chan struct{}, len(clients))
	for i, c := range clients {
		isUpToDate := false
		readers.Go(func() {
			_ = c.read(func(e event) { // ends when the connection is closed
				mu.Lock()
				defer mu.Unlock()
				if !isUpToDate && e.rendered.After(opened) && e.at.Sub(e.rendered) < time.Second {
					isUpToDate = true
					upToDate <- struct{}{}
				}
				if e.name != "playing" || began.IsZero() || !e.rendered.After(began) {
					return
				}
				newest[i] = e.rendered
				if ended.IsZero() || e.rendered.Before(ended) {
					frames[e.rendered] = e.items
					received[i] += e.items
					r.items += float64(e.items)
					r.rendered = append(r.rendered, e.at.Sub(e.rendered))
					if !e.replaces {
						r.commits = append(r.commits, e.at.Sub(e.startedAt))
					}
				}
			})
			mu.Lock()
			defer mu.Unlock()
			if !isClosing { // the server has closed the stream, so the stream has missed all frames until now
				newest[i] = time.Now()
			}
		})
	}
	pause(ctx, 2*time.Second) // until the streams have received their snapshots
	if row == "a" {
		if err := waitForAll(ctx, upToDate, len(clients)); err != nil {
			return result{}, err // there is no result yet
		}
	}
	from, err := s.usage(ctx)
	if err != nil {
		return r, err
	}
	mu.Lock()
	began = time.Now()
	mu.Unlock()
	pause(ctx, o.length)
	mu.Lock()
	ended = time.Now()
	mu.Unlock()
	to, err := s.usage(ctx)
	pause(ctx, lateMax)
	mu.Lock()
	isClosing = true
	mu.Unlock()
	for _, c := range clients {
		c.close()
	}
	readers.Wait()
	if row == "a" { // all streams have the same window
		for i, n := range received {
			for rendered, items := range frames {
				if !rendered.After(newest[i]) {
					r.missed += float64(items)
				}
			}
			r.missed -= float64(n)
		}
	}
	r.memory, r.cores = float64(to.RSS-before.RSS), (to.CPUSeconds-from.CPUSeconds)/o.length.Seconds()
	r.heap, r.stacks = float64(to.Heap-before.Heap), float64(to.Stacks-before.Stacks)
	r.boardHeap, r.resets = to.BoardHeap, to.Resets
	slices.Sort(r.rendered)
	slices.Sort(r.commits)
	return r, err
}

// lateMax is how long the readers continue after the measurement, to receive the frames that
// were rendered during it but arrive late. These frames count with their delay, and not as
// missed.
const lateMax = 2 * time.Second

// waitForAll waits until each stream is up to date: it has received a frame that was rendered
// after all streams were opened, at most one second after that frame was rendered. Then no
// stream has old frames left that queued up while the streams were being opened.
func waitForAll(ctx context.Context, upToDate <-chan struct{}, streams int) error {
	const most = time.Minute
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	for number := range streams {
		select {
		case <-upToDate:
		case <-ctx.Done():
			return fmt.Errorf("after %s, %d of %d streams have received a new frame: %w", most, number, streams, ctx.Err())
		}
	}
	return nil
}

// pause waits for the duration d, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// server is a server process.
type server struct {
	address string
	process *os.Process
}

// start starts a server process. The process ends when ctx ends. It also ends when the process
// of the bench ends, because that closes the standard input of the server.
func start(ctx context.Context, o options, kind, row string) (*server, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	command := exec.CommandContext(ctx, self, "-serve", kind, "-row", row,
		"-streams", strconv.Itoa(o.streams), "-listeners", strconv.Itoa(o.listeners), "-followed", strconv.Itoa(o.followed))
	command.Stderr = os.Stderr
	if _, err := command.StdinPipe(); err != nil {
		return nil, err
	}
	printed, err := command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := command.Start(); err != nil {
		return nil, err
	}
	address, err := bufio.NewReader(printed).ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("the server did not start: %w", err)
	}
	go func() { _ = command.Wait() }() // the error is that a signal has ended the process
	return &server{strings.TrimSpace(address), command.Process}, nil
}

func (s *server) usage(ctx context.Context) (u usage, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.address+statsPath, http.NoBody)
	if err != nil {
		return u, err
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return u, err
	}
	defer func() { _ = answer.Body.Close() }()
	return u, json.NewDecoder(answer.Body).Decode(&u)
}

// client reads one stream.
type client struct {
	conn  net.Conn
	in    *bufio.Reader
	retry time.Duration
}

// open opens o.streams streams, up to 64 at the same time.
func open(ctx context.Context, o options, address, query string, signedIn bool) ([]*client, error) {
	clients, errs := make([]*client, o.streams), make([]error, o.streams)
	var opening sync.WaitGroup
	places := make(chan struct{}, 64)
	for i := range clients {
		places <- struct{}{}
		opening.Go(func() {
			session := ""
			if signedIn {
				session = cookie(i)
			}
			clients[i], errs[i] = connect(ctx, address, query, session)
			<-places
		})
	}
	opening.Wait()
	return clients, errors.Join(errs...)
}

// connect opens a stream and reads its first line: the time that the client has to wait before
// it connects again.
func connect(ctx context.Context, address, query, session string) (*client, error) {
	const readBuffer = 32 << 10 // large enough for a whole frame of the window, so that few reads are needed
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	c := &client{conn: conn, in: bufio.NewReaderSize(conn, readBuffer)}
	if session != "" {
		session = "Cookie: songspy=" + session + "\r\n"
	}
	if _, err = fmt.Fprintf(conn, "GET %s%s HTTP/1.1\r\nHost: 127.0.0.1\r\n%s\r\n", streamPath, query, session); err != nil {
		return nil, err
	}
	for status := ""; ; {
		line, err := c.in.ReadString('\n')
		if err != nil {
			return nil, fmt.Errorf("the server answered %q: %w", status, err)
		}
		if status == "" {
			if status = line; !strings.Contains(status, " 200 ") {
				return nil, fmt.Errorf("the server answered %q", status)
			}
		}
		if milliseconds, found := strings.CutPrefix(line, "retry: "); found {
			n, err := strconv.Atoi(strings.TrimSpace(milliseconds))
			c.retry = time.Duration(n) * time.Millisecond
			return c, err
		}
	}
}

func (c *client) close() { _ = c.conn.Close() }

// event is an event with items.
type event struct {
	name string
	// replaces is true if the event before this one was a "gone". The users of this event may
	// then have begun their songs long before they got the slots that became free, so the time
	// since startedAt is not measured.
	replaces                bool
	items                   int
	startedAt, rendered, at time.Time // startedAt and rendered are those of the first item; at is when the event was read
}

// read calls the function each for every event with items, until the connection ends.
func (c *client) read(each func(event)) error {
	var e event
	isNew := true // whether the next part begins a line
	for {
		part, err := c.in.ReadSlice('\n')
		isPart := errors.Is(err, bufio.ErrBufferFull)
		if err != nil && !isPart {
			return err
		}
		if name, found := bytes.CutPrefix(part, []byte("event: ")); isNew && found {
			e = event{name: string(bytes.TrimSpace(name)), replaces: e.name == "gone"}
		} else {
			if e.items == 0 {
				e.parseTimes(part)
			}
			e.items += bytes.Count(part, []byte{mark})
			if !isPart && e.items > 0 {
				e.at = time.Now()
				each(e)
				e.items = 0
			}
		}
		isNew = !isPart
	}
}

// parseTimes reads the times of the first item in the text.
func (e *event) parseTimes(text []byte) {
	const digits = 19
	if _, after, found := bytes.Cut(text, []byte(`"startedAt":"`)); found {
		value, _, _ := bytes.Cut(after, []byte{'"'})
		e.startedAt, _ = time.Parse(time.RFC3339, string(value)) // if the text ends within the time, the bench prints an absurd delay
	}
	if _, after, found := bytes.Cut(text, []byte{mark}); found && len(after) >= digits {
		n, _ := strconv.ParseInt(string(after[:digits]), 10, 64)
		e.rendered = time.Unix(0, n)
	}
}
