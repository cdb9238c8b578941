module github.com/songspy/songspy/songspy-batch

go 1.26.0

require github.com/songspy/songspy/songspy-domain v0.0.0

require (
	github.com/go-co-op/gocron/v2 v2.21.2 // indirect
	github.com/gofrs/flock v0.13.2 // indirect
	github.com/google/uuid v1.6.0 // indirect
	github.com/jonboulle/clockwork v0.5.0 // indirect
	github.com/prometheus/client_golang v1.25.0 // indirect
	github.com/robfig/cron/v3 v3.0.1 // indirect
	golang.org/x/sync v0.24.0 // indirect
	golang.org/x/sys v0.49.0 // indirect
	pgregory.net/rapid v1.3.0 // indirect
)

replace github.com/songspy/songspy/songspy-domain => ../songspy-domain
