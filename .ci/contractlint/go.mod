// The linter of the HTTP contract, songspy-api/openapi.yaml. It has a module of its own, so
// that neither the product's modules nor the other linters (.ci/tools) depend on the modules
// that it requires.
module github.com/songspy/songspy/ci/contractlint

go 1.26.0

require github.com/speakeasy-api/openapi v1.26.3

require (
	github.com/santhosh-tekuri/jsonschema/v6 v6.0.3 // indirect
	go.yaml.in/yaml/v3 v3.0.6 // indirect
	golang.org/x/sync v0.24.0 // indirect
	golang.org/x/text v0.43.0 // indirect
)
