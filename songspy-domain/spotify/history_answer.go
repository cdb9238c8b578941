package spotify

import (
	"slices"
	"time"

	"github.com/valyala/fastjson"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// readHistory turns the body of recently-played into its items, oldest first.
// An item that does not say what was played, or when, is passed over, however
// odd it is.
func readHistory(body []byte) ([]songspy.HistoryItem, error) {
	if len(body) == 0 {
		return nil, nil
	}
	return read(body, func(v *fastjson.Value) []songspy.HistoryItem {
		told := v.GetArray("items")
		told = told[:min(len(told), songspy.HistoryMost)]
		items := make([]songspy.HistoryItem, 0, len(told))
		for _, one := range told {
			if item, ok := heard(one); ok {
				items = append(items, item)
			}
		}
		slices.SortStableFunc(items, func(a, b songspy.HistoryItem) int { return a.PlayedAt.Compare(b.PlayedAt) })
		return items
	})
}

// heard reads one item.
func heard(v *fastjson.Value) (songspy.HistoryItem, bool) {
	at, err := time.Parse(time.RFC3339Nano, text(v, "played_at"))
	if err != nil || at.Unix() <= 0 {
		return songspy.HistoryItem{}, false
	}
	track, ok := itemOf(v.Get("track")).track("track")
	return songspy.HistoryItem{Track: track, PlayedAt: at.UTC().Truncate(time.Microsecond)}, ok
}
