package songspy

// Recorded is what a transaction that has committed adds to what is known of
// people's listening.
type RecordedCounts struct {
	Plays map[PlaySource]int
	Gaps  map[GapReason]int
}
