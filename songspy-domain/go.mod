module github.com/songspy/songspy/songspy-domain

go 1.26
