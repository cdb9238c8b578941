// Package visibility decides who may see what a user shares. It is pure: time is
// an argument, and the only package of this module that it imports is songspy.
//
// Code that reads other people's data loads raw values together with the Rule of
// their owner. A Viewer gets values of type Seen only, and only Reveal makes one.
// The function maySee decides, in short:
//
//	maySee = not blocked ∧ relation(viewer, owner) ≥ required(owner, thing, time)
//
// The function required does not depend on the viewer. Its comment has the table of
// the rule.
//
// The rule has three laws, which the tests check for random users, settings, plays
// and relations:
//
//   - Noninterference: what a viewer may not see changes nothing that they get.
//   - Narrowing the settings hides past plays too, at once. Widening them never
//     reveals past plays: for each play, the narrowest of the settings counts that
//     were in force during the play or are in force now.
//   - Doubt hides. If the settings are missing, contradict each other or are out of
//     order, only the owner sees anything, and the operator the profile.
package visibility
