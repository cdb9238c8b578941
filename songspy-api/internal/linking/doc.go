// Package linking ties a person to a Spotify account: it says where to
// authorize, redeems the code that comes back, and judges whether what it gives
// is enough.
package linking
