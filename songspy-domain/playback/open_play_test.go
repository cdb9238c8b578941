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

// TestStep_ResumedTrackLeavesRoomBefore polls a song and then an episode that was resumed in
// its middle. The progress of the episode does not show when it was resumed. So its play
// must begin at the poll, provisional and without listening time. OtherSeenAt must be the
// poll of the song, because the play may have begun at any time since.
func TestStep_ResumedTrackLeavesRoomBefore(t *testing.T) {
	n, _, _ := runSteps(t, idleAt(-1), playing(songA, 1.5, 1.5), playing(episode, 1200, 100))
	if !n.StartedAt.Equal(at(100)) || !n.OtherSeenAt.Equal(at(1.5)) || !n.Provisional || n.ListenedMS != 0 {
		t.Errorf("%+v", n)
	}
}
