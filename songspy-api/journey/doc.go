// Package journey holds the tests that drive the real binaries over HTTP, as a
// frontend and two providers see them: the flows that the service was first
// drawn with, step by step, on every database.
package journey
