// Package people answers what one user may know of others, and lets users decide who
// sees them. It reads raw values from the store and the board, and returns them as
// visibility.Seen: only what the viewer may see leaves the package.
//
// For a viewer, a user that the viewer may not see does not exist, and no answer may depend on
// such a user. So a page of a list is full even if some candidates are hidden, and its cursor is
// always the position of a value that was revealed.
package people
