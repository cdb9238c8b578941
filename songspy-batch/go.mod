module github.com/songspy/songspy/songspy-batch

go 1.26

require github.com/songspy/songspy/songspy-domain v0.0.0

replace github.com/songspy/songspy/songspy-domain => ../songspy-domain
