package sim

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// Transport returns a transport that answers requests within this process, in the caller's
// goroutine and without sockets. It answers requests to the hosts of Spotify and Google as
// the imitated services, so a client with its default addresses works unchanged. The
// simulator's own paths, such as /spotify/api, work with every other host name.
func (s *Sim) Transport() http.RoundTripper { return transport{s.handler} }

type transport struct{ handler http.Handler }

// pathByHost maps the hosts of the real services to the paths of the imitated ones.
var pathByHost = map[string]string{
	"accounts.spotify.com":         "/spotify/accounts",
	"api.spotify.com":              "/spotify/api",
	"accounts.google.com":          "/google",
	"www.googleapis.com":           "/google",
	"oauth2.googleapis.com":        "/google",
	"openidconnect.googleapis.com": "/google",
}

// RoundTrip answers a request. If a fault breaks the connection, the caller gets the error of
// a broken connection: io.EOF before a response, io.ErrUnexpectedEOF within its body.
func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		defer func() { _ = r.Body.Close() }()
	}
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	in := r.Clone(r.Context())
	in.RequestURI = r.URL.RequestURI()
	in.RemoteAddr = "127.0.0.1:0"
	if in.Host == "" {
		in.Host = r.URL.Host
	}
	if in.Body == nil {
		in.Body = http.NoBody
	}
	if prefix, ok := pathByHost[r.URL.Host]; ok && !strings.HasPrefix(r.URL.Path, prefix+"/") {
		in.URL.Path, in.URL.RawPath = prefix+r.URL.Path, ""
	}
	rec := &recorder{header: http.Header{}}
	aborted := rec.serve(t.handler, in)
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	if aborted && rec.status == 0 {
		return nil, io.EOF
	}
	return rec.response(r, aborted), nil
}

// recorder is an http.ResponseWriter that stores the response.
type recorder struct {
	header http.Header
	sent   http.Header // a copy of header from the time at which the status was written
	status int
	body   bytes.Buffer
}

// serve calls the handler, and reports whether the handler broke the connection by a panic
// with http.ErrAbortHandler.
func (rec *recorder) serve(h http.Handler, r *http.Request) (aborted bool) {
	defer func() {
		switch p := recover(); p {
		case nil:
		case http.ErrAbortHandler:
			aborted = true
		default:
			panic(p)
		}
	}()
	h.ServeHTTP(rec, r)
	rec.WriteHeader(http.StatusOK)
	return false
}

func (rec *recorder) Header() http.Header { return rec.header }

func (rec *recorder) WriteHeader(status int) {
	if rec.status == 0 {
		rec.status, rec.sent = status, rec.header.Clone()
	}
}

func (rec *recorder) Write(b []byte) (int, error) {
	rec.WriteHeader(http.StatusOK)
	return rec.body.Write(b)
}

func (rec *recorder) Flush() { rec.WriteHeader(http.StatusOK) }

func (rec *recorder) response(r *http.Request, aborted bool) *http.Response {
	resp := &http.Response{
		Status: fmt.Sprintf("%d %s", rec.status, http.StatusText(rec.status)), StatusCode: rec.status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: rec.sent, Request: r,
		ContentLength: int64(rec.body.Len()),
	}
	if declared, err := strconv.ParseInt(rec.sent.Get("Content-Length"), 10, 64); err == nil {
		resp.ContentLength = declared
	}
	var body io.Reader = &rec.body
	if aborted {
		body = io.MultiReader(body, brokenBody{})
	}
	resp.Body = io.NopCloser(body)
	return resp
}

// brokenBody is the rest of a response body after the simulated connection has broken.
// Reading it returns io.ErrUnexpectedEOF.
type brokenBody struct{}

func (brokenBody) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }
