package reconcile

import (
	"os"
	"testing"

	"github.com/songspy/songspy/songspy-domain/playback/playbacktest"
)

func TestMain(m *testing.M) {
	playbacktest.SetChecks()
	os.Exit(m.Run())
}
