// Package populate signs up simulated people with Songspy and links their Spotify accounts.
// It uses what a frontend can use: the providers' consent pages and Songspy's public API.
// Only the people's nicknames come from the simulator's admin API. A run does only what is
// not done yet, so a second run changes nothing.
package populate
