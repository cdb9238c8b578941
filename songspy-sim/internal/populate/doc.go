// Package populate signs up simulated people with Songspy and links their Spotify accounts.
// It uses what a frontend can use: the providers' consent pages and Songspy's public API.
// Only the people's nicknames come from the simulator's admin API. A run signs
// everyone in, but links and names only people who are not linked or named yet.
package populate
