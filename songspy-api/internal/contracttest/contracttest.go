// Package contracttest is the HTTP client of this module's tests. It validates every
// answer, and every request that succeeded, against openapi.yaml, and records which
// operations succeeded.
package contracttest

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"
)

// Prefix is the common path prefix of the API's routes.
const Prefix = "/v1/songspy"

// Client sends requests to one service.
type Client struct {
	t        testing.TB
	base     string
	document document
	called   map[string]bool // operations that succeeded
}

// New returns a client of the service at the address base. The argument contract is the text
// of openapi.yaml, which the service must obey.
func New(t testing.TB, base string, contract []byte) *Client {
	t.Helper()
	parse, _ := parsed.LoadOrStore(string(contract), sync.OnceValues(func() (document, error) { return parse(contract) }))
	doc, err := parse.(func() (document, error))()
	if err != nil {
		t.Fatal(err)
	}
	return &Client{t: t, base: base, document: doc, called: map[string]bool{}}
}

// document is a parsed contract. All clients with the same contract share it.
type document struct {
	*openapi3.T
	router routers.Router
}

// parsed maps the text of a contract to a function that parses it once.
var parsed sync.Map

func parse(contract []byte) (document, error) {
	doc, err := openapi3.NewLoader().LoadFromData(contract)
	if err != nil {
		return document{}, err
	}
	doc.Servers = nil // any address matches
	for _, text := range []string{"text/html", "image/svg+xml", "image/jpeg"} {
		openapi3filter.RegisterBodyDecoder(text, openapi3filter.RegisteredBodyDecoder("text/plain"))
	}
	openapi3filter.RegisterBodyDecoder("text/event-stream", decodeFirstEvent)
	router, err := legacy.NewRouter(doc)
	return document{doc, router}, err
}

// Base returns the address of the service.
func (c *Client) Base() string { return c.base }

// decodeFirstEvent returns the data of the first event of a stream.
func decodeFirstEvent(body io.Reader, _ http.Header, _ *openapi3.SchemaRef, _ openapi3filter.EncodingFn) (data any, err error) {
	text, err := io.ReadAll(body)
	if err != nil {
		return nil, err
	}
	_, text, _ = bytes.Cut(text, []byte("\ndata: "))
	text, _, _ = bytes.Cut(text, []byte("\n"))
	err = json.Unmarshal(text, &data)
	return data, err
}

// Response is an answer and its envelope.
type Response struct {
	Status int
	Header http.Header
	Body   []byte
	Result string
	Data   json.RawMessage
	Error  *struct{ Code, Message string }
}

// ErrorCode returns error.code, or an empty text.
func (a Response) ErrorCode() string {
	if a.Error == nil {
		return ""
	}
	return a.Error.Code
}

// DecodeData decodes data into v. It fails the test on an error.
func (a Response) DecodeData(t testing.TB, v any) {
	t.Helper()
	if err := json.Unmarshal(a.Data, v); err != nil {
		t.Fatalf("decoding the data %s: %v", a.Data, err)
	}
}

// client does not follow redirects, because redirects are answers of the contract that tests
// check.
var client = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

// Call sends a request. A string is sent unchanged, any other body as JSON, and nil
// sends no body. The argument header holds pairs of name and value.
func (c *Client) Call(method, path string, body any, header ...string) Response {
	c.t.Helper()
	var sent []byte
	switch b := body.(type) {
	case nil:
	case string:
		sent = []byte(b)
	default:
		var err error
		if sent, err = json.Marshal(b); err != nil {
			c.t.Fatal(err)
		}
	}
	request := func() *http.Request {
		r, err := http.NewRequestWithContext(c.t.Context(), method, c.base+path, bytes.NewReader(sent))
		if err != nil {
			c.t.Fatal(err)
		}
		if body != nil {
			r.Header.Set("Content-Type", "application/json")
		}
		for pair := range slices.Chunk(header, 2) {
			r.Header.Set(pair[0], pair[1])
		}
		return r
	}
	resp, err := client.Do(request())
	if err != nil {
		c.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	a := Response{Status: resp.StatusCode, Header: resp.Header}
	if a.Body, err = io.ReadAll(resp.Body); err != nil {
		c.t.Fatal(err)
	}
	if strings.HasPrefix(resp.Header.Get("Content-Type"), "application/json") {
		if err := json.Unmarshal(a.Body, &a); err != nil {
			c.t.Errorf("%s %s: %s is not an envelope: %v", method, path, a.Body, err)
		}
	}
	c.validate(request(), a)
	return a
}

// validate validates a request and its answer against the contract.
func (c *Client) validate(r *http.Request, a Response) {
	c.t.Helper()
	route, params, err := c.document.router.FindRoute(r)
	if err != nil {
		return // the contract lacks the route, so there is nothing to check
	}
	if strings.HasSuffix(r.Header.Get("Content-Type"), "+json") {
		r.Header.Set("Content-Type", "application/json") // all JSON types count as application/json
	}
	ctx := context.Background()
	input := &openapi3filter.RequestValidationInput{
		Request: r, PathParams: params, Route: route,
		Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, IncludeResponseStatus: true},
	}
	// A route that browsers navigate to answers an error by a redirect to /?error=CODE.
	failed := a.Status >= http.StatusBadRequest || strings.HasPrefix(a.Header.Get("Location"), "/?error=")
	if !failed {
		c.called[route.Operation.OperationID] = true
		if err := openapi3filter.ValidateRequest(ctx, input); err != nil {
			c.t.Errorf("%s %s succeeded, but the request violates the contract: %v", r.Method, r.URL.Path, err)
		}
	}
	answer := &openapi3filter.ResponseValidationInput{RequestValidationInput: input, Status: a.Status, Header: a.Header, Options: input.Options}
	answer.SetBodyBytes(a.Body)
	if err := openapi3filter.ValidateResponse(ctx, answer); err != nil {
		c.t.Errorf("%s %s: the answer %d violates the contract: %v\n%s", r.Method, r.URL.Path, a.Status, err, a.Body)
	}
}

// UncalledOperations returns the operations without a successful call.
func (c *Client) UncalledOperations() []string {
	var uncalled []string
	for _, item := range c.document.Paths.Map() {
		for _, op := range item.Operations() {
			if !c.called[op.OperationID] {
				uncalled = append(uncalled, op.OperationID)
			}
		}
	}
	slices.Sort(uncalled)
	return uncalled
}
