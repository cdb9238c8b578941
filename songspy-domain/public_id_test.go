package songspy_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	songspy "github.com/songspy/songspy/songspy-domain"
)

func TestNewPublicID_IsRandomAndInRange(t *testing.T) {
	seen := map[songspy.PublicID]bool{}
	high := 0
	for range 10_000 {
		id := songspy.NewPublicID()
		if !id.IsValid() {
			t.Fatalf("%d is not a valid public id", id)
		}
		if seen[id] {
			t.Fatalf("%d came twice in 10,000 ids; want random ids", id)
		}
		seen[id] = true
		if id >= songspy.PublicIDEnd/2 {
			high++
		}
	}
	if high < 4_500 || high > 5_500 {
		t.Errorf("%d of 10,000 ids lie in the upper half; want about 5,000", high)
	}
}

func TestHandle_RoundTripsInElevenCharacters(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := songspy.PublicID(rapid.Int64Range(1, int64(songspy.PublicIDEnd)-1).Draw(t, "id"))
		h := songspy.Handle(id)
		if len(h) != 11 || strings.ToLower(h) != h || strings.ContainsAny(h, "ilou") {
			t.Fatalf("Handle(%d) = %q; want 11 digits and lowercase letters without i, l, o and u", id, h)
		}
		if back, ok := songspy.ParseHandle(h); !ok || back != id {
			t.Fatalf("ParseHandle(%q) = %d, %t; want %d", h, back, ok, id)
		}
	})
}

func TestHandle_WritesCrockfordBase32(t *testing.T) {
	for id, want := range map[songspy.PublicID]string{
		1: "00000000001", 31: "0000000000z", 32: "00000000010",
		songspy.PublicIDEnd - 1: "7zzzzzzzzzz", 1<<50 + 17: "1000000000h",
	} {
		if got := songspy.Handle(id); got != want {
			t.Errorf("Handle(%d) = %q, want %q", id, got, want)
		}
	}
}

func TestParseHandle_RejectsEverythingThatHandleDoesNotReturn(t *testing.T) {
	for _, h := range []string{
		"", "0", "0000000001", "000000000001", "00000000000", // too short, too long, zero
		"80000000000", "zzzzzzzzzzz", // 2^53 and more
		"0000000000A", "0000000000Z", "0000000000i", "0000000000l", "0000000000o", "0000000000u",
		"0000000000-", "0000000000é", " 0000000001", "０0000000001",
	} {
		if id, ok := songspy.ParseHandle(h); ok {
			t.Errorf("ParseHandle(%q) = %d; want none", h, id)
		}
	}
}

func FuzzParseHandle_AcceptsOnlyHandles(f *testing.F) {
	f.Add("00000000001")
	f.Add("7zzzzzzzzzz")
	f.Add("80000000000")
	f.Fuzz(func(t *testing.T, h string) {
		if id, ok := songspy.ParseHandle(h); ok && (songspy.Handle(id) != h || !id.IsValid()) {
			t.Errorf("ParseHandle(%q) = %d, whose handle is %q", h, id, songspy.Handle(id))
		}
	})
}
