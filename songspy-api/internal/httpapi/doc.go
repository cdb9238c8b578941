// Package httpapi is the service's HTTP edge: it turns requests that keep the
// contract of openapi.yaml into calls, and answers and faults into envelopes.
//
// Routes, parameters and models are generated from the contract. What is
// written by hand is the order in which a request passes (router.go), one file
// per group of handlers, and error.go, the only place that knows statuses.
package httpapi

//go:generate go tool oapi-codegen -config codegen/config.yaml ../../openapi.yaml
