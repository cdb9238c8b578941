// Package visibility decides who may see what a user shares. It is pure: time is
// an argument, and the only package of this module that it imports is songspy.
//
// Code that reads other people's data loads raw values together with the Rule of
// their owner. A Viewer gets values of type Seen only, and only Reveal makes one.
//
//	MaySee = not blocked ∧ relation(viewer, owner) ≥ required(owner, thing, time)
//
// required does not depend on the viewer. See required for the table of the rule.
//
// The rule has three laws, which the tests check for random worlds:
//
//   - Noninterference: what a viewer may not see changes nothing that they get.
//   - Narrowing the settings acts on everything at once. Widening them never
//     reveals the past: a play needs the narrowest setting of its whole time.
//   - Doubt hides. Missing, contradicting or unordered settings show nothing to
//     anybody but the owner.
package visibility
