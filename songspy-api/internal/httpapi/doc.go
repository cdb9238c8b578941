// Package httpapi serves the HTTP API. It validates requests against openapi.yaml,
// calls the other packages, and writes answers and errors as envelopes.
//
// Routes, parameters and models are generated from openapi.yaml. The rest of the package is the
// chain of middlewares (router.go), one file per group of handlers, and error.go, the only file
// that maps errors to HTTP statuses.
package httpapi

//go:generate go tool oapi-codegen -config codegen/config.yaml ../../openapi.yaml
