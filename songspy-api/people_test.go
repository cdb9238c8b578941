package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/store/storetest"

	"github.com/songspy/songspy/songspy-api/internal/contracttest"
)

const artistURI = "spotify:artist:0000000000000000000001"

// checkPeople calls every route about sharing and other users. Ann is playing a song.
func (w *testAPI) checkPeople(t *testing.T, ann, bob signedIn) {
	t.Helper()
	call := func(user signedIn, method, path string, body any) contracttest.Response {
		t.Helper()
		a := w.Call(method, prefix+path, body, user.bearer()...)
		w.wantStatus(t, a, 200, "")
		return a
	}
	call(ann, "PATCH", "/me/sharing", map[string]any{"findable": true, "history": "everyone"})
	call(ann, "GET", "/me/sharing", nil)
	if a := call(ann, "GET", "/me/sharing/preview?as=follower", nil); !bytes.Contains(a.Data, []byte("A song")) {
		t.Errorf("the preview lacks the song: %s", a.Data)
	}
	call(ann, "POST", "/me/sharing/link", nil)
	call(ann, "DELETE", "/me/sharing/link", nil)

	if a := call(bob, "GET", "/people?q="+"앤", nil); !bytes.Contains(a.Data, []byte(ann.handle())) {
		t.Errorf("the search for Ann answers %s", a.Data)
	}
	call(bob, "GET", "/people/"+ann.handle()+"/plays", nil)
	w.wantStatus(t, w.Call("GET", prefix+"/people/"+ann.handle()+"/picture", nil, bob.bearer()...), 200, "")
	var profile struct {
		NowPlaying struct {
			Track struct{ Handle, Title string }
		}
	}
	call(bob, "GET", "/people/"+ann.handle(), nil).DecodeData(t, &profile)
	if profile.NowPlaying.Track.Title != "A song" {
		t.Errorf("the profile is %+v", profile)
	}
	if a := call(bob, "GET", "/tracks/"+profile.NowPlaying.Track.Handle, nil); !bytes.Contains(a.Data, []byte(ann.handle())) {
		t.Errorf("the track's page is %s", a.Data)
	}
	call(bob, "PUT", "/people/"+ann.handle()+"/follow", nil)
	call(ann, "GET", "/me/followers", nil)
	call(ann, "PUT", "/me/followers/"+bob.handle(), nil)
	call(bob, "GET", "/me/following", nil)
	if a := call(bob, "GET", "/listening?audience=following", nil); !bytes.Contains(a.Data, []byte("A song")) {
		t.Errorf("Bob follows %s", a.Data)
	}
	call(bob, "DELETE", "/people/"+ann.handle()+"/follow", nil)
	call(bob, "PUT", "/people/"+ann.handle()+"/follow", nil)
	call(ann, "DELETE", "/me/followers/"+bob.handle(), nil)
	call(bob, "POST", "/people/"+ann.handle()+"/report", map[string]string{"reason": "other", "text": "a text"})
	call(bob, "PUT", "/people/"+ann.handle()+"/block", nil)
	call(bob, "GET", "/me/blocks", nil)
	call(bob, "DELETE", "/people/"+ann.handle()+"/block", nil)
	call(ann, "PUT", "/me/hidden/"+artistURI, nil)
	call(ann, "GET", "/me/hidden/"+artistURI, nil)
	call(ann, "GET", "/me/hidden", nil)
	call(ann, "DELETE", "/me/hidden/"+artistURI, nil)
	call(ann, "GET", "/me/audit", nil)
}

// share changes the user's sharing settings. The argument change holds the fields of the request.
func (w *testAPI) share(t *testing.T, user signedIn, change map[string]any) {
	t.Helper()
	w.wantStatus(t, w.Call("PATCH", prefix+"/me/sharing", change, user.bearer()...), 200, "")
}

// follow lets one user follow another.
func (w *testAPI) follow(t *testing.T, follower, user signedIn) {
	t.Helper()
	if _, err := w.db.RequestFollow(t.Context(), user.UserID, follower.UserID); err != nil {
		t.Fatal(err)
	}
	if _, err := w.db.ApproveFollow(t.Context(), user.UserID, follower.UserID); err != nil {
		t.Fatal(err)
	}
}

// play links Spotify if the user has not linked it, lets the user play a song, and waits until the
// board has the song.
func (w *testAPI) play(t *testing.T, user signedIn, title string) {
	t.Helper()
	if _, err := w.db.Link(t.Context(), user.UserID); err != nil {
		code := w.spotifyCode(int(user.UserID)-1, "")
		w.wantStatus(t, w.Call("POST", prefix+"/spotify-auth", map[string]string{"code": code}, user.bearer()...), 200, "")
	}
	w.writePlayback(t, user.UserID, title)
	w.eventually(t, "the song in the user's own profile", func() bool {
		return bytes.Contains(w.Call("GET", prefix+"/people/"+user.handle(), nil, user.bearer()...).Data, []byte(title))
	})
}

// newPeople starts an API on SQLite, and returns it with Ann, Bob and Cid, who have signed up.
func newPeople(t *testing.T) (w *testAPI, ann, bob, cid signedIn) {
	t.Helper()
	w = newTestAPI(t, storetest.SQLite)
	return w, w.signIn(t, 0), w.signIn(t, 1), w.signIn(t, 2)
}

func sameAnswer(a, b contracttest.Response) bool {
	a.Header, b.Header = a.Header.Clone(), b.Header.Clone()
	for _, h := range []string{"Date", "X-Request-Id"} { // these differ in every answer
		a.Header.Del(h)
		b.Header.Del(h)
	}
	return a.Status == b.Status && bytes.Equal(a.Body, b.Body) && fmt.Sprint(a.Header) == fmt.Sprint(b.Header)
}

func TestDetails_AHandleWithNothingVisibleAnswersLikeAnUnknownOne(t *testing.T) {
	w, ann, bob, _ := newPeople(t)
	w.share(t, ann, map[string]any{"now": "nobody", "history": "nobody"})
	w.play(t, ann, "A hidden song")
	var own struct {
		NowPlaying struct{ Track struct{ Handle string } }
	}
	w.Call("GET", prefix+"/people/"+ann.handle(), nil, ann.bearer()...).DecodeData(t, &own)
	unknown := "00000000001"
	for _, c := range []struct {
		method, path string
		body         any
	}{
		{"GET", "/people/%s", nil},
		{"GET", "/people/%s?link=unknown", nil},
		{"GET", "/people/%s/plays", nil},
		{"PUT", "/people/%s/follow", nil},
		{"DELETE", "/people/%s/follow", nil},
		{"PUT", "/people/%s/block", nil},
		{"DELETE", "/people/%s/block", nil},
		{"POST", "/people/%s/report", map[string]string{"reason": "other"}},
		{"PUT", "/me/followers/%s", nil},
		{"DELETE", "/me/followers/%s", nil},
		{"GET", "/tracks/%s", nil},
	} {
		handle := ann.handle()
		if strings.HasPrefix(c.path, "/tracks") {
			handle = own.NowPlaying.Track.Handle
		}
		for name, header := range map[string][]string{"a stranger": nil, "Bob": bob.bearer()} {
			if c.method != "GET" && header == nil {
				continue
			}
			hidden := w.Call(c.method, prefix+fmt.Sprintf(c.path, handle), c.body, header...)
			if other := w.Call(c.method, prefix+fmt.Sprintf(c.path, unknown), c.body, header...); !sameAnswer(hidden, other) || hidden.Status != 404 {
				t.Errorf("%s %s for %s: the hidden one answers %d %s, the unknown one %d %s", c.method, c.path, name, hidden.Status, hidden.Body, other.Status, other.Body)
			}
		}
	}
}

func TestDetails_UsersAndTracksHaveRandomIDs(t *testing.T) {
	w, ann, bob, _ := newPeople(t)
	w.play(t, ann, "A song")
	w.play(t, bob, "B song")
	var board []struct {
		User  struct{ ID int64 }
		Track struct {
			ID     int64
			Handle string
		}
	}
	w.Call("GET", prefix+"/tracks/current-playing", nil).DecodeData(t, &board)
	if len(board) != 2 {
		t.Fatalf("the board has %+v", board)
	}
	for _, entry := range board {
		// A random one of 2^53 ids is below 2^20 once in 8 billion times. So a smaller id shows that ids
		// are assigned in sequence.
		track, ok := songspy.ParseHandle(entry.Track.Handle)
		if !ok || entry.User.ID < 1<<20 || track < 1<<20 || entry.Track.ID < 1<<20 {
			t.Errorf("these ids count users or tracks: %+v", entry)
		}
	}
	var sessions []struct{ ID int64 }
	w.Call("GET", prefix+"/me/sessions", nil, ann.bearer()...).DecodeData(t, &sessions)
	if sessions[0].ID < 1<<20 {
		t.Errorf("the id %d counts sessions", sessions[0].ID)
	}
}

func TestDetails_ABlockActsBetweenAccounts(t *testing.T) {
	w, ann, bob, cid := newPeople(t)
	w.play(t, ann, "A song")
	w.play(t, cid, "C song")
	w.follow(t, bob, ann)
	w.wantStatus(t, w.Call("PUT", prefix+"/people/"+bob.handle()+"/block", nil, ann.bearer()...), 200, "")

	// To Bob, Ann must seem not to exist, and a page of one listener must still be full: it shows Cid.
	unknown := w.Call("GET", prefix+"/people/00000000001", nil, bob.bearer()...)
	if a := w.Call("GET", prefix+"/people/"+ann.handle(), nil, bob.bearer()...); !sameAnswer(a, unknown) {
		t.Errorf("the blocker answers %d %s", a.Status, a.Body)
	}
	var page struct {
		Items []struct{ Person struct{ Handle string } }
	}
	w.Call("GET", prefix+"/listening?limit=1", nil, bob.bearer()...).DecodeData(t, &page)
	if len(page.Items) != 1 || page.Items[0].Person.Handle != cid.handle() {
		t.Errorf("Bob's window is %+v", page)
	}
	// While Bob is signed out, he sees what strangers see, so he may see Ann.
	if a := w.Call("GET", prefix+"/people/"+ann.handle(), nil); a.Status != 200 {
		t.Errorf("signed out, Ann's profile answers %d", a.Status)
	}
	// To Ann, Bob must seem not to exist either, except in her list of blocks.
	if a := w.Call("GET", prefix+"/people/"+bob.handle(), nil, ann.bearer()...); a.Status != 404 {
		t.Errorf("the blocked one answers %d", a.Status)
	}
	if a := w.Call("GET", prefix+"/me/blocks", nil, ann.bearer()...); !bytes.Contains(a.Data, []byte(bob.handle())) {
		t.Errorf("Ann's blocks are %s", a.Data)
	}
	w.wantStatus(t, w.Call("PUT", prefix+"/people/"+ann.handle()+"/follow", nil, bob.bearer()...), 404, "NOT_FOUND")
	// The block has ended Bob's follow. The end of the block must not bring the follow back.
	w.wantStatus(t, w.Call("DELETE", prefix+"/people/"+bob.handle()+"/block", nil, ann.bearer()...), 200, "")
	if a := w.Call("GET", prefix+"/me/following", nil, bob.bearer()...); bytes.Contains(a.Data, []byte(ann.handle())) {
		t.Errorf("after the block, Bob follows %s", a.Data)
	}
}

func TestDetails_AChosenGooglePictureIsServedByUs(t *testing.T) {
	w, ann, bob, _ := newPeople(t)
	w.share(t, ann, map[string]any{"findable": true})
	w.play(t, ann, "A song")
	google := *ann.ProfileImageURL
	address := prefix + "/people/" + ann.handle() + "/picture"
	unknown := w.Call("GET", prefix+"/people/00000000001/picture", nil)
	if a := w.Call("GET", address, nil); !sameAnswer(a, unknown) {
		t.Errorf("a picture that is not shown answers %d %s", a.Status, a.Body)
	}
	show := func(shown bool) {
		t.Helper()
		w.wantStatus(t, w.Call("POST", fmt.Sprint(prefix, "/users/", ann.ID, "/edit"), map[string]any{"nickName": "Ann", "showProfileImage": shown}, ann.bearer()...), 200, "")
		w.eventually(t, "the board", func() bool { return strings.Contains(w.boardJSON(t), "http://127.0.0.1:8080"+address) == shown })
	}
	show(true)
	a := w.Call("GET", address, nil)
	if kind := http.DetectContentType(a.Body); a.Status != 200 || kind != "image/jpeg" || a.Header.Get("Cache-Control") != "no-cache" {
		t.Errorf("the picture is %d %s %v", a.Status, kind, a.Header)
	}
	if again := w.Call("GET", address, nil, "If-None-Match", a.Header.Get("ETag")); again.Status != 304 || len(again.Body) > 0 {
		t.Errorf("with the ETag the answer is %d", again.Status)
	}
	if private := w.Call("GET", address, nil, bob.bearer()...); private.Header.Get("Cache-Control") != "private, no-store" || !bytes.Equal(private.Body, a.Body) {
		t.Errorf("for Bob the picture is %d %v", private.Status, private.Header)
	}
	for _, path := range []string{"/tracks/current-playing", "/listening", "/people?q=ann", "/people/" + ann.handle()} {
		if seen := w.Call("GET", prefix+path, nil, bob.bearer()...); bytes.Contains(seen.Body, []byte(google)) || !bytes.Contains(seen.Body, []byte(address)) {
			t.Errorf("%s has Google's address, or lacks ours: %s", path, seen.Body)
		}
	}
	w.share(t, ann, map[string]any{"now": "nobody", "history": "nobody", "findable": false})
	if hidden := w.Call("GET", address, nil); !sameAnswer(hidden, unknown) {
		t.Errorf("the picture of a hidden user answers %d %s", hidden.Status, hidden.Body)
	}
	w.share(t, ann, map[string]any{"findable": true})
	show(false)
	if off := w.Call("GET", address, nil); !sameAnswer(off, unknown) {
		t.Errorf("the picture that is switched off answers %d %s", off.Status, off.Body)
	}
}

func TestDetails_AudienceFollowersNeedsApproval(t *testing.T) {
	w, ann, bob, _ := newPeople(t)
	w.share(t, ann, map[string]any{"now": "followers", "history": "followers", "findable": true})
	w.play(t, ann, "A song")
	sees := func() bool {
		return bytes.Contains(w.Call("GET", prefix+"/listening", nil, bob.bearer()...).Data, []byte("A song"))
	}
	w.wantStatus(t, w.Call("PUT", prefix+"/people/"+ann.handle()+"/follow", nil, bob.bearer()...), 200, "")
	if sees() {
		t.Error("a follower who has only asked sees the song")
	}
	w.wantStatus(t, w.Call("PUT", prefix+"/me/followers/"+bob.handle(), nil, ann.bearer()...), 200, "")
	if !sees() {
		t.Error("the approved follower does not see the song")
	}
	w.wantStatus(t, w.Call("DELETE", prefix+"/me/followers/"+bob.handle(), nil, ann.bearer()...), 200, "")
	if sees() {
		t.Error("the removed follower sees the song")
	}
	a := w.Call("PUT", prefix+"/people/"+ann.handle()+"/follow", nil, bob.bearer()...)
	if !bytes.Contains(a.Data, []byte(`"state":"requested"`)) {
		t.Errorf("the removed follower is followed at once: %s", a.Data)
	}
}

func TestProfile_HasTheStateOfTheViewersFollow(t *testing.T) {
	w, ann, bob, _ := newPeople(t)
	want := func(state string) {
		t.Helper()
		if a := w.Call("GET", prefix+"/people/"+ann.handle(), nil, bob.bearer()...); !bytes.Contains(a.Data, []byte(`"follow":"`+state)) {
			t.Errorf("want the state %s of the follow, got %s", state, a.Data)
		}
	}
	want(`none"`)
	w.wantStatus(t, w.Call("PUT", prefix+"/people/"+ann.handle()+"/follow", nil, bob.bearer()...), 200, "")
	want(`requested"`)
	w.wantStatus(t, w.Call("PUT", prefix+"/me/followers/"+bob.handle(), nil, ann.bearer()...), 200, "")
	want(`approved"`)
}

func TestDetails_PersonalisedAnswersAreNotStored(t *testing.T) {
	w, ann, _, _ := newPeople(t)
	w.play(t, ann, "A song")
	for name, c := range map[string]struct {
		header []string
		want   string
	}{"a stranger": {nil, "no-cache"}, "Ann": {ann.bearer(), "private, no-store"}} {
		a := w.Call("GET", prefix+"/listening", nil, c.header...)
		if got := a.Header.Get("Cache-Control"); got != c.want || !strings.HasPrefix(a.Header.Get("ETag"), "W/") {
			t.Errorf("%s: Cache-Control %q, ETag %q, want %q and a weak ETag", name, got, a.Header.Get("ETag"), c.want)
		}
		if again := w.Call("GET", prefix+"/listening", nil, append(slices.Clone(c.header), "If-None-Match", a.Header.Get("ETag"))...); again.Status != 304 {
			t.Errorf("%s: with the ETag the answer is %d", name, again.Status)
		}
	}
	for _, path := range []string{"/people/" + ann.handle(), "/people?q=a", "/me/sharing"} {
		if a := w.Call("GET", prefix+path, nil, ann.bearer()...); !strings.Contains(a.Header.Get("Cache-Control"), "no-store") {
			t.Errorf("%s: Cache-Control %q", path, a.Header.Get("Cache-Control"))
		}
	}
}

func TestListening_IsCompressedForClientsThatAcceptIt(t *testing.T) {
	w, ann, _, _ := newPeople(t)
	w.play(t, ann, "A song")
	plain := w.Call("GET", prefix+"/listening", nil, "Accept-Encoding", "identity")
	// If the test sets no Accept-Encoding, Go's HTTP client requests gzip and decompresses the answer.
	zipped := w.Call("GET", prefix+"/listening", nil)
	if !bytes.Equal(plain.Body, zipped.Body) {
		t.Errorf("the answers differ: %s and %s", plain.Body, zipped.Body)
	}
	if a, b := plain.Header.Get("ETag"), zipped.Header.Get("ETag"); b != strings.TrimSuffix(a, `"`)+`-gzip"` {
		t.Errorf("the ETags are %s and %s", a, b)
	}
	for _, a := range []contracttest.Response{plain, zipped} {
		if a.Header.Get("Vary") != "Accept-Encoding" {
			t.Errorf("Vary is %q", a.Header.Get("Vary"))
		}
		if again := w.Call("GET", prefix+"/listening", nil, "If-None-Match", a.Header.Get("ETag")); again.Status != 304 {
			t.Errorf("with the ETag %s the answer is %d", a.Header.Get("ETag"), again.Status)
		}
	}
}

func TestDetails_TracksWithoutArtistIdentityAreComparedByName(t *testing.T) {
	w, ann, _, _ := newPeople(t)
	w.play(t, ann, "A song") // stored without artists and their names, so it may be by the hidden artist
	shows := func() bool { return strings.Contains(w.boardJSON(t), "A song") }
	if !shows() {
		t.Fatal("the song is not shown")
	}
	w.wantStatus(t, w.Call("PUT", prefix+"/me/hidden/"+artistURI, nil, ann.bearer()...), 200, "")
	w.eventually(t, "the song to disappear", func() bool { return !shows() })
}

func TestSharing_PreviewHasTheBytesThatTheViewerReceives(t *testing.T) {
	w, ann, bob, cid := newPeople(t)
	w.play(t, cid, "C song")
	w.share(t, ann, map[string]any{"now": "followers", "history": "followers"})
	w.play(t, ann, "A song")
	w.follow(t, bob, ann)
	for as, header := range map[string][]string{"stranger": nil, "follower": bob.bearer()} {
		var preview struct{ Board, Listening, Profile json.RawMessage }
		w.Call("GET", prefix+"/me/sharing/preview?as="+as, nil, ann.bearer()...).DecodeData(t, &preview)
		for what, c := range map[string]struct {
			path string
			got  json.RawMessage
		}{
			"the board":   {"/tracks/current-playing", preview.Board},
			"listening":   {"/listening", preview.Listening},
			"the profile": {"/people/" + ann.handle(), preview.Profile},
		} {
			want := w.Call("GET", prefix+c.path, nil, header...).Body
			if what == "the board" { // the time of the answer, which comes first, differs
				_, want, _ = bytes.Cut(want, []byte(`,"data":`))
				_, c.got, _ = bytes.Cut(c.got, []byte(`,"data":`))
			}
			if !bytes.Equal(bytes.TrimSpace(c.got), bytes.TrimSpace(want)) {
				t.Errorf("as %s, the preview of %s is\n%s\nand the viewer receives\n%s", as, what, c.got, want)
			}
		}
	}
}

func TestSharing_ChangesOnlyWhatIsSent(t *testing.T) {
	w, ann, _, _ := newPeople(t)
	for _, c := range []struct{ change, want string }{
		{`{}`, `"hiddenUntil":null,"hideChapters":false,"hideEpisodes":false,"hideLocal":true,"history":"everyone"`},
		{`{"hideEpisodes":true,"minSeconds":30}`, `"hideEpisodes":true,"hideLocal":true,"history":"everyone"`},
		{`{"hiddenUntil":"9999-01-01T00:00:00Z"}`, `"hiddenUntil":"9999-12-31T00:00:00.000Z"`},
		{`{"now":"followers"}`, `"hiddenUntil":"9999-12-31T00:00:00.000Z"`},
		{`{"hiddenUntil":null}`, `"hiddenUntil":null`},
		{`{"hiddenUntil":"2020-01-01T00:00:00Z"}`, `"hiddenUntil":null`},
	} {
		if a := w.Call("PATCH", prefix+"/me/sharing", c.change, ann.bearer()...); a.Status != 200 || !bytes.Contains(a.Data, []byte(c.want)) {
			t.Errorf("%s: status %d, %s, want %s", c.change, a.Status, a.Body, c.want)
		}
	}
	for _, refused := range []string{`{"nowPlaying":"everyone"}`, `{"now":"friends"}`, `{"minSeconds":31}`, `{"now":null}`, `{"hiddenUntil":"soon"}`} {
		if a := w.Call("PATCH", prefix+"/me/sharing", refused, ann.bearer()...); a.Status != 400 {
			t.Errorf("%s: status %d, %s", refused, a.Status, a.Body)
		}
	}
}

func TestSharing_TheLinkShowsItsOwnerUntilItIsRevoked(t *testing.T) {
	w, ann, _, _ := newPeople(t)
	w.share(t, ann, map[string]any{"now": "link", "history": "nobody"})
	w.play(t, ann, "A song")
	profile := prefix + "/people/" + ann.handle()
	w.wantStatus(t, w.Call("GET", profile, nil), 404, "NOT_FOUND")
	newLink := func() string {
		var link struct{ Link string }
		w.Call("POST", prefix+"/me/sharing/link", nil, ann.bearer()...).DecodeData(t, &link)
		w.secrets = append(w.secrets, link.Link)
		return link.Link
	}
	first := newLink()
	if a := w.Call("GET", profile+"?link="+first, nil); !bytes.Contains(a.Data, []byte("A song")) {
		t.Errorf("with the link: status %d, %s", a.Status, a.Body)
	}
	second := newLink()
	w.wantStatus(t, w.Call("GET", profile+"?link="+first, nil), 404, "NOT_FOUND")
	w.wantStatus(t, w.Call("DELETE", prefix+"/me/sharing/link", nil, ann.bearer()...), 200, "")
	if a, unknown := w.Call("GET", profile+"?link="+second, nil), w.Call("GET", profile+"?link=unknown", nil); !sameAnswer(a, unknown) {
		t.Errorf("the revoked link answers %d %s", a.Status, a.Body)
	}
}

func TestPlays_AreFullPagesOfWhatTheViewerMaySee(t *testing.T) {
	w, ann, bob, _ := newPeople(t)
	w.play(t, ann, "A song")
	link, err := w.db.Link(t.Context(), ann.UserID)
	if err != nil {
		t.Fatal(err)
	}
	// Every other play is of an episode, and episodes are hidden.
	w.share(t, ann, map[string]any{"hideEpisodes": true})
	start := time.Now().Add(time.Second).UTC().Truncate(time.Microsecond)
	update := songspy.PlaybackUpdate{Playing: songspy.NowPlaying{UserID: ann.UserID, State: songspy.PlayerIdle, ObservedAt: start.Add(time.Hour), Generation: link.Generation}}
	for i := range 20 {
		kind := songspy.KindTrack
		if i%2 == 0 {
			kind = songspy.KindEpisode
		}
		track := songspy.Track{URI: fmt.Sprintf("spotify:%s:%022d", kind, i), Kind: kind, Title: fmt.Sprint("title ", i), DurationMS: 60_000}
		update.Tracks = append(update.Tracks, track)
		update.Plays = append(update.Plays, songspy.Play{
			UserID: ann.UserID, TrackURI: track.URI, StartedAt: start.Add(time.Duration(i) * time.Minute),
			EndedAt: start.Add(time.Duration(i)*time.Minute + 50*time.Second), ListenedMS: 50_000, Source: songspy.SourceLive,
		})
	}
	if written, err := w.db.WritePlaybackUpdates(t.Context(), []songspy.PlaybackUpdate{update}); err != nil || written[0].Err != nil {
		t.Fatalf("%+v, error %v", written, err)
	}
	var titles []string
	for next := ""; ; {
		var page struct {
			Items      []struct{ Track struct{ Title string } }
			NextCursor *string
		}
		w.Call("GET", prefix+"/people/"+ann.handle()+"/plays?limit=3"+next, nil, bob.bearer()...).DecodeData(t, &page)
		for _, p := range page.Items {
			titles = append(titles, p.Track.Title)
		}
		if page.NextCursor == nil {
			break
		}
		if len(page.Items) != 3 {
			t.Errorf("a page that is not the last has %d plays", len(page.Items))
		}
		next = "&cursor=" + *page.NextCursor
	}
	want := "[title 19 title 17 title 15 title 13 title 11 title 9 title 7 title 5 title 3 title 1]"
	if got := fmt.Sprint(titles); got != want {
		t.Errorf("Bob sees the plays %s, want %s", got, want)
	}
}

// command runs a command line of songspy-api, which must succeed, and returns what it prints.
func (w *testAPI) command(t *testing.T, args ...string) string {
	t.Helper()
	var out, problems bytes.Buffer
	if code := run(t.Context(), args, w.env, &out, &problems); code != 0 {
		t.Fatalf("%v: code %d, %s", args, code, &problems)
	}
	return out.String()
}

func TestAudit_ListsTheUsersOwnActs(t *testing.T) {
	w, ann, _, _ := newPeople(t)
	w.play(t, ann, "A song")
	again := w.signIn(t, 0)
	w.share(t, ann, map[string]any{"now": "followers"})
	w.wantStatus(t, w.Call("POST", prefix+"/logout", nil, again.bearer()...), 200, "")
	w.wantStatus(t, w.Call("DELETE", prefix+"/spotify-auth", nil, ann.bearer()...), 200, "")
	var log struct {
		Items []struct{ Kind, Actor, Detail string }
	}
	w.Call("GET", prefix+"/me/audit", nil, ann.bearer()...).DecodeData(t, &log)
	var kinds []string
	for _, e := range log.Items {
		kinds = append(kinds, e.Kind)
		if e.Actor != "self" {
			t.Errorf("%+v is not the user's own act", e)
		}
	}
	if want := []string{"unlinked", "signed_out", "sharing_changed", "signed_in", "linked", "signed_in", "signed_up"}; !slices.Equal(kinds, want) {
		t.Errorf("the audit log is %q, want %q", kinds, want)
	}
}

func TestPeopleCommand_HidesAndRenamesAndTheUserReadsIt(t *testing.T) {
	w, ann, bob, _ := newPeople(t)
	w.play(t, ann, "A song")
	w.wantStatus(t, w.Call("POST", prefix+"/people/"+ann.handle()+"/report", map[string]string{"reason": "name", "text": "not nice"}, bob.bearer()...), 200, "")
	if out := w.command(t, "people", "reports"); !strings.Contains(out, ann.handle()) || !strings.Contains(out, `"not nice"`) || strings.Contains(out, bob.handle()) {
		t.Errorf("the reports are\n%s", out)
	}
	w.command(t, "people", "rename", ann.handle(), "Somebody", "--reason=a name that offends")
	for _, name := range []string{strings.Repeat("a", songspy.NickNameMax+1), "\u200b"} {
		var problems bytes.Buffer
		if code := run(t.Context(), []string{"people", "rename", ann.handle(), name}, w.env, &problems, &problems); code == 0 || !strings.Contains(problems.String(), "1 to 30 characters") {
			t.Errorf("the nickname %q: code %d, %s", name, code, &problems)
		}
	}
	w.command(t, "people", "hide", ann.handle(), "--reason=it went on")
	if out := w.command(t, "people"); !strings.Contains(out, `"Somebody"`) || !strings.Contains(out, bob.handle()) {
		t.Errorf("the users are\n%s", out)
	}
	w.eventually(t, "the hidden user to disappear", func() bool { return !strings.Contains(w.boardJSON(t), "A song") })
	w.wantStatus(t, w.Call("GET", prefix+"/people/"+ann.handle(), nil), 404, "NOT_FOUND")
	var audit struct {
		Items []struct{ Kind, Actor, Detail string }
	}
	w.Call("GET", prefix+"/me/audit", nil, ann.bearer()...).DecodeData(t, &audit)
	if len(audit.Items) < 2 || audit.Items[0].Kind != "hidden" || audit.Items[0].Actor != "operator" || audit.Items[0].Detail != "it went on" || audit.Items[1].Kind != "renamed" {
		t.Errorf("the audit log is %+v", audit)
	}
	w.command(t, "people", "unhide", ann.handle())
	w.eventually(t, "the user to appear again", func() bool { return strings.Contains(w.boardJSON(t), "A song") })
	w.command(t, "people", "close", "1")
	var refused strings.Builder
	if code := run(t.Context(), []string{"people", "close", "1"}, w.env, &refused, &refused); code != 1 || !strings.Contains(refused.String(), "Report 1 is not open; `songspy-api people reports` prints") {
		t.Errorf("closing a report again: code %d, %s", code, refused.String())
	}
	if out := w.command(t, "people", "show", ann.handle()); !strings.Contains(out, "shown") {
		t.Errorf("Ann is\n%s", out)
	}
	if out := w.command(t, "people", "reports"); strings.Contains(out, ann.handle()) {
		t.Errorf("the closed report is open:\n%s", out)
	}
	var problems bytes.Buffer
	if code := run(t.Context(), []string{"people", "hide", "ann"}, w.env, &problems, &problems); code != 2 || !strings.Contains(problems.String(), "not the handle of a user") {
		t.Errorf("a wrong handle: code %d, %s", code, &problems)
	}
}
