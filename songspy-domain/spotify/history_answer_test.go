package spotify

import (
	"reflect"
	"strings"
	"testing"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

func TestReadHistory_UnderstandsWhatSpotifySends(t *testing.T) {
	const track = `"track":{"uri":"spotify:track:4uLU6hMCjMI75M1A2tKUQC","id":"4uLU6hMCjMI75M1A2tKUQC","name":"Song","duration_ms":213000}`
	entry := func(at string) songspy.HistoryItem {
		when, err := time.Parse(time.RFC3339, at)
		if err != nil {
			t.Fatal(err)
		}
		song := songspy.Track{
			URI: "spotify:track:4uLU6hMCjMI75M1A2tKUQC", Kind: songspy.KindTrack, Title: "Song", DurationMS: 213000,
			URL: "https://open.spotify.com/track/4uLU6hMCjMI75M1A2tKUQC",
		}
		return songspy.HistoryItem{PlayedAt: songspy.HistoryItemKey(when, song), Track: song}
	}
	for name, c := range map[string]struct {
		body string
		want []songspy.HistoryItem
	}{
		"newest first": {
			`{"items":[{` + track + `,"played_at":"2017-05-27T20:07:54.721Z","context":null},{` + track + `,"played_at":"2017-05-26T23:46:34.544Z"}],
			 "next":"https://elsewhere.example/v1/me/player/recently-played?before=1495842394544","cursors":{"after":"1495915674721","before":"1495842394544"},"limit":50}`,
			[]songspy.HistoryItem{entry("2017-05-26T23:46:34.544Z"), entry("2017-05-27T20:07:54.721Z")},
		},
		"nothing":                 {`{"items":[],"next":null,"cursors":null,"limit":50,"href":"x"}`, []songspy.HistoryItem{}},
		"no body":                 {``, nil},
		"items null":              {`{"items":null}`, []songspy.HistoryItem{}},
		"one without a track":     {`{"items":[{"track":null,"played_at":"2017-05-26T23:46:34Z"},{` + track + `,"played_at":"2017-05-26T23:46:34Z"}]}`, []songspy.HistoryItem{entry("2017-05-26T23:46:34Z")}},
		"one without an identity": {`{"items":[{"track":{"name":"x"},"played_at":"2017-05-26T23:46:34Z"}]}`, []songspy.HistoryItem{}},
		"one without a time":      {`{"items":[{` + track + `}]}`, []songspy.HistoryItem{}},
		"a time that is none":     {`{"items":[{` + track + `,"played_at":"yesterday"}]}`, []songspy.HistoryItem{}},
		"one of another type":     {`{"items":["Song",{` + track + `,"played_at":"2017-05-26T23:46:34Z"}]}`, []songspy.HistoryItem{entry("2017-05-26T23:46:34Z")}},
		"a list":                  {`[1]`, []songspy.HistoryItem{}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := readHistory([]byte(c.body))
			if err != nil || len(got) != len(c.want) || len(got) > 0 && !reflect.DeepEqual(got, c.want) {
				t.Errorf("read %+v, %v; want %+v", got, err, c.want)
			}
		})
	}
	if _, err := readHistory([]byte(`<html>`)); songspy.DispositionOf(err) != songspy.DispositionRetryLater {
		t.Errorf("HTML gave %v, want to be asked again later", err)
	}
}

func FuzzReadHistory(f *testing.F) {
	for _, seed := range []string{
		`{"items":[{"track":{"uri":"spotify:track:1","name":"x","duration_ms":1},"played_at":"2017-05-26T23:46:34.544Z"}],"cursors":{"after":"1","before":"2"}}`,
		`{"items":[{"track":{"is_local":true,"uri":"spotify:local::::1"},"played_at":"0001-01-01T00:00:00Z"}]}`, `{"items":[null,1,"x"]}`, `nul`, ``,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		items, err := readHistory(body)
		if err != nil {
			if songspy.DispositionOf(err) != songspy.DispositionRetryLater || items != nil {
				t.Fatalf("failed with %v and %+v", err, items)
			}
			return
		}
		if len(items) > songspy.HistoryItemsMax {
			t.Fatalf("%d items", len(items))
		}
		for i, item := range items {
			if item.Track.URI == "" || len(item.Track.URI) > uriMaxBytes || item.Track.DurationMS < 0 || item.PlayedAt.Unix() <= 0 {
				t.Fatalf("read %+v", item)
			}
			if i > 0 && item.PlayedAt.Before(items[i-1].PlayedAt) {
				t.Fatalf("%v comes after %v", item.PlayedAt, items[i-1].PlayedAt)
			}
			if strings.ContainsRune(item.Track.Title, '\n') {
				t.Fatalf("kept %q", item.Track.Title)
			}
		}
	})
}
