// Package populate signs simulated people up with a Songspy and links their
// Spotify, knowing nothing but what a frontend knows: the providers' pages
// and Songspy's public API. Doing it twice changes nothing.
package populate
