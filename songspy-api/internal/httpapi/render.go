package httpapi

import (
	"encoding/json"
	"time"

	"github.com/songspy/songspy/songspy-api/internal/operator"
	"github.com/songspy/songspy/songspy-api/internal/people"
	"github.com/songspy/songspy/songspy-api/internal/web"
	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/visibility"
)

// Only this file builds values of the contract that hold a person or a track. It builds them
// from values that package visibility has revealed, or from the caller's own data.
// TestRender_AloneBuildsPeopleAndTracks checks that no other file builds such values.

// BoardRenderer returns the function that renders the answer of current-playing. The board keeps
// the rendered answer for all viewers, so it lacks the field serverTime, which boardBody adds to
// each answer. The addresses of pictures begin with publicURL, because pages of other origins
// show them.
func (t TrackIDs) BoardRenderer(publicURL string) func([]visibility.Seen[songspy.BoardEntry]) ([]byte, error) {
	return func(entries []visibility.Seen[songspy.BoardEntry]) ([]byte, error) {
		return json.Marshal(struct {
			Data   []BoardEntry `json:"data"`
			Error  *Fault       `json:"error"`
			Result Result       `json:"result"`
		}{Result: SUCCESS, Data: each(entries, func(seen visibility.Seen[songspy.BoardEntry]) BoardEntry { return t.boardEntry(seen, publicURL) })})
	}
}

func (t TrackIDs) boardEntry(seen visibility.Seen[songspy.BoardEntry], publicURL string) BoardEntry {
	p := seen.Value()
	return BoardEntry{
		Track: BoardTrack{
			Id: t.Of(p.User.ID, p.Track.PublicID), Handle: songspy.Handle(p.Track.PublicID), CreatedAt: Time(p.Playing.StartedAt),
			Title: p.Track.Title, ArtistName: p.Track.Artists, Artists: artists(p.Track), Album: album(p.Track), Kind: BoardTrackKind(p.Track.Kind),
			OriginalUrl: p.Track.URL, PreviewUrl: p.Track.PreviewURL, AlbumImageUrl: p.Track.ImageURL,
			DurationMs: p.Track.DurationMS,
		},
		User: BoardUser{
			Id: int64(p.User.PublicID), Handle: songspy.Handle(p.User.PublicID),
			NickName: p.User.PublicName(), ProfileImageUrl: pictureAddress(p.User, publicURL),
		},
		State:  BoardEntryStatePlaying,
		EndsAt: timeOrNull(p.Playing.EndsAt),
	}
}

func artists(t songspy.Track) []Artist {
	return each(t.ArtistRefs, func(a songspy.Artist) Artist { return Artist{Uri: a.URI, Name: a.Name, Url: a.URL} })
}

// album returns the album of the track, or nil if it is not known.
func album(t songspy.Track) *Album {
	if t.AlbumRef.URI == "" {
		return nil
	}
	return &Album{Uri: t.AlbumRef.URI, Name: t.AlbumRef.Name, Url: t.AlbumRef.URL}
}

// pictureAddress returns the address at which this instance serves the user's picture, or "" if
// the user shows none. The address is only a path if origin is empty.
func pictureAddress(u songspy.User, origin string) string {
	if u.PublicPicture() == "" {
		return ""
	}
	return origin + "/v1/songspy/people/" + songspy.Handle(u.PublicID) + "/picture"
}

func person(u visibility.Seen[songspy.User]) Person { return personOf(u.Value()) }

func personOf(u songspy.User) Person {
	return Person{Handle: songspy.Handle(u.PublicID), NickName: u.PublicName(), ProfileImageUrl: pictureAddress(u, "")}
}

func personTrack(t songspy.Track) PersonTrack {
	uri := t.URI
	if t.Kind == songspy.KindLocal {
		uri = "" // the URI of a local file contains the file's name
	}
	return PersonTrack{
		Handle: songspy.Handle(t.PublicID), Uri: uri, Title: t.Title, ArtistName: t.Artists, Artists: artists(t), Album: album(t),
		OriginalUrl: t.URL, AlbumImageUrl: t.ImageURL, Kind: PersonTrackKind(t.Kind), DurationMs: t.DurationMS,
	}
}

func listeningEntry(seen visibility.Seen[songspy.BoardEntry]) ListeningEntry {
	p := seen.Value()
	return ListeningEntry{Person: personOf(p.User), Track: personTrack(p.Track), StartedAt: Time(p.Playing.StartedAt), EndsAt: timeOrNull(p.Playing.EndsAt)}
}

// RenderLive returns an entry of a stream as a JSON object. It lacks the field slot (the user's
// place), which the board adds in the stream's topic "window".
func RenderLive(seen visibility.Seen[songspy.BoardEntry]) []byte {
	l := listeningEntry(seen)
	text, err := json.Marshal(LiveEntry{
		Person: l.Person, Track: l.Track, StartedAt: l.StartedAt, EndsAt: l.EndsAt, State: LiveEntryState(seen.Value().Playing.State),
	})
	if err != nil {
		panic(err) // cannot happen: the entry holds only texts, numbers and times
	}
	return text
}

// frontPage returns the users that the front page shows: those of the window (the viewer's part
// of all listeners) and those that the viewer follows. A user who is in both lists is shown only
// as a followed user. The argument self is the viewer, or 0 if the viewer is not signed in; now
// is the present time.
func frontPage(window, following []visibility.Seen[songspy.BoardEntry], self songspy.UserID, now time.Time) *web.Listening {
	known := map[songspy.UserID]bool{}
	cards := func(entries []visibility.Seen[songspy.BoardEntry]) (list []web.Card) {
		for _, seen := range entries {
			p := seen.Value()
			if known[p.User.ID] {
				continue
			}
			known[p.User.ID] = true
			entry := listeningEntry(seen)
			card := web.Card{
				Entry: entry, Person: entry.Person.Handle, Track: entry.Track.Handle, StartedAt: p.Playing.StartedAt, EndsAt: p.Playing.EndsAt,
				Duration: time.Duration(p.Track.DurationMS) * time.Millisecond, IsMine: p.User.ID == self,
			}
			for _, a := range p.Track.ArtistRefs {
				card.Artists = append(card.Artists, web.Artist{URI: a.URI, Name: a.Name})
			}
			list = append(list, card)
		}
		return list
	}
	followed := cards(following)
	return web.NewListening(cards(window), followed, now)
}

// trackPage returns the answer for a track. All listeners are listening to this track, and there
// is at least one.
func trackPage(listeners []visibility.Seen[songspy.BoardEntry]) TrackPage {
	return TrackPage{Track: personTrack(listeners[0].Value().Track), Listeners: each(listeners, listeningEntry)}
}

func profile(p people.Profile) Profile {
	answer := Profile{Person: person(p.User), Follow: ProfileFollowNone}
	switch {
	case p.IsSelf:
		answer.Follow = ProfileFollowSelf
	case p.Follow != "":
		answer.Follow = ProfileFollow(p.Follow)
	}
	answer.NowPlaying = nowPlaying(p.Playing)
	return answer
}

// nowPlaying converts a revealed board entry into the NowPlaying of the contract. It returns nil
// if seen is nil.
func nowPlaying(seen *visibility.Seen[songspy.BoardEntry]) *NowPlaying {
	if seen == nil {
		return nil
	}
	p := seen.Value()
	return &NowPlaying{Track: personTrack(p.Track), StartedAt: Time(p.Playing.StartedAt), EndsAt: timeOrNull(p.Playing.EndsAt)}
}

// embed returns what the holder of an embed token sees of its user. If playing is nil, the
// holder sees that nothing plays.
func embed(playing *visibility.Seen[songspy.BoardEntry]) Embed {
	return Embed{NowPlaying: nowPlaying(playing)}
}

// RenderEmbed returns, as JSON, what an embed shows of its user. A message to a webhook has the
// same content. If playing is nil, the JSON says that nothing plays.
func RenderEmbed(playing *visibility.Seen[songspy.BoardEntry]) (json.RawMessage, error) {
	return json.Marshal(embed(playing))
}

func personPlay(seen visibility.Seen[songspy.PlayWithTrack]) PersonPlay {
	p := seen.Value()
	return PersonPlay{
		StartedAt: Time(p.Play.StartedAt), EndedAt: Time(p.Play.EndedAt), ListenedMs: p.Play.ListenedMS, Track: personTrack(p.Track),
	}
}

func follow(f people.Follow) Follow {
	return Follow{Person: person(f.Person), State: FollowState(f.State), AskedAt: Time(f.AskedAt), ApprovedAt: timeOrNull(f.ApprovedAt)}
}

func block(b people.Block) Block {
	p := Person{Handle: songspy.Handle(b.User)}
	if b.Person != nil {
		p = person(*b.Person)
	}
	return Block{Person: p, BlockedAt: Time(b.At)}
}

func operatorSeat(s operator.Seat) OperatorSeat {
	return OperatorSeat{Person: person(s.User), App: s.App, Email: nullIfEmpty(s.Email.Reveal()), Since: Time(s.Since)}
}

func report(r operator.Report) Report {
	return Report{Id: r.ID, Person: person(r.User), Hidden: r.IsHidden, Reason: ReportReason(r.Reason), Text: r.Text, At: Time(r.At)}
}

func hiddenPerson(h operator.Hidden) HiddenPerson {
	return HiddenPerson{Person: person(h.User), Since: timeOrNull(h.Since), Detail: h.Detail}
}

// myPlay converts a play of the caller into the MyPlay of the contract.
func (t TrackIDs) myPlay(p songspy.PlayWithTrack) MyPlay {
	return MyPlay{
		Id: p.Play.StartedAt.UnixMicro(), StartedAt: Time(p.Play.StartedAt), EndedAt: Time(p.Play.EndedAt),
		ListenedMs: p.Play.ListenedMS, Source: MyPlaySource(p.Play.Source), Provisional: p.Play.Provisional, Probable: p.Play.Probable,
		Track: PlayedTrack{
			Id: t.Of(p.Play.UserID, p.Track.PublicID), Handle: songspy.Handle(p.Track.PublicID), Uri: p.Track.URI,
			Title: p.Track.Title, ArtistName: p.Track.Artists, Artists: artists(p.Track), AlbumName: p.Track.Album, Album: album(p.Track),
			OriginalUrl: p.Track.URL, AlbumImageUrl: p.Track.ImageURL,
			Kind: PlayedTrackKind(p.Track.Kind), DurationMs: p.Track.DurationMS,
		},
	}
}

// each returns what render returns for each value.
func each[T, R any](values []T, render func(T) R) []R {
	list := make([]R, len(values))
	for i, v := range values {
		list[i] = render(v)
	}
	return list
}
