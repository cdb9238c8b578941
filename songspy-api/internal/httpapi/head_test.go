package httpapi

import (
	"io"
	"net/http"
	"slices"
	"testing"
)

func TestHead_IsGetWithoutABody(t *testing.T) {
	e := newTestServer(t)
	_, bearer := e.signIn(t)
	for path, status := range map[string]int{
		"/": 200, "/healthz": 200, "/readyz": 200, "/openapi.yaml": 200, "/nowhere": 404,
		prefix + "/tracks/current-playing": 200, prefix + "/me": 200, prefix + "/google-auth": 405,
	} {
		get, head := e.Call("GET", path, nil, bearer...), e.request(t, "HEAD", path, bearer...)
		if head.StatusCode != status || get.Status != status || head.Header.Get("Content-Type") != get.Header.Get("Content-Type") ||
			head.Header.Get("ETag") != get.Header.Get("ETag") {
			t.Errorf("%s: HEAD answered %d %v, GET %d %v", path, head.StatusCode, head.Header, get.Status, get.Header)
		}
	}
	if head := e.request(t, "HEAD", prefix+"/me"); head.StatusCode != 401 {
		t.Errorf("HEAD without a token answered %d", head.StatusCode)
	}
}

// request sends what the contract does not know; its answer has no body.
func (e *testServer) request(t *testing.T, method, path string, header ...string) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, e.base+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	for pair := range slices.Chunk(header, 2) {
		r.Header.Set(pair[0], pair[1])
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); err != nil || len(body) > 0 {
		t.Errorf("%s %s: a body %q, %v", method, path, body, err)
	}
	return resp
}
