module github.com/songspy/songspy/songspy-sim

go 1.26.0

require (
	github.com/joho/godotenv v1.5.1
	pgregory.net/rapid v1.3.0
)
