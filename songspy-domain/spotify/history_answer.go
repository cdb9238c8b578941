package spotify

import (
	"slices"
	"time"

	"github.com/go-json-experiment/json/v1"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// readHistory turns the body of recently-played into its items, oldest first.
// An item that does not say what was played, or when, is passed over, however
// odd it is.
func readHistory(body []byte) ([]songspy.HistoryItem, error) {
	var answer struct {
		Items []json.RawMessage `json:"items"`
	}
	if len(body) == 0 {
		return nil, nil
	}
	if err := decode(body, &answer); err != nil {
		return nil, err
	}
	answer.Items = answer.Items[:min(len(answer.Items), songspy.HistoryItemsMax)]
	items := make([]songspy.HistoryItem, 0, len(answer.Items))
	for _, raw := range answer.Items {
		if item, ok := readHistoryItem(raw); ok {
			items = append(items, item)
		}
	}
	slices.SortStableFunc(items, func(a, b songspy.HistoryItem) int { return a.PlayedAt.Compare(b.PlayedAt) })
	return items, nil
}

// readHeard reads one item.
func readHistoryItem(raw []byte) (songspy.HistoryItem, bool) {
	var entry struct {
		PlayedAt string `json:"played_at"`
		Track    *item  `json:"track"`
	}
	if decode(raw, &entry) != nil || entry.Track == nil {
		return songspy.HistoryItem{}, false
	}
	at, err := time.Parse(time.RFC3339Nano, entry.PlayedAt)
	if err != nil || at.Unix() <= 0 {
		return songspy.HistoryItem{}, false
	}
	track, ok := entry.Track.toTrack("track")
	return songspy.HistoryItem{Track: track, PlayedAt: songspy.HistoryItemKey(at, track)}, ok
}
