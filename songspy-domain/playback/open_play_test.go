package playback

import (
	"testing"
)

func TestStep_PlayToTheEndReportsInferredTail(t *testing.T) {
	_, _, out := runSteps(t, idleAt(-1), playing(songA, 1.5, 1.5), playing(songA, 60, 60), playing(songB, 1.5, 201.5))
	if len(out.Plays) != 1 || out.Plays[0].ListenedMS != 200_000 || out.Plays[0].InferredMS != 140_000 {
		t.Errorf("%+v", out.Plays)
	}
}

// TestStep_ResumedTrackLeavesRoomBefore: the progress of a resumed episode does not
// show when it was resumed.
func TestStep_ResumedTrackLeavesRoomBefore(t *testing.T) {
	n, _, _ := runSteps(t, idleAt(-1), playing(songA, 1.5, 1.5), playing(episode, 1200, 100))
	if !n.StartedAt.Equal(at(100)) || !n.OtherSeenAt.Equal(at(1.5)) || !n.Provisional || n.ListenedMS != 0 {
		t.Errorf("%+v", n)
	}
}
