package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/gin-gonic/gin"
	"github.com/oapi-codegen/runtime"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// bodyLimit is the largest body of a request, in bytes.
const bodyLimit = 64 << 10

// Contract holds the text of openapi.yaml, and the rules for requests that were read from it, by
// route. It does not change after ParseContract, so any number of handlers may share it.
type Contract struct {
	spec  []byte
	rules map[ruleKey]*rule
}

// ruleKey is the method and the path pattern of a route. The pattern has Gin's form, such as
// /users/:id/edit.
type ruleKey struct{ method, path string }

// rule holds the rules of the contract for one route: for its requests and for the use of its
// answer.
type rule struct {
	route *routers.Route
	// takesSession is true if a request may have a JWT or a session cookie. needsSession is true
	// if a request without one is rejected.
	takesSession, needsSession bool
	// limits are the rate limits that apply; see x-rate-limit in openapi.yaml.
	limits []limitScope
	// forOperators is true if only operators may use the route; see x-operator in openapi.yaml.
	forOperators bool
	// isNavigation is true if browsers navigate to the route, to begin or to finish a sign-in or
	// a linking by redirect. The handler gets the browser's cookies. An error is answered with a
	// redirect to the page, not with JSON; see x-errors in openapi.yaml.
	isNavigation bool
	// streams is true if the answer is a stream of server-sent events, which stays open.
	streams bool
	// hasInput is true if the route has a body, or parameters in the path or the query.
	// needsInput is true if the route has a body or a required parameter.
	hasInput, needsInput bool
	// hasETag is true if the route takes If-None-Match: clients keep the answer, and ask often
	// whether it has changed.
	hasETag bool
}

// isCheap reports whether the route takes no session and no input and has no rate limit. Such
// routes are called often. They are answered from memory, except /readyz.
func (r *rule) isCheap() bool { return !r.takesSession && !r.hasInput && len(r.limits) == 0 }

// isFrequent reports whether the route is cheap, and clients ask all the time whether its answer
// has changed. For requests to a frequent route, the middlewares leave out work that would cost
// more than the answer itself, such as the request ID.
func (r *rule) isFrequent() bool { return r.isCheap() && r.hasETag }

// limitScope names a rate limit; its values are those of x-rate-limit in openapi.yaml. For the
// routes that have the limit, limitByAddress counts the requests from one client address, and
// limitWrites and limitLinkings count the requests of one user.
type limitScope string

const (
	limitByAddress limitScope = "address"
	limitWrites    limitScope = "write"
	limitLinkings  limitScope = "linking"
	limitStreams   limitScope = "streams" // a limit on open streams, which the board enforces
)

// isNavigation reports whether an operation has the extension "x-errors: redirect". Browsers
// navigate to such an operation, and would show the JSON of an error to the user.
func isNavigation(op *openapi3.Operation) bool { return op.Extensions["x-errors"] == "redirect" }

// streams reports whether an operation answers with server-sent events.
func streams(op *openapi3.Operation) bool {
	ok := op.Responses.Value("200")
	return ok != nil && ok.Value.Content.Get("text/event-stream") != nil
}

// limitScopesOf reads the extension x-rate-limit of an operation. It returns an error for an
// unknown value. It also returns an error if the operation has x-rate-limit without the response
// 429, or 429 without x-rate-limit, unless the errors of the operation are redirects.
func limitScopesOf(op *openapi3.Operation) ([]limitScope, error) {
	var limits []limitScope
	names, _ := op.Extensions["x-rate-limit"].([]any)
	for _, name := range names {
		text, _ := name.(string)
		switch l := limitScope(text); l {
		case limitByAddress, limitWrites, limitLinkings, limitStreams:
			limits = append(limits, l)
		default:
			return nil, fmt.Errorf("%s: x-rate-limit has the unknown value %v", op.OperationID, name)
		}
	}
	if !isNavigation(op) && (len(limits) > 0) != (op.Responses.Value("429") != nil) {
		return nil, fmt.Errorf("%s: x-rate-limit and the response 429 need each other", op.OperationID)
	}
	return limits, nil
}

// ParseContract parses and validates the OpenAPI document.
func ParseContract(spec []byte) (*Contract, error) {
	doc, err := openapi3.NewLoader().LoadFromData(spec)
	if err != nil {
		return nil, fmt.Errorf("read the contract: %w", err)
	}
	if err := doc.Validate(context.Background()); err != nil {
		return nil, fmt.Errorf("the contract is not valid: %w", err)
	}
	c := &Contract{spec: spec, rules: map[ruleKey]*rule{}}
	ginPath := strings.NewReplacer("{", ":", "}", "")
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			limits, err := limitScopesOf(op)
			if err != nil {
				return nil, err
			}
			r := &rule{
				route:        &routers.Route{Spec: doc, Path: path, PathItem: item, Method: method, Operation: op},
				takesSession: op.Security != nil && len(*op.Security) > 0,
				limits:       limits, isNavigation: isNavigation(op), forOperators: op.Extensions["x-operator"] == true,
				hasInput: op.RequestBody != nil, needsInput: op.RequestBody != nil, streams: streams(op),
			}
			r.needsSession = r.takesSession && !slices.ContainsFunc(*op.Security, func(s openapi3.SecurityRequirement) bool { return len(s) == 0 })
			if r.forOperators != strings.HasPrefix(path, "/v1/songspy/operator/") || r.forOperators && !r.needsSession {
				return nil, fmt.Errorf("%s: exactly the routes below /v1/songspy/operator/ have x-operator, and need a session", op.OperationID)
			}
			for _, p := range op.Parameters {
				r.hasInput = r.hasInput || p.Value.In != openapi3.ParameterInHeader
				r.needsInput = r.needsInput || p.Value.Required
				r.hasETag = r.hasETag || p.Value.Name == "If-None-Match"
			}
			c.rules[ruleKey{method, ginPath.Replace(path)}] = r
		}
	}
	return c, nil
}

// rule returns the rule of the request's route; nil if the contract lacks the route.
func (c *Contract) rule(gc *gin.Context) *rule {
	return c.rules[ruleKey{gc.Request.Method, gc.FullPath()}]
}

// enforceContract sets a deadline, so that requests end even if the database hangs, and rejects
// requests that violate the contract. It does neither for cheap routes, because these take no
// input, and are answered from memory or, for /readyz, have deadlines of their own.
func (s *server) enforceContract(c *gin.Context) {
	rule := s.opts.Contract.rule(c)
	if rule == nil || rule.isCheap() {
		return
	}
	ctx, cancel := context.WithTimeout(withAddress(c), s.opts.RequestTimeout)
	defer cancel()
	c.Request = c.Request.WithContext(ctx)
	if rule.isNavigation {
		s.withBrowser(c)
	}
	if err := s.checkRequest(c, rule); err != nil {
		s.writeFault(c, err)
		return
	}
	c.Next()
}

// checkRequest enforces the rate limits, authenticates the caller, and validates the request
// against the schema.
func (s *server) checkRequest(c *gin.Context, rule *rule) error {
	if slices.Contains(rule.limits, limitByAddress) {
		if err := s.addressLimits.take(c.ClientIP(), s.opts.Now()); err != nil {
			return err
		}
	}
	switch {
	case rule.needsSession, rule.takesSession && c.GetHeader("Authorization") != "":
		if err := s.authenticate(c); err != nil {
			return err
		}
	case rule.takesSession && cookieOf(c.Request, s.cookieNames().session) != "":
		// The route answers without a session too, so an ended session whose cookie the browser
		// still sends is no error.
		if err := s.authenticate(c); err != nil && songspy.CodeOf(err) != songspy.CodeUnauthorized {
			return err
		}
	}
	if rule.forOperators && !callerFrom(c.Request.Context()).IsOperator() {
		return &songspy.Error{Code: songspy.CodeForbidden}
	}
	for _, l := range rule.limits {
		if users := s.userLimits[l]; users != nil {
			if err := users.take(callerFrom(c.Request.Context()).UserID, s.opts.Now()); err != nil {
				return err
			}
		}
	}
	if rule.needsInput || rule.hasInput && c.Request.URL.RawQuery != "" {
		return rule.validate(c)
	}
	return nil
}

// validate validates the parameters and the body, and keeps the validated body for
// decodeBody.
func (r *rule) validate(c *gin.Context) error {
	params := make(map[string]string, len(c.Params))
	for _, p := range c.Params {
		params[p.Key] = p.Value
	}
	if r.route.Operation.RequestBody == nil {
		// The operation has no body, so a body that is sent is ignored.
		c.Request.Body = http.NoBody
	}
	isForm, err := normalizeMediaType(c.Request)
	if err != nil {
		return err
	}
	sent := &bytes.Buffer{}
	c.Request.Body = io.NopCloser(io.TeeReader(http.MaxBytesReader(c.Writer, c.Request.Body, bodyLimit), sent))
	err = openapi3filter.ValidateRequest(c.Request.Context(), &openapi3filter.RequestValidationInput{
		Request: c.Request, PathParams: params, Route: r.route,
		Options: &openapi3filter.Options{
			AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, // checkRequest has authenticated the request
			KeepValidatedValue: true,
		},
	})
	switch {
	case err != nil:
		return validationError(err)
	case sent.Len() > 0 && !isForm && !json.Valid(sent.Bytes()):
		// The validator stops after the first JSON value, so it accepts text that follows the
		// value.
		return newFieldError("body", problemInvalidJSON)
	}
	return nil
}

// normalizeMediaType rejects a body whose declared charset is neither UTF-8 nor US-ASCII, and
// changes any JSON type (RFC 6839) to application/json. It reports whether the body is a form.
func normalizeMediaType(r *http.Request) (isForm bool, err error) {
	kind, parameters, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || r.Body == http.NoBody || r.ContentLength == 0 {
		// The validator decides whether the request may lack a body or a valid Content-Type.
		return false, nil
	}
	switch strings.ToLower(parameters["charset"]) {
	case "", "utf-8", "utf8", "us-ascii":
	default:
		return false, newRequestError(reasonUnsupportedMedia)
	}
	if strings.HasPrefix(kind, "application/") && strings.HasSuffix(kind, "+json") {
		r.Header.Set("Content-Type", "application/json")
	}
	return kind == "application/x-www-form-urlencoded", nil
}

// validationError translates the validator's error into an error of this service. It does not
// wrap the validator's error, because that error quotes the request, secrets included.
func validationError(err error) error {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return newRequestError(reasonBodyTooLarge)
	}
	request, ok := errors.AsType[*openapi3filter.RequestError](err)
	if !ok {
		return newFieldError("body", problemOther)
	}
	if schema, ok := errors.AsType[*openapi3.SchemaError](err); ok {
		return newFieldError(invalidField(request, schema))
	}
	switch {
	case request.Parameter != nil:
		return newFieldError(request.Parameter.Name, problemWrongType)
	case errors.Is(err, openapi3filter.ErrInvalidRequired):
		return newFieldError("body", problemMissing)
	case request.Err == nil: // a RequestError lacks a cause only if the media type is not supported
		return newRequestError(reasonUnsupportedMedia)
	}
	if parse, ok := errors.AsType[*openapi3filter.ParseError](err); ok && parse.Kind == openapi3filter.KindInvalidFormat {
		if path := parse.Path(); len(path) > 0 { // the path is not empty for a field of a form
			return newFieldError(fmt.Sprint(path[0]), problemWrongType)
		}
		return newFieldError("body", problemInvalidJSON)
	}
	return newFieldError("body", problemWrongType)
}

// invalidField returns the invalid field and what is wrong with it.
func invalidField(request *openapi3filter.RequestError, schema *openapi3.SchemaError) (string, fieldProblem) {
	field := strings.Join(schema.JSONPointer(), ".")
	if request.Parameter != nil {
		field = request.Parameter.Name
	}
	if field == "" {
		field = "body"
	}
	switch schema.SchemaField {
	case "required":
		return field, problemMissing
	case "properties", "additionalProperties":
		return unknownField(schema), problemUnknownField
	case "type", "nullable", "format":
		return field, problemWrongType
	case "maxLength":
		return field, problemTooLong
	case "minLength":
		return field, problemTooShort
	case "enum":
		return field, problemUnknownValue
	default:
		return field, problemOther
	}
}

// unknownField returns the path of the first field that the schema does not allow, or "body" if
// it finds none.
func unknownField(schema *openapi3.SchemaError) string {
	object, _ := schema.Value.(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(object)) {
		if _, known := schema.Schema.Properties[name]; !known {
			const long = 64 // in bytes; a longer name is cut
			return strings.Join(append(schema.JSONPointer(), strings.ToValidUTF8(name[:min(len(name), long)], "")), ".")
		}
	}
	return "body"
}

// decodeBody decodes the body that validate has validated, and stores it in the argument into. It
// returns false if the request has no body. Field names are case-sensitive, as in the contract.
func decodeBody(r *http.Request, into any) (sent bool, err error) {
	body, ok := r.Body.(interface{ ValidatedValue() any })
	if !ok {
		return false, nil
	}
	if err := runtime.BindJSONValue(body.ValidatedValue(), into); err != nil {
		// The error of BindJSONValue is not wrapped, because it may quote the body.
		return false, newFieldError("body", problemWrongType)
	}
	return true, nil
}
