module github.com/songspy/songspy/songspy-sim

go 1.26
