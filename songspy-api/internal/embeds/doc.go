// Package embeds shows what a user is listening to on other pages. The user creates
// tokens for it. A token serves one purpose and can be revoked.
//
// The holder of a token sees what the holder of the user's share link sees. There is one
// empty answer: the answers for an unknown token, a revoked token, a hidden user and an
// idle user are the same bytes.
package embeds
