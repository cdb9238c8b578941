// Package populate signs up simulated people with Songspy and links their
// Spotify accounts. It uses only what a frontend knows: the providers' pages
// and Songspy's public API. Running it twice changes nothing.
package populate
